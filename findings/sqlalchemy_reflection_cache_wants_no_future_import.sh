#!/usr/bin/env bash
# SQLAlchemy 1.4.54: the decorator that caches reflection cannot take methods of a module with postponed annotations.
#
# A good guess: `from __future__ import annotations` changes nothing for a decorator, and what imports on SQLAlchemy 2
# imports on 1.4, whose methods these are. What happens: in 1.4 the decorated method's signature is written as Python text
# and compiled; annotations are texts by then, and a text such as `str | None` beside a default gives a SyntaxError as
# soon as the dialect's class is made. 2.0 takes it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
cat > "$folder/seen.py" <<'PYTHON'
from __future__ import annotations

from typing import Any

import sqlalchemy
from sqlalchemy.engine import reflection

try:

    class Dialect:
        @reflection.cache
        def get_table_names(self, connection: Any, schema: str | None = None, **kw: Any) -> list[str]:
            return []

    print(sqlalchemy.__version__, "defined")
except SyntaxError:
    print(sqlalchemy.__version__, "SyntaxError")
PYTHON
cat > "$folder/expected" <<'TEXT'
1.4.54 SyntaxError
2.0.44 defined
TEXT
for version in 1.4.54 2.0.44; do
    "$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check "sqlalchemy==$version"
    "$folder/env/bin/python" "$folder/seen.py" | tee -a "$folder/seen"
done
if ! diff "$folder/expected" "$folder/seen"; then
    echo "the behaviour has changed" >&2
    exit 1
fi
