#!/usr/bin/env bash
# sqlglot 30.30.0: FETCH FIRST … WITH TIES of Trino becomes a plain LIMIT of DuckDB, without a warning.
#
# A good guess: what the other dialect does not have is an error where `unsupported_level` asks for one. What happens:
# the ties are dropped from the tree's text, so the translated query gives fewer rows, and RAISE does not raise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check sqlglot==30.30.0
cat > "$folder/seen.py" <<'PYTHON'
import sqlglot
from sqlglot import ErrorLevel

query = "SELECT a FROM t ORDER BY a FETCH FIRST 2 ROWS WITH TIES"
print(sqlglot.transpile(query, read="trino", write="trino")[0])
print(sqlglot.transpile(query, read="trino", write="duckdb", unsupported_level=ErrorLevel.RAISE)[0])
PYTHON
cat > "$folder/expected" <<'TEXT'
SELECT a FROM t ORDER BY a FETCH FIRST 2 ROWS WITH TIES
SELECT a FROM t ORDER BY a LIMIT 2
TEXT
"$folder/env/bin/python" "$folder/seen.py" | tee "$folder/seen"
if ! diff "$folder/expected" "$folder/seen"; then
    echo "the behaviour has changed" >&2
    exit 1
fi
