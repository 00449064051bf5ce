#!/usr/bin/env bash
# deltalake 1.6.6: an append of doubles or of text to a column of integers casts the values, fractions cut off.
#
# A good guess: a table format with a schema refuses a column of another type. What happens: 3.7 is stored as 3 and the
# text '33' as 33, without a word; only what cannot be cast at all is an error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check deltalake==1.6.6 pyarrow==26.0.1
cat > "$folder/seen.py" <<'PYTHON'
import tempfile

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

with tempfile.TemporaryDirectory() as folder:
    write_deltalake(folder, pa.table({"n": pa.array([1], pa.int64())}))
    for values in ([3.7], [-3.7], ["33"]):
        write_deltalake(folder, pa.table({"n": values}), mode="append")
    table = DeltaTable(folder).to_pyarrow_table()
    print(table.schema.field("n").type, sorted(table["n"].to_pylist()))
PYTHON
cat > "$folder/expected" <<'TEXT'
int64 [-3, 1, 3, 33]
TEXT
"$folder/env/bin/python" "$folder/seen.py" | tee "$folder/seen"
if ! diff "$folder/expected" "$folder/seen"; then
    echo "the behaviour has changed" >&2
    exit 1
fi
