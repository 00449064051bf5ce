"""The decoders under test, and the golden vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from checks.decoders import DECODERS, Decoder

GOLDEN = Path(__file__).parent / "golden" / "chunks.json"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests that take *golden_chunk* or *golden_metadata* once per case."""
    golden: dict[str, Any] = {}
    for argument, key in (("golden_chunk", "cases"), ("golden_metadata", "metadata_cases")):
        if argument in metafunc.fixturenames:
            golden = golden or json.loads(GOLDEN.read_text())
            cases = golden[key]
            metafunc.parametrize(argument, cases, ids=[case["name"] for case in cases])


@pytest.fixture(params=DECODERS, ids=lambda decoder: decoder.name)
def decoder(request: pytest.FixtureRequest) -> Decoder:
    """Each of the decoders, behind one face."""
    chosen: Decoder = request.param
    return chosen
