#!/usr/bin/env bash
# pyarrow 26.0.1: a list view cast to lists loses what its last list holds, and no error says so.
#
# A good guess: a cast between two layouts of lists keeps the values, or fails. What happens: the offsets of the new array
# lack their last one, so the last list reads as an empty one; only `validate` tells. The three lists read right as they
# are, and with `list_flatten`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile pyarrow==26.0.1
cat > "$folder/seen.py" <<'PYTHON'
import pyarrow as pa
import pyarrow.compute as pc

for view in (pa.list_view(pa.int32()), pa.large_list_view(pa.int32())):
    lists = pa.array([[1, 2], [3], [4, 5, 6]], view)
    print(lists.to_pylist(), pc.list_flatten(lists).to_pylist())
    for target in (pa.list_(pa.int32()), pa.large_list(pa.int32())):
        made = lists.cast(target)
        try:
            made.validate(full=True)
        except pa.ArrowInvalid:
            print(made.to_pylist(), "invalid")
        else:
            print(made.to_pylist(), "valid")
PYTHON
cat > "$folder/expected" <<'TEXT'
[[1, 2], [3], [4, 5, 6]] [1, 2, 3, 4, 5, 6]
[[1, 2], [3], []] invalid
[[1, 2], [3], []] invalid
[[1, 2], [3], [4, 5, 6]] [1, 2, 3, 4, 5, 6]
[[1, 2], [3], []] invalid
[[1, 2], [3], []] invalid
TEXT
"$folder/env/bin/python" "$folder/seen.py" | tee "$folder/seen"
if ! diff "$folder/expected" "$folder/seen"; then
    echo "the behaviour has changed" >&2
    exit 1
fi
