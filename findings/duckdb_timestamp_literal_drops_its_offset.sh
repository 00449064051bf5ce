#!/usr/bin/env bash
# duckdb 2.0.1: the offset of a TIMESTAMP literal is dropped, and the one of a TIMESTAMPTZ literal may not have a blank before it.
#
# A good guess: a literal with an offset is turned into UTC, or refused, where its type has no zone; and a blank before
# the offset, which standard SQL and PostgreSQL write, is as good as none. What happens: the wall clock stays, whatever
# the offset; and with the blank it is taken for the name of a zone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile duckdb==2.0.1
cat > "$folder/seen.py" <<'PYTHON'
import duckdb

duckdb.sql("SET TimeZone = 'UTC'")
for text in ("2024-01-01 10:00:00+02:00", "2024-01-01 10:00:00 +02:00"):
    for kind in ("TIMESTAMP", "TIMESTAMPTZ"):
        try:
            print(kind, duckdb.sql(f"SELECT ({kind} '{text}')::VARCHAR").fetchall()[0][0])
        except duckdb.ConversionException as error:
            print(kind, str(error).splitlines()[0])
PYTHON
cat > "$folder/expected" <<'TEXT'
TIMESTAMP 2024-01-01 10:00:00
TIMESTAMPTZ 2024-01-01 08:00:00+00
TIMESTAMP 2024-01-01 10:00:00
TIMESTAMPTZ Conversion Error: Unknown TimeZone '+02:00'!
TEXT
"$folder/env/bin/python" "$folder/seen.py" | tee "$folder/seen"
if ! diff "$folder/expected" "$folder/seen"; then
    echo "the behaviour has changed" >&2
    exit 1
fi
