#!/usr/bin/env bash
# DuckDB 2.0.1: a query over an object with `__arrow_c_stream__` takes three streams of it.
#
# A good guess: a query reads its source once, so it asks for one stream. What happens: DuckDB asks three times, twice
# for the schema alone, so a source whose stream costs a query on a server pays three queries, and one whose stream can
# be had once fails. With `__arrow_c_schema__` beside it DuckDB asks that for the schema, and takes one stream.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check duckdb==2.0.1 pyarrow==26.0.1
cat > "$folder/seen.py" <<'PYTHON'
import duckdb
import pyarrow as pa


class Plain:
    def __init__(self):
        self.streams = 0

    def __arrow_c_stream__(self, requested_schema=None):
        self.streams += 1
        return pa.table({"n": [1, 2, 3]}).__arrow_c_stream__(requested_schema)


class WithSchema(Plain):
    def __arrow_c_schema__(self):
        return pa.schema({"n": pa.int64()}).__arrow_c_schema__()


for kind in (Plain, WithSchema):
    source = kind()
    rows = duckdb.sql("select sum(n) from source").fetchall()
    print(kind.__name__, rows, source.streams)
PYTHON
cat > "$folder/expected" <<'TEXT'
Plain [(6,)] 3
WithSchema [(6,)] 1
TEXT
"$folder/env/bin/python" "$folder/seen.py" | tee "$folder/seen"
if ! diff "$folder/expected" "$folder/seen"; then
    echo "the behaviour has changed" >&2
    exit 1
fi
