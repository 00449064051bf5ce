#!/usr/bin/env bash
# pyarrow 26.0.1: a null of a table with one column is gone after the file of its CSV writer was read again.
#
# A good guess: a file has as many rows for the reader as the writer beside it wrote. What happens: the null of a lone
# column is an empty line, and the reader leaves empty lines out. Beside a second column the same null comes back, and so
# it does where the reader is told to keep empty lines.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check pyarrow==26.0.1
cat > "$folder/seen.py" <<'PYTHON'
import io

import pyarrow as pa
from pyarrow import csv


def again(table, **options):
    file = io.BytesIO()
    csv.write_csv(table, file)
    return csv.read_csv(io.BytesIO(file.getvalue()), parse_options=csv.ParseOptions(**options))['n'].to_pylist()


lone = pa.table({'n': [1, None, 3]})
print('alone', again(lone))
print('beside another', again(lone.append_column('m', pa.array([1, 2, 3]))))
print('alone, empty lines kept', again(lone, ignore_empty_lines=False))
PYTHON
cat > "$folder/expected" <<'TEXT'
alone [1, 3]
beside another [1, None, 3]
alone, empty lines kept [1, None, 3]
TEXT
"$folder/env/bin/python" "$folder/seen.py" | tee "$folder/seen"
if ! diff "$folder/expected" "$folder/seen"; then
    echo "the behaviour has changed" >&2
    exit 1
fi
