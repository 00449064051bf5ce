#!/usr/bin/env bash
# adbc-driver-snowflake 1.11.0: None among the parameters of `execute` is refused; a null that has a type is bound.
#
# A good guess: None is NULL, as PEP 249 says. What happens: the manager makes a column of the type null of it, which the
# driver does not know. The same null in a column of text passes. The answers are those of fakesnow 0.12.1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile 'fakesnow[server]==0.12.1' snowflake-connector-python==4.8.1 adbc-driver-snowflake==1.11.0 adbc-driver-manager==1.13.0 pyarrow==26.0.1
cat > "$folder/seen.py" <<'PYTHON'
import adbc_driver_snowflake.dbapi
import fakesnow
import pyarrow as pa

with fakesnow.server() as place:
    uri = f"fake:{place['password']}@{place['host']}:{place['port']}/d/s?account=fakesnow&protocol=http"
    with (
        adbc_driver_snowflake.dbapi.connect(uri, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("create table t (n int, s varchar)")
        for parameters in (
            (1, "a"),
            (2, None),
            pa.record_batch({"n": [3], "s": pa.array([None], pa.string())}),
        ):
            try:
                cursor.execute("insert into t values (?, ?)", parameters)
            except adbc_driver_snowflake.dbapi.NotSupportedError as error:
                print(parameters, error)
        cursor.execute("select * from t order by n")
        print([(int(n), s) for n, s in cursor.fetchall()])
PYTHON
cat > "$folder/expected" <<'TEXT'
(2, None) NOT_IMPLEMENTED: [Snowflake] Unsupported bind param '1' type null
[(1, 'a'), (3, None)]
TEXT
"$folder/env/bin/python" "$folder/seen.py" 2> /dev/null | grep -v '^INFO' | tee "$folder/seen"
if ! diff "$folder/expected" "$folder/seen"; then
    echo "the behaviour has changed" >&2
    exit 1
fi
