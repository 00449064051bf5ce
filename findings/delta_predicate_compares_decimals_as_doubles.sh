#!/usr/bin/env bash
# deltalake 1.6.6: a decimal in a predicate is a double, so a DELETE of decimals misses its row and takes others.
#
# A good guess: a literal is compared with a column of decimals as a decimal. What happens: digits after the 16th or so
# do not count. `n = 12345678901234567.02` deletes nothing, `n <= 12345678901234567.02` deletes the row of .03, too. A
# literal that is cast from text is compared as it is written.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile deltalake==1.6.6 pyarrow==26.0.1
cat > "$folder/seen.py" <<'PYTHON'
import tempfile
from decimal import Decimal

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

WHOLE = "12345678901234567"
values = pa.array([Decimal(f"{WHOLE}.0{n}") for n in (1, 2, 3)], pa.decimal128(20, 2))
for condition in ("=", "<="):
    for literal in (f"{WHOLE}.02", f"cast('{WHOLE}.02' as decimal(20, 2))"):
        with tempfile.TemporaryDirectory() as folder:
            write_deltalake(folder, pa.table({"n": values}))
            deleted = DeltaTable(folder).delete(f"n {condition} {literal}")["num_deleted_rows"]
            print("n", condition, literal, "deletes", deleted)
PYTHON
cat > "$folder/expected" <<'TEXT'
n = 12345678901234567.02 deletes 0
n = cast('12345678901234567.02' as decimal(20, 2)) deletes 1
n <= 12345678901234567.02 deletes 3
n <= cast('12345678901234567.02' as decimal(20, 2)) deletes 2
TEXT
"$folder/env/bin/python" "$folder/seen.py" | tee "$folder/seen"
if ! diff "$folder/expected" "$folder/seen"; then
    echo "the behaviour has changed" >&2
    exit 1
fi
