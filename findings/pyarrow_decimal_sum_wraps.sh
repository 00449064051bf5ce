#!/usr/bin/env bash
# pyarrow 26.0.1: the sum of decimals beyond 38 digits wraps, and is negative; `sum_checked` does not exist for it.
#
# A good guess: a sum of `decimal128(38, 0)` is exact or an error, as `add_checked` is for two integers. What happens:
# the 128 bits wrap around, so two positive numbers have a negative sum. Widened to `decimal256` first it is right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check pyarrow==26.0.1
cat > "$folder/seen.py" <<'PYTHON'
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

values = pa.array([Decimal(9) * 10**37] * 2, pa.decimal128(38))
print(pc.sum(values).as_py())
print(pc.sum(values.cast(pa.decimal256(40))).as_py())
print([name for name in pc.list_functions() if name.startswith("sum")])
PYTHON
cat > "$folder/expected" <<'TEXT'
-160282366920938463463374607431768211456
180000000000000000000000000000000000000
['sum']
TEXT
"$folder/env/bin/python" "$folder/seen.py" | tee "$folder/seen"
if ! diff "$folder/expected" "$folder/seen"; then
    echo "the behaviour has changed" >&2
    exit 1
fi
