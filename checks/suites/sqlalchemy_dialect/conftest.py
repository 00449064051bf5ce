"""SQLAlchemy's own test plugin, pointed at a local engine that lives as long as the run."""

import atexit
import re

import pytest
from sqlalchemy.dialects import registry
from sqlalchemy.testing.plugin import pytestplugin
from sqlalchemy.testing.plugin.pytestplugin import *  # noqa: F403 - how SQLAlchemy has it

from e6data_adbc.local import LocalEngine

registry.register("e6data.adbc", "e6data_adbc.sqlalchemy", "Dialect")

ENGINE = LocalEngine(catalog="scratch", schema="main").start()
atexit.register(ENGINE.stop)


def pytest_configure(config):
    """Names the database, which has no fixed port."""
    config.option.dburi = [ENGINE.uri.replace("e6data://", "e6data+adbc://", 1)]
    config.option.requirements = "e6data_adbc.sqlalchemy.requirements:Requirements"
    pytestplugin.pytest_configure(config)


#: Tests that no requirement closes, and why they cannot pass: patterns of their ids.
IMPOSSIBLE = {
    "test_string_length_reflection": "the protocol tells no lengths of text",
    "test_varchar_reflection": "the protocol tells no lengths of text",
    r"test_long_convention_name\[ix": "the protocol tells no keys, indexes or constraints",
    "::test_(get_indexes|has_index|has_index_schema|get_foreign_keys)(\\[|$)": "the protocol tells no keys, indexes or"
    " constraints",
    "ReturningGuardsTest.*::test_(insert|delete)_single": "the local engine runs RETURNING",
    "test_truediv_divisor": "the local engine divides decimals as doubles",
    "::test_window_range(_numeric)?$": "the test wants an order that its statement does not ask for",
}


@pytest.fixture(autouse=True)
def _is_possible(request):
    """Skips what is named above."""
    for part, why in IMPOSSIBLE.items():
        if re.search(part, request.node.nodeid):
            pytest.skip(why)
