"""Apache Superset: a database is added, SQL Lab runs and stops queries, a chart cuts time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sqlalchemy.tools.script import found_by

pytest.importorskip("superset", reason="make rooms has Superset")

CONFIG = """
SECRET_KEY = "a key for tests alone, which nobody has to guess"
SQLALCHEMY_DATABASE_URI = "sqlite:///{folder}/metadata.db?check_same_thread=false"
WTF_CSRF_ENABLED = TALISMAN_ENABLED = RATELIMIT_ENABLED = PREVENT_UNSAFE_DB_CONNECTIONS = False
FEATURE_FLAGS = {{"ESTIMATE_QUERY_COST": True}}
"""
SCRIPT = """
import logging, threading, time

logging.disable(logging.CRITICAL)
from superset.app import create_app

app = create_app()
with app.app_context():
    from flask_appbuilder import Model
    from superset import db, security_manager
    from superset.extensions import appbuilder

    Model.metadata.create_all(db.engine)
    appbuilder.add_permissions(update_perms=True)
    security_manager.sync_role_definitions()
    security_manager.add_user("me", "a", "b", "me@example.com", security_manager.find_role("Admin"), password="me")
    db.session.commit()

def client():
    return app.test_client()

signed = client().post("/api/v1/security/login", json={"username": "me", "password": "me", "provider": "db"})
headers = {"Authorization": "Bearer " + signed.json["access_token"]}

def get(path):
    return client().get("/api/v1/" + path, headers=headers)

def post(path, **body):
    return client().post("/api/v1/" + path, json=body, headers=headers)

made = post(
    "database/", database_name="e6data", sqlalchemy_uri=url, expose_in_sqllab=True, allow_dml=True,
    extra=json.dumps({"cost_estimate_enabled": True}),
)
found["made"] = [made.status_code, engine.url.password in made.text]
number = made.json["id"]

def run(text, client_id=None, **more):
    client_id = client_id or os.urandom(5).hex()
    return post("sqllab/execute/", database_id=number, sql=text, runAsync=False, client_id=client_id, **more)

found["create"] = run("create table sold (id int, name varchar, made timestamp, price decimal(10, 2))").status_code
found["insert"] = run("insert into sold values (1, 'a', timestamp '2026-02-03 10:47:05', 1.5)").status_code
rows = run("select * from sold").json
found["rows"] = rows["data"]
found["types"] = [column["type"] for column in rows["columns"]]
found["schema"] = run("select count(*) as n from stores", catalog="sample", schema="sales").status_code
found["wrong"] = run("select * from nothing").json["errors"][0]["message"]

found["catalogs"] = sorted(get(f"database/{number}/catalogs/").json["result"])
found["schemas"] = get(f"database/{number}/schemas/?q=(catalog:sample)").json["result"]
tables = get(f"database/{number}/tables/?q=(catalog_name:scratch,schema_name:main)")
found["tables"] = [table["value"] for table in tables.json["result"]]
found["plan"] = post("sqllab/estimate/", database_id=number, sql="select * from sold").json["result"]

dataset = post("dataset/", database=number, catalog="scratch", schema="main", table_name="sold").json["id"]
found["grains"] = {}
for grain in ("PT1S", "PT1M", "PT5M", "PT15M", "PT30M", "PT1H", "PT6H", "P1D", "P1W", "P1M", "P3M", "P1Y"):
    axis = {"timeGrain": grain, "columnType": "BASE_AXIS", "sqlExpression": "made", "label": "made",
            "expressionType": "SQL"}
    query = {"columns": [axis], "metrics": ["count"], "granularity": "made", "time_range": "2025-01-01 : 2027-01-01"}
    chart = post("chart/data", datasource={"id": dataset, "type": "table"}, queries=[query], result_format="csv",
                 result_type="full")
    found["grains"][grain] = chart.text.splitlines()[-1].split(",")[0]

began = time.monotonic()
long = threading.Thread(
    target=lambda: found.update(stopped=run("select count(*) from range(1000000000000)", "stopme").json), daemon=True
)
long.start()
while time.monotonic() - began < 60:
    with app.app_context():
        from superset.models.sql_lab import Query
        if db.session.query(Query).filter_by(client_id="stopme", status="running").count():
            break
    time.sleep(0.1)
found["stop"] = post("query/stop", client_id="stopme").status_code
long.join(120)
found["ended"] = not long.is_alive()
run("drop table sold")
"""


def test_a_database_in_superset(url: str, tmp_path: Path) -> None:
    """What a user of Superset does with a database, by the same requests that the pages make."""
    config = tmp_path / "superset_config.py"
    config.write_text(CONFIG.format(folder=tmp_path), encoding="utf-8")
    found = found_by(
        SCRIPT, url, tmp_path, SUPERSET_HOME=str(tmp_path), SUPERSET_CONFIG_PATH=str(config)
    )

    assert found["made"] == [201, False]
    assert (found["create"], found["insert"], found["schema"]) == (200, 200, 200)
    assert found["rows"] == [{"id": 1, "name": "a", "made": "2026-02-03T10:47:05", "price": 1.5}]
    assert found["types"] == ["INT", "VARCHAR", "TIMESTAMP", "DECIMAL(38, 2)"]
    assert "42S02" in found["wrong"]
    assert found["catalogs"] == ["sample", "scratch"]
    assert found["schemas"] == ["sales"]
    assert found["tables"] == ["sold"]
    assert found["plan"][0]["Plan"]
    assert found["grains"] == {
        "PT1S": "2026-02-03 10:47:05",
        "PT1M": "2026-02-03 10:47:00",
        "PT5M": "2026-02-03 10:45:00",
        "PT15M": "2026-02-03 10:45:00",
        "PT30M": "2026-02-03 10:30:00",
        "PT1H": "2026-02-03 10:00:00",
        "PT6H": "2026-02-03 06:00:00",
        "P1D": "2026-02-03",
        "P1W": "2026-02-02",
        "P1M": "2026-02-01",
        "P3M": "2026-01-01",
        "P1Y": "2026-01-01",
    }
    assert found["stop"] == 200
    assert found["ended"]
