"""The functions that e6data documents, one by one, through the driver."""

from __future__ import annotations

from collections.abc import Iterator

import adbc_driver_manager.dbapi
import pytest

import e6data_adbc
from e6data_adbc.local import LocalEngine
from e6data_adbc.local.sql.functions import FUNCTIONS, Function, Support

pytestmark = pytest.mark.seconds

PRESENT = [function for function in FUNCTIONS.values() if function.support is not Support.MISSING]
MISSING = [function for function in FUNCTIONS.values() if function.support is Support.MISSING]


@pytest.fixture(scope="module")
def strict() -> Iterator[adbc_driver_manager.dbapi.Connection]:
    """A connection to an engine that refuses whatever is not e6data's."""
    with LocalEngine(strict=True) as engine, e6data_adbc.connect(engine.uri) as connection:
        yield connection


@pytest.mark.parametrize("function", PRESENT, ids=lambda function: function.name)
def test_a_function_gives_its_value(strict, function: Function) -> None:
    """Each row of the table that is exact or approximate holds, in strict mode too."""
    numbers = "with numbers as (select 1 as n union all select 2 union all select 3)"
    with strict.cursor() as cursor:
        cursor.execute(f"{numbers} select cast({function.example} as varchar) as v")

        assert cursor.fetchall() == [(function.value,)]


@pytest.mark.parametrize("function", MISSING, ids=lambda function: function.name)
def test_a_missing_function_is_named(strict, function: Function) -> None:
    """What the engine lacks is refused by name, with or without strict mode."""
    with strict.cursor() as cursor:
        with pytest.raises(
            e6data_adbc.Error, match=f"not supported by the local engine: {function.name}"
        ):
            cursor.execute(f"select {function.name.lower()}(1, 2)")
