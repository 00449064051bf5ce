#!/usr/bin/env bash
# pyarrow 26.0.1: a timestamp beyond the year 32767 cast to text is a text that says it is out of range, and no error.
#
# A good guess: what has no text is refused, as other casts refuse what does not fit. What happens: the cast succeeds, and
# the column holds `<value out of range: …>` between its times. Up to there the year has as many digits as it takes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile pyarrow==26.0.1
cat > "$folder/seen.py" <<'PYTHON'
import pyarrow as pa

for unit in ("s", "ms", "us"):
    steps = {"s": 1, "ms": 1000, "us": 1_000_000}[unit]
    seconds = [0, 253_402_300_800, 971_890_963_199, 971_890_963_200]
    times = pa.array([second * steps for second in seconds], pa.timestamp(unit))
    print(unit, times.cast(pa.string()).to_pylist())
PYTHON
cat > "$folder/expected" <<'TEXT'
s ['1970-01-01 00:00:00', '10000-01-01 00:00:00', '32767-12-31 23:59:59', '<value out of range: 971890963200>']
ms ['1970-01-01 00:00:00.000', '10000-01-01 00:00:00.000', '32767-12-31 23:59:59.000', '<value out of range: 971890963200000>']
us ['1970-01-01 00:00:00.000000', '10000-01-01 00:00:00.000000', '32767-12-31 23:59:59.000000', '<value out of range: 971890963200000000>']
TEXT
"$folder/env/bin/python" "$folder/seen.py" | tee "$folder/seen"
if ! diff "$folder/expected" "$folder/seen"; then
    echo "the behaviour has changed" >&2
    exit 1
fi
