#!/usr/bin/env bash
# pyiceberg 0.12.0: a variable of the environment counts if it is set before the import, and never after.
#
# A good guess: `load_catalog` looks at `PYICEBERG_CATALOG__…` when it is called, as its message says. What happens: the
# environment is read with the module. A test that sets the variable for its own time, or a program that reads a file of
# settings first, is told to set the variable that is set.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile 'pyiceberg[sql-sqlite]==0.12.0'
cat > "$folder/seen.py" <<'PYTHON'
import os
import sys

NAME = "PYICEBERG_CATALOG__HERE__URI"
when = sys.argv[1]
if when == "before":
    os.environ[NAME] = "sqlite:///:memory:"
from pyiceberg.catalog import load_catalog

os.environ[NAME] = "sqlite:///:memory:"
try:
    print(when, type(load_catalog("here")).__name__)
except ValueError as error:
    print(when, error)
PYTHON
cat > "$folder/expected" <<'TEXT'
before SqlCatalog
after URI missing, please provide using --uri, the config or environment variable PYICEBERG_CATALOG__HERE__URI
TEXT
{ "$folder/env/bin/python" "$folder/seen.py" before; "$folder/env/bin/python" "$folder/seen.py" after; } | tee "$folder/seen"
if ! diff "$folder/expected" "$folder/seen"; then
    echo "the behaviour has changed" >&2
    exit 1
fi
