#!/usr/bin/env bash
# sqlglot 30.30.0: Trino's `1_000` becomes the number 1 with the name `_000` on its way to DuckDB, which means 1,000 by it, too.
#
# A good guess: a number with underscores, which both dialects have, is carried over, or refused where it is not known.
# What happens: in a SELECT list the statement runs and has another value; in a comparison it does not parse.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile sqlglot==30.30.0 duckdb==2.0.1
cat > "$folder/seen.py" <<'PYTHON'
import duckdb
import sqlglot

for sql in ("SELECT 1_000", "SELECT 2 * 1_000"):
    written = sqlglot.transpile(sql, read="trino", write="duckdb")[0]
    print(written, duckdb.sql(sql).fetchall(), duckdb.sql(written).fetchall())
try:
    sqlglot.transpile("SELECT 1 WHERE 5 < 1_000", read="trino", write="duckdb")
except sqlglot.errors.ParseError:
    print("does not parse")
PYTHON
cat > "$folder/expected" <<'TEXT'
SELECT 1 AS _000 [(1000,)] [(1,)]
SELECT 2 * 1 AS _000 [(2000,)] [(2,)]
does not parse
TEXT
"$folder/env/bin/python" "$folder/seen.py" | tee "$folder/seen"
if ! diff "$folder/expected" "$folder/seen"; then
    echo "the behaviour has changed" >&2
    exit 1
fi
