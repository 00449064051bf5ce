#!/usr/bin/env bash
# fakesnow 0.12.1: a NUMBER(38, 0) holds what fits 64 bits, a NUMBER(38, 1) holds 37 digits before its point.
#
# A good guess: a fake has the range of the type that it stands for. What happens: 2^63 is refused as out of range,
# though the column is declared with 38 digits, and a decimal with a place more takes the same value.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile fakesnow==0.12.1 snowflake-connector-python==4.8.1
cat > "$folder/seen.py" <<'PYTHON'
import warnings

import fakesnow
import snowflake.connector

warnings.simplefilter("ignore")
with fakesnow.patch(), snowflake.connector.connect(database="d", schema="s") as connection:
    cursor = connection.cursor()
    for scale in (0, 1):
        for value in (2**63 - 1, 2**63):
            try:
                found = cursor.execute(f"select {value}::number(38, {scale})").fetchone()[0]
            except snowflake.connector.errors.ProgrammingError as error:
                found = error.sqlstate
            print(f"number(38, {scale})", value, found)
PYTHON
cat > "$folder/expected" <<'TEXT'
number(38, 0) 9223372036854775807 9223372036854775807
number(38, 0) 9223372036854775808 22007
number(38, 1) 9223372036854775807 9223372036854775807.0
number(38, 1) 9223372036854775808 9223372036854775808.0
TEXT
"$folder/env/bin/python" "$folder/seen.py" 2> /dev/null | tee "$folder/seen"
if ! diff "$folder/expected" "$folder/seen"; then
    echo "the behaviour has changed" >&2
    exit 1
fi
