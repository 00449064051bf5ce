"""alembic: migrations, and a model that is compared with what it made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sqlalchemy.tools.script import found_by

pytest.importorskip("alembic", reason="make rooms has alembic")

MODEL = """
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations

model = sa.MetaData()
sa.Table(
    "orders", model,
    sa.Column("id", sa.Integer, nullable=False), sa.Column("small", sa.SmallInteger),
    sa.Column("big", sa.BigInteger), sa.Column("price", sa.Numeric(10, 2)), sa.Column("share", sa.Float),
    sa.Column("single", sa.REAL), sa.Column("paid", sa.Boolean), sa.Column("day", sa.Date),
    sa.Column("at", sa.DateTime(timezone=True)), sa.Column("local", sa.DateTime), sa.Column("name", sa.String),
    sa.Column("code", sa.String(20)), sa.Column("note", sa.Text), sa.Column("raw", sa.LargeBinary),
    sa.Column("extra", sa.JSON),
)

def difference(connection):
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": True}
    )
    return [repr(change) for change in compare_metadata(context, model)]
"""


def test_a_model_that_was_made_differs_in_nothing(url: str, tmp_path: Path) -> None:
    """Autogenerate after `create_all` finds no change, of any type; a change by hand it finds."""
    script = """
    with engine.connect() as connection:
        found["before"] = difference(connection)
        model.create_all(connection)
        found["after"] = difference(connection)
        operations = Operations(MigrationContext.configure(connection))
        operations.add_column("orders", sa.Column("added", sa.Integer))
        found["added"] = difference(connection)
        operations.drop_column("orders", "added")
        operations.alter_column("orders", "small", type_=sa.BigInteger)
        found["wider"] = difference(connection)
        operations.alter_column("orders", "small", type_=sa.SmallInteger)
        operations.alter_column("orders", "note", new_column_name="remark")
        found["renamed"] = difference(connection)
        operations.alter_column("orders", "remark", new_column_name="note")
        found["again"] = difference(connection)
        operations.drop_table("orders")
    """
    found = found_by(MODEL + _plain(script), url, tmp_path)

    assert "add_table" in found["before"][0]
    assert found["after"] == []
    assert len(found["added"]) == 1
    assert "remove_column" in found["added"][0]
    assert len(found["wider"]) == 1
    assert "modify_type" in found["wider"][0]
    assert len(found["renamed"]) == 2
    assert found["again"] == []


def test_migrations_go_up_and_down(url: str, tmp_path: Path) -> None:
    """The commands of alembic: a folder is made, a revision written by autogenerate, applied, undone and shown."""
    script = """
    from alembic import command
    from alembic.config import Config
    from pathlib import Path

    config = Config("alembic.ini")
    config.set_main_option("script_location", "migrations")
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    command.init(config, "migrations")
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    Path("model.py").write_text(
        "import sqlalchemy as sa\\nmetadata = sa.MetaData()\\n"
        "sa.Table('kinds', metadata, sa.Column('id', sa.Integer, nullable=False), sa.Column('name', sa.String))\\n"
    )
    env = Path("migrations/env.py")
    env.write_text(env.read_text().replace(
        "target_metadata = None", "import sys; sys.path.insert(0, '.'); from model import metadata as target_metadata"
    ))
    command.revision(config, "kinds", autogenerate=True)
    command.upgrade(config, "head")
    inspector = sa.inspect(engine)
    found["up"] = [column["name"] for column in inspector.get_columns("kinds")]
    command.check(config)
    command.downgrade(config, "base")
    found["down"] = sa.inspect(engine).has_table("kinds")
    """
    found = found_by(_plain(script), url, tmp_path)

    assert found == {"up": ["id", "name"], "down": False}


def _plain(script: str) -> str:
    return "\n".join(line[4:] for line in script.splitlines())
