#!/usr/bin/env bash
# SQLAlchemy 2.0.58 and 2.1.9: one URL names two databases.
#
# A good guess: minor versions read a URL alike, and as 2.0 has decoded user and password for years, the rest is decoded
# or not, but not now and then. What happens: the part behind the host is taken as it is written by 2.0 (1.4.54 does the
# same), and percent-decoded by 2.1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
cat > "$folder/seen.py" <<'PYTHON'
import sqlalchemy
from sqlalchemy.engine import make_url

url = make_url('sqlite://me:p%401@host/a%2Fb')
print(sqlalchemy.__version__, url.database, url.password)
PYTHON
for version in 2.0.58 2.1.9; do
    "$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check sqlalchemy==$version
    "$folder/env/bin/python" "$folder/seen.py" | tee -a "$folder/seen"
done
cat > "$folder/expected" <<'TEXT'
2.0.58 a%2Fb p@1
2.1.9 a/b p@1
TEXT
if ! diff "$folder/expected" "$folder/seen"; then
    echo "the behaviour has changed" >&2
    exit 1
fi
