#!/usr/bin/env bash
# DuckDB 2.0.1: a UHUGEINT of 2^127 or more arrives in Arrow as a negative decimal.
#
# A good guess: a value that Arrow's `decimal128(38, 0)` cannot hold is an error, or has a wider type. What happens: the
# 128 bits are handed over as they are and read as a signed number. Through Python objects the value is right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check duckdb==2.0.1 pyarrow==26.0.1
cat > "$folder/seen.py" <<'PYTHON'
import duckdb

query = "select * from (values (170141183460469231731687303715884105728::UHUGEINT), (5::UHUGEINT)) t(n)"
reader = duckdb.sql(query).to_arrow_reader(10)
table = reader.read_all()
print(table.schema.field("n").type, table["n"].to_pylist())
print(duckdb.sql(query).fetchall())
PYTHON
cat > "$folder/expected" <<'TEXT'
decimal128(38, 0) [Decimal('-170141183460469231731687303715884105728'), Decimal('5')]
[(170141183460469231731687303715884105728,), (5,)]
TEXT
"$folder/env/bin/python" "$folder/seen.py" | tee "$folder/seen"
if ! diff "$folder/expected" "$folder/seen"; then
    echo "the behaviour has changed" >&2
    exit 1
fi
