#!/usr/bin/env bash
# pyarrow 26.0.1: a dictionary whose values are `string_view` cannot be decoded, while one of `string` can.
#
# A good guess: `dictionary_decode` and `cast` work for each type of text. What happens: both raise that there is no
# kernel for views, so Polars' Categorical and Enum columns, which arrive so, have to have their values cast first.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check pyarrow==26.0.1
cat > "$folder/seen.py" <<'PYTHON'
import pyarrow as pa

for text in (pa.string(), pa.string_view()):
    encoded = pa.DictionaryArray.from_arrays(pa.array([1, 0, None], pa.int8()), pa.array(["a", "b"], text))
    for name, decode in (("decode", lambda: encoded.dictionary_decode()), ("cast", lambda: encoded.cast(pa.string()))):
        try:
            print(text, name, decode().to_pylist())
        except pa.ArrowException as error:
            print(text, name, type(error).__name__)
values = encoded.dictionary.cast(pa.string())
print(pa.DictionaryArray.from_arrays(encoded.indices, values).dictionary_decode().to_pylist())
PYTHON
cat > "$folder/expected" <<'TEXT'
string decode ['b', 'a', None]
string cast ['b', 'a', None]
string_view decode ArrowNotImplementedError
string_view cast ArrowNotImplementedError
['b', 'a', None]
TEXT
"$folder/env/bin/python" "$folder/seen.py" | tee "$folder/seen"
if ! diff "$folder/expected" "$folder/seen"; then
    echo "the behaviour has changed" >&2
    exit 1
fi
