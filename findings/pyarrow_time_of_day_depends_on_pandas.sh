#!/usr/bin/env bash
# pyarrow 26.0.1: whether a time of the day with nanoseconds is refused or cut depends on pandas being installed.
#
# A good guess: `to_pylist` of `time64[ns]` gives what a Python time can hold or fails, in every environment alike. What
# happens: without pandas it is a ValueError, which recommends to install pandas for support of nanoseconds; with pandas
# the nanoseconds of a timestamp are kept (a `pandas.Timestamp`), and those of a time of the day are cut in silence.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check pyarrow==26.0.1
cat > "$folder/seen.py" <<'PYTHON'
import importlib.util

import pyarrow as pa

times = pa.array([1, 999], pa.int64()).cast(pa.time64("ns"))
try:
    seen = times.to_pylist()
except ValueError:
    seen = "ValueError"
print("with pandas:" if importlib.util.find_spec("pandas") else "without pandas:", seen)
PYTHON
cat > "$folder/expected" <<'TEXT'
without pandas: ValueError
with pandas: [datetime.time(0, 0), datetime.time(0, 0)]
TEXT
"$folder/env/bin/python" "$folder/seen.py" | tee "$folder/seen"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check pandas==3.1.1
"$folder/env/bin/python" "$folder/seen.py" | tee -a "$folder/seen"
if ! diff "$folder/expected" "$folder/seen"; then
    echo "the behaviour has changed" >&2
    exit 1
fi
