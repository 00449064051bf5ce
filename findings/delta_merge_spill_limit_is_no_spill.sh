#!/usr/bin/env bash
# deltalake 1.6.6: a merge with a limit on its memory fails at the limit; its join does not go to the disk.
#
# A good guess: `max_spill_size` is the size from which on a merge spills, as its name says, so that a small one makes it
# slow. What happens: where both sides of the join are larger, the merge is an error ("Resources exhausted"), although the
# disk is empty and the same merge passes without the option.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check deltalake==1.6.6 pyarrow==26.0.1
cat > "$folder/seen.py" <<'PYTHON'
import tempfile

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

MIB = 1 << 20


def rows(start):
    numbers = range(start, start + 400_000)
    texts = [f"the text of row {number}, which is not short" for number in numbers]
    return pa.table({"n": pa.array(numbers, pa.int64()), "text": texts})


def merge(**options):
    with tempfile.TemporaryDirectory() as folder:
        write_deltalake(folder, rows(0))
        merging = DeltaTable(folder).merge(
            rows(200_000), predicate="t.n = s.n", source_alias="s", target_alias="t", **options
        )
        merging = merging.when_matched_update_all().when_not_matched_insert_all()
        try:
            return merging.execute()["num_output_rows"]
        except Exception as error:
            return "Resources exhausted" if "Resources exhausted" in str(error) else repr(error)


print("no limit:", merge())
print("a limit of 16 MiB:", merge(max_spill_size=16 * MIB, max_temp_directory_size=10_000 * MIB))
PYTHON
cat > "$folder/expected" <<'TEXT'
no limit: 600000
a limit of 16 MiB: Resources exhausted
TEXT
"$folder/env/bin/python" "$folder/seen.py" | tee "$folder/seen"
if ! diff "$folder/expected" "$folder/seen"; then
    echo "the behaviour has changed" >&2
    exit 1
fi
