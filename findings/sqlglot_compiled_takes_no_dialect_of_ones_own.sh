#!/usr/bin/env bash
# sqlglot 30.30.0 beside sqlglotc 30.30.0, its compiled build: a dialect of one's own cannot parse.
#
# A good guess: the compiled build is the same library, faster; a dialect of one's own is documented to work. What
# happens: the dialect's class, with a `Parser` of its own, is made, and the first parse raises TypeError, as compiled
# classes have no interpreted subclasses. The library's own dialects work on. The build replaces the parsers for every
# program of its environment, whoever installed it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/seen.py" <<'PYTHON'
import sqlglot
from sqlglot.dialects.dialect import Dialect


class Mine(Dialect):
    class Parser(sqlglot.parser.Parser):
        pass


for dialect in ("duckdb", Mine):
    try:
        print(sqlglot.parse_one("select 1", read=dialect).sql())
    except TypeError as error:
        print("TypeError:", error)
PYTHON
for packages in "sqlglot==30.30.0" "sqlglot==30.30.0 sqlglotc==30.30.0"; do
    rm -rf "$folder/env"
    "${PYTHON:-python3}" -m venv "$folder/env"
    # shellcheck disable=SC2086 # two packages are two words
    "$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check $packages
    echo "$packages:"
    "$folder/env/bin/python" "$folder/seen.py"
done | tee "$folder/seen"
cat > "$folder/expected" <<'TEXT'
sqlglot==30.30.0:
SELECT 1
SELECT 1
sqlglot==30.30.0 sqlglotc==30.30.0:
SELECT 1
TypeError: interpreted classes cannot inherit from compiled
TEXT
if ! diff "$folder/expected" "$folder/seen"; then
    echo "the behaviour has changed" >&2
    exit 1
fi
