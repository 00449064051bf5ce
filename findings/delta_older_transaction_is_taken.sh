#!/usr/bin/env bash
# deltalake 1.6.6: a commit whose app transaction has an older version is taken, and lowers the version that is read.
#
# A good guess: the version of an app transaction only grows, since it is there to keep a batch from being written twice.
# What happens: it is a note. Version 5 after version 99 is written, and so is version 5 once more; a writer that asks
# for the version and then writes is safe from others of its own time alone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile deltalake==1.6.6 pyarrow==26.0.1
cat > "$folder/seen.py" <<'PYTHON'
import tempfile

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

with tempfile.TemporaryDirectory() as folder:
    for version in (99, 5, 5):
        write_deltalake(
            folder,
            pa.table({"n": [version]}),
            mode="append",
            commit_properties=CommitProperties(app_transactions=[Transaction("job", version)]),
        )
        table = DeltaTable(folder)
        rows = sorted(table.to_pyarrow_table()["n"].to_pylist())
        print("written", version, "read", table.transaction_version("job"), "rows", rows)
PYTHON
cat > "$folder/expected" <<'TEXT'
written 99 read 99 rows [99]
written 5 read 5 rows [5, 99]
written 5 read 5 rows [5, 5, 99]
TEXT
"$folder/env/bin/python" "$folder/seen.py" | tee "$folder/seen"
if ! diff "$folder/expected" "$folder/seen"; then
    echo "the behaviour has changed" >&2
    exit 1
fi
