#!/usr/bin/env bash
# pyarrow 26.0.1: a list of Python values takes the type of a value that cannot hold the others, without an error.
#
# A good guess: values of two kinds are widened to a type that holds both, or refused. What happens: a `date` before a
# `datetime` makes the column a date, which cuts the time of day; a `datetime` without a zone before one with a zone
# makes a column without, so that an instant in UTC becomes a time on the wall; `bytes` after `str` make the text
# binary.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check pyarrow==26.0.1
cat > "$folder/seen.py" <<'PYTHON'
from datetime import date, datetime, timedelta, timezone

import pyarrow as pa

noon = datetime(2026, 3, 1, 12)
elsewhere = datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=5, minutes=30)))
for values in ([date(2026, 3, 1), noon], [noon, elsewhere], ["a", b"b"]):
    array = pa.array(values)
    print(array.type, array.to_pylist())
PYTHON
cat > "$folder/expected" <<'TEXT'
date32[day] [datetime.date(2026, 3, 1), datetime.date(2026, 3, 1)]
timestamp[us] [datetime.datetime(2026, 3, 1, 12, 0), datetime.datetime(2026, 3, 1, 6, 30)]
binary [b'a', b'b']
TEXT
"$folder/env/bin/python" "$folder/seen.py" | tee "$folder/seen"
if ! diff "$folder/expected" "$folder/seen"; then
    echo "the behaviour has changed" >&2
    exit 1
fi
