#!/usr/bin/env bash
# adbc-driver-sqlite 1.13.0: in a transaction, an ingestion whose source fails leaves the rows that came before.
#
# A good guess: `adbc_ingest` is a statement, and a statement that fails in a transaction has changed nothing, so what is
# committed then is what the statements before did. What happens: the batches before the failure are there, and a commit
# keeps them; with autocommit they are gone, but the empty table stays.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check adbc-driver-sqlite==1.13.0 adbc-driver-manager==1.13.0 pyarrow==26.0.1
cat > "$folder/seen.py" <<'PYTHON'
import adbc_driver_sqlite.dbapi
import pyarrow as pa

schema = pa.schema({"n": pa.int64()})


def batches():
    yield pa.record_batch({"n": [1, 2]})
    raise RuntimeError("the source broke")


for autocommit in (False, True):
    with adbc_driver_sqlite.dbapi.connect(":memory:", autocommit=autocommit) as connection:
        with connection.cursor() as cursor:
            try:
                cursor.adbc_ingest("t", pa.RecordBatchReader.from_batches(schema, batches()))
            except adbc_driver_sqlite.dbapi.Error as error:
                print(type(error).__name__)
        if not autocommit:
            connection.commit()
        with connection.cursor() as cursor:
            cursor.execute("select count(*) from t")
            print("autocommit" if autocommit else "transaction", cursor.fetchone())
PYTHON
cat > "$folder/expected" <<'TEXT'
OperationalError
transaction (2,)
OperationalError
autocommit (0,)
TEXT
"$folder/env/bin/python" "$folder/seen.py" | tee "$folder/seen"
if ! diff "$folder/expected" "$folder/seen"; then
    echo "the behaviour has changed" >&2
    exit 1
fi
