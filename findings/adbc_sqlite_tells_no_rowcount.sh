#!/usr/bin/env bash
# adbc-driver-sqlite 1.13.0: an UPDATE through `execute` has the row count -1, an INSERT through `executemany` its rows.
#
# A good guess: SQLite counts the rows of each change, so `rowcount` has them. What happens: only `executemany` tells
# them; after `execute` of an UPDATE or DELETE a program that looks whether anything matched is told -1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check adbc-driver-sqlite==1.13.0 adbc-driver-manager==1.13.0 pyarrow==26.0.1
cat > "$folder/seen.py" <<'PYTHON'
import adbc_driver_sqlite.dbapi
import pyarrow

with adbc_driver_sqlite.dbapi.connect(":memory:") as connection, connection.cursor() as cursor:
    cursor.execute("create table t (n int)")
    cursor.executemany("insert into t values (?)", [(1,), (2,), (3,)])
    print("insert", cursor.rowcount)
    cursor.execute("update t set n = n + 1")
    print("update", cursor.rowcount)
    cursor.execute("delete from t where n > 2")
    print("delete", cursor.rowcount)
    cursor.execute("select count(*) from t")
    print("left", cursor.fetchone())
PYTHON
cat > "$folder/expected" <<'TEXT'
insert 3
update -1
delete -1
left (1,)
TEXT
"$folder/env/bin/python" "$folder/seen.py" | tee "$folder/seen"
if ! diff "$folder/expected" "$folder/seen"; then
    echo "the behaviour has changed" >&2
    exit 1
fi
