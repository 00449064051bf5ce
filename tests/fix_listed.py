"""A connection to an engine whose listings a test decides."""

from __future__ import annotations

import grpc
import pytest

from e6data_adbc._wire import e6x_engine_pb2 as wire
from tests.support.listed import WORLD
from tests.support.scripted import ScriptedEngine


@pytest.fixture
def world(scripted_engine: ScriptedEngine) -> ScriptedEngine:
    """A scripted engine with a few tables."""

    def schemas(request: bytes, context: grpc.ServicerContext) -> wire.GetSchemaNamesResponse:
        asked = wire.GetSchemaNamesV2Request.FromString(request)
        return wire.GetSchemaNamesResponse(schemas=WORLD[asked.catalog])

    def tables(request: bytes, context: grpc.ServicerContext) -> wire.GetTablesResponse:
        asked = wire.GetTablesV2Request.FromString(request)
        return wire.GetTablesResponse(tables=WORLD.get(asked.catalog, {}).get(asked.schema, {}))

    def columns(request: bytes, context: grpc.ServicerContext) -> wire.GetColumnsResponse:
        asked = wire.GetColumnsV2Request.FromString(request)
        found = WORLD.get(asked.catalog, {}).get(asked.schema, {}).get(asked.table, [])
        return wire.GetColumnsResponse(
            fieldInfo=[wire.GFieldInfo(fieldName=name, fieldType=kind) for name, kind in found]
        )

    scripted_engine.answer(
        "getCataloges",
        wire.GetCatalogesResponse(
            catalogResponses=[
                wire.CatalogResponse(name="main", isDefault=True),
                wire.CatalogResponse(name="other"),
            ]
        ),
    )
    scripted_engine.answer("getSchemaNamesV2", schemas)
    scripted_engine.answer("getTablesV2", tables)
    scripted_engine.answer("getColumnsV2", columns)
    return scripted_engine
