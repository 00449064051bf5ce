#!/usr/bin/env bash
# DuckDB 2.0.1: a timestamp with nanoseconds is rounded to microseconds, also into the next second.
#
# A good guess: a cast to a coarser type cuts, as date_trunc does, so that a moment never moves into the future. What
# happens: TIMESTAMP_NS to TIMESTAMP rounds half up; the last 500 ns of a year are in the next year. And `isfinite`, which
# takes TIMESTAMP_NS, does not take it with a time zone, while `epoch_ns` takes both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check duckdb==2.0.1
cat > "$folder/seen.py" <<'PYTHON'
import duckdb

print(duckdb.sql("select timestamp_ns '2026-12-31 23:59:59.999999500'::timestamp::varchar as ts").fetchall())
for call in ('epoch_ns', 'isfinite'):
    for kind in ('timestamp_ns', 'timestamptz_ns'):
        try:
            duckdb.sql(f"select {call}('2026-01-01 00:00:00'::{kind})").fetchall()
            print(call, kind, 'taken')
        except duckdb.Error as error:
            print(call, kind, type(error).__name__)
PYTHON
cat > "$folder/expected" <<'TEXT'
[('2027-01-01 00:00:00',)]
epoch_ns timestamp_ns taken
epoch_ns timestamptz_ns taken
isfinite timestamp_ns taken
isfinite timestamptz_ns BinderException
TEXT
"$folder/env/bin/python" "$folder/seen.py" | tee "$folder/seen"
if ! diff "$folder/expected" "$folder/seen"; then
    echo "the behaviour has changed" >&2
    exit 1
fi
