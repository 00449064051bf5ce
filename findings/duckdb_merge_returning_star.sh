#!/usr/bin/env bash
# DuckDB 2.0.1: RETURNING * of a MERGE leaves out what RETURNING merge_action, * has.
#
# A good guess: `*` is all columns that RETURNING may name. What happens: the column `merge_action`, which says whether a
# row was inserted or updated, is there by its name only.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check duckdb==2.0.1
cat > "$folder/seen.py" <<'PYTHON'
import duckdb

connection = duckdb.connect()
connection.execute('create table stock (id int, amount int)')
connection.execute('insert into stock values (1, 10)')
merge = '''merge into stock using (values (1, 5), (2, 7)) as new(id, amount) on stock.id = new.id
when matched then update set amount = new.amount when not matched then insert values (new.id, new.amount)
returning '''
for columns in ('*', 'merge_action, *'):
    connection.execute('begin')
    found = connection.execute(merge + columns)
    print([column[0] for column in found.description], sorted(found.fetchall()))
    connection.execute('rollback')
PYTHON
cat > "$folder/expected" <<'TEXT'
['id', 'amount'] [(1, 5), (2, 7)]
['merge_action', 'id', 'amount'] [('INSERT', 2, 7), ('UPDATE', 1, 5)]
TEXT
"$folder/env/bin/python" "$folder/seen.py" | tee "$folder/seen"
if ! diff "$folder/expected" "$folder/seen"; then
    echo "the behaviour has changed" >&2
    exit 1
fi
