"""`e6data_adbc.polars.catalog`: tables as scans by name."""

from __future__ import annotations

import pyarrow as pa
import pytest

import e6data_adbc.polars
from e6data_adbc.local import LocalEngine


def test_tables_by_name(engine: LocalEngine) -> None:
    """A table is an item and, where its name allows, an attribute; names complete in shells and notebooks."""
    engine.register('two "words"', pa.table({"a": [1]}))
    tables = e6data_adbc.polars.catalog(engine.uri)

    assert set(tables) == {"t", 'two "words"'}
    assert len(tables) == 2
    assert "t" in tables
    assert tables.t.collect().height == tables["t"].collect().height == 4
    assert tables['two "words"'].collect().rows() == [(1,)]
    assert "t" in dir(tables)
    assert 'two "words"' not in dir(tables)
    assert 'two "words"' in tables._ipython_key_completions_()
    assert "2 tables of scratch.main" in repr(tables)


def test_names_that_are_not_there(engine: LocalEngine) -> None:
    """A table that is not there is a KeyError or an AttributeError, as of any mapping and object."""
    tables = e6data_adbc.polars.catalog(engine.uri)

    with pytest.raises(KeyError):
        tables["nothing"]
    with pytest.raises(AttributeError, match=r"no table 'nothing' in scratch\.main"):
        tables.nothing  # noqa: B018
    assert tables.get("nothing") is None
    assert not hasattr(tables, "_repr_html_")


def test_another_schema(engine: LocalEngine) -> None:
    """Any schema that the user may see, with a connection of the user's."""
    with e6data_adbc.connect(engine.uri) as connection:
        tables = e6data_adbc.polars.catalog(
            connection=connection, catalog="sample", db_schema="sales"
        )
        assert tables.orders.head(2).collect().height == 2


def test_asking_for_names_asks_no_columns(engine: LocalEngine) -> None:
    """Looking at the names sends nothing."""
    tables = e6data_adbc.polars.catalog(engine.uri)
    calls = sum(engine.ledger.calls.values())

    assert list(tables)
    assert "t" in tables
    assert dir(tables)
    assert sum(engine.ledger.calls.values()) == calls
