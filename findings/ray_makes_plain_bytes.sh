#!/usr/bin/env bash
# ray 2.60.0: an object of a subclass of bytes comes back as plain bytes, unless it is in a list.
#
# A good guess: what pickles whole is handed on whole. What happens: bytes are passed on without pickle, and so is what
# is derived from them: class and attributes are gone, in `ray.put` and in the arguments and results of tasks alike.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile ray==2.60.0
cat > "$folder/seen.py" <<'PYTHON'
import logging
import os

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
import ray


class Token(bytes):
    pass


@ray.remote
def kind(argument):
    return type(argument).__name__


ray.init(num_cpus=1, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
token = Token(b"x")
print("put", type(ray.get(ray.put(token))).__name__)
print("argument", ray.get(kind.remote(token)))
print("in a list", type(ray.get(ray.put([token]))[0]).__name__)
ray.shutdown()
PYTHON
cat > "$folder/expected" <<'TEXT'
put bytes
argument bytes
in a list Token
TEXT
"$folder/env/bin/python" "$folder/seen.py" | tee "$folder/seen"
if ! diff "$folder/expected" "$folder/seen"; then
    echo "the behaviour has changed" >&2
    exit 1
fi
