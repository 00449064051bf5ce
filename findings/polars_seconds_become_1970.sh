#!/usr/bin/env bash
# polars 2.1.0: Arrow's timestamps and durations in seconds are multiplied by 1000, and wrap where that is too much.
#
# A good guess: Polars has no seconds, so it converts them to milliseconds, or refuses what does not fit. What happens:
# 2^62 seconds become the first moment of 1970, and a duration as long as that becomes zero, without an error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check polars==2.1.0 pyarrow==26.0.1
cat > "$folder/seen.py" <<'PYTHON'
import polars as pl
import pyarrow as pa

for kind in (pa.timestamp("s"), pa.duration("s")):
    series = pl.from_arrow(pa.array([2**62, 1], kind))
    print(kind, "->", series.dtype, series.to_list())
PYTHON
cat > "$folder/expected" <<'TEXT'
timestamp[s] -> Datetime(time_unit='ms', time_zone=None) [datetime.datetime(1970, 1, 1, 0, 0), datetime.datetime(1970, 1, 1, 0, 0, 1)]
duration[s] -> Duration(time_unit='ms') [datetime.timedelta(0), datetime.timedelta(seconds=1)]
TEXT
"$folder/env/bin/python" "$folder/seen.py" | tee "$folder/seen"
if ! diff "$folder/expected" "$folder/seen"; then
    echo "the behaviour has changed" >&2
    exit 1
fi
