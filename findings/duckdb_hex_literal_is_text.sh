#!/usr/bin/env bash
# DuckDB 1.4.4: the binary literal of standard SQL is read without an error, and is text.
#
# A good guess: `X'00ff'` is two bytes, as in other engines, or a syntax error. What happens: the statement runs, and gives
# the text `x00ff`; so binary data that is written with such literals arrives as text of another length. DuckDB 2.0 reads
# bytes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check duckdb==1.4.4
cat > "$folder/seen.py" <<'PYTHON'
import duckdb

print(duckdb.sql("select X'00ff' as value, typeof(X'00ff') as type").fetchall())
print(duckdb.sql("select octet_length(unhex('00ff'))").fetchall())
PYTHON
cat > "$folder/expected" <<'TEXT'
[('x00ff', 'VARCHAR')]
[(2,)]
TEXT
"$folder/env/bin/python" "$folder/seen.py" | tee "$folder/seen"
if ! diff "$folder/expected" "$folder/seen"; then
    echo "the behaviour has changed" >&2
    exit 1
fi
