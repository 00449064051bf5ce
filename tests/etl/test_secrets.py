"""Secrets and sight: no password is in anything that a load shows, and its spans and counters tell what it did."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from e6data_adbc import errors
from e6data_adbc.cli import main
from e6data_adbc.etl import Progress, RacedError, dry_run, load, status
from e6data_adbc.testing.table_source import TableSource
from tests.etl import places
from tests.etl.places import Place
from tests.support.canary import Canaries

pytestmark = pytest.mark.seconds


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """What is exported of spans in this test."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    return exporter


@pytest.fixture
def counters(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemoryMetricReader]:
    """What is counted in this test."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    monkeypatch.setattr(metrics, "get_meter", provider.get_meter)
    yield reader
    provider.shutdown()


def numbers(rows: int = 40) -> TableSource:
    return TableSource(pa.table({"id": list(range(rows)), "v": ["x"] * rows}))


def test_no_password_is_shown(
    postgres: str,
    tmp_path: Any,
    canaries: Canaries,
    spans: InMemorySpanExporter,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    engine: Any,
) -> None:
    """Reports, events, watermarks, spans, output, and errors of the library and of ours."""
    place = places.make("postgresql", tmp_path, postgres)
    secret = canaries.plant("the destination's password")
    monkeypatch.setenv("LOAD_PASSWORD", secret)
    base = postgres.replace("loader@", "loader:${LOAD_PASSWORD}@")
    to = f"{base}#{place.schema}t"
    seen: list[Progress] = []

    report = load(numbers(), to, job="j", partition=("id", 4), progress=seen.append)
    shown = [repr(report), report.to_json(), repr(seen), repr(status("j", to))]
    shown.append(repr(dry_run(numbers(), to)))
    shown.append(repr(place.rows("SELECT * FROM {}e6_loads")))

    bad = pa.table({"id": [1], "v": ["zero\0byte"]})
    place.run("ALTER TABLE {}t ADD CHECK (id < 1000)")
    wrong = pa.table({"id": [5000], "v": ["x"]})
    missing = f"{base.replace('/postgres', '/missing')}#t"
    inner = base.replace(":", "%3A").replace("/", "%2F").replace("@", "%40")
    for data, target in (
        (bad, to),
        (wrong, to),
        (wrong, missing),
        (wrong, f"adbc://adbc_driver_postgresql?uri={inner}missing#t"),
        (wrong, f"{base}&sslmode=nonsense#t"),
    ):
        with canaries.raises(errors.Error):
            load(data, target, patience_seconds=0)

    load_one = ["load", "select 1 as id, 'x' as v", to, "--uri", engine.uri]
    assert main([*load_one, "--job", "cli", "--json"]) == 0
    assert main(["load", "select 7000 as id, 'x' as v", to, "--uri", engine.uri]) == 1
    assert main(["load", "--status", "j", to]) == 0
    output = capfd.readouterr()
    shown += [output.out, output.err]
    shown += [
        repr((span.name, span.attributes, span.status)) for span in spans.get_finished_spans()
    ]
    assert "check constraint" in output.err, "what the library says is shown"
    assert not [name for text in shown for name in canaries.in_text(text)]


def test_a_missing_right_is_named(postgres: str, tmp_path: Any) -> None:
    """Where the table of watermarks may not be made, the error says what it takes, and where else it could be."""
    place = places.make("postgresql", tmp_path, postgres)
    schema = place.schema[:-1]
    place.run("CREATE TABLE {}t (id BIGINT, v TEXT)")
    place.run(f"CREATE ROLE {schema} LOGIN")
    place.run(f"GRANT USAGE ON SCHEMA {schema} TO {schema}")
    place.run(f"GRANT SELECT, INSERT ON {schema}.t TO {schema}")
    to = f"{postgres.replace('loader@', schema + '@')}#{schema}.t"

    with pytest.raises(errors.Error, match="permission denied") as caught:
        load(numbers(), to, job="j")
    assert caught.value.sqlstate == "42501"
    assert all(word in str(caught.value) for word in ("CREATE", "'e6_loads'", "state_table"))

    load(numbers(), to)
    lacking: dict[str, dict[str, Any]] = {
        "all modes but append": {"mode": "replace"},
        "grant the right on 't'": {"schema": "evolve"},
    }
    for word, options in lacking.items():
        more = pa.table({"id": [1], "v": ["x"], "more": [1]})
        with pytest.raises(errors.Error, match=word) as caught:
            load(more if "schema" in options else numbers(), to, **options)
        assert "e6_loads" not in str(caught.value), "it has nothing to do with it"
    place.run(f"CREATE SCHEMA {schema}_state AUTHORIZATION {schema}")
    load(numbers(5), to, job="j", state_table=f"{schema}_state.loads")
    assert place.rows("SELECT COUNT(*) FROM {}t") == [(45,)]


@pytest.mark.parametrize(
    ("module", "to", "extra"),
    [
        ("adbc_driver_postgresql", "postgresql://u@127.0.0.1:1/x#t", "etl-postgres"),
        ("adbc_driver_sqlite", "sqlite:////tmp/nowhere.db#t", "etl-sqlite"),
        ("duckdb", "duckdb:////tmp/nowhere.duckdb#t", "etl-duckdb"),
        ("pymysql", "mysql://u@127.0.0.1:1/x#t", "etl-mysql"),
        ("redis", "redis://127.0.0.1:1/0#t", "etl-redis"),
        ("lmdb", "lmdb:///srv/nowhere#t", "etl-lmdb"),
        ("deltalake", "delta+file:///tmp/nowhere", "etl-delta"),
        ("pyiceberg", "iceberg://nowhere/a.t", "etl-iceberg"),
        ("boto3", "parquet+s3://nowhere/x", "etl-s3"),
        ("boto3", "delta+s3://nowhere/x", "etl-s3"),
        ("clickhouse_connect", "clickhouse://127.0.0.1:1/x#t", "etl-clickhouse"),
        ("adbc_driver_snowflake", "snowflake://u@account/x#t", "etl-snowflake"),
    ],
)
def test_a_missing_package_is_named(
    module: str, to: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the extra that brings it."""
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, f"{module}.dbapi", None)

    with pytest.raises(errors.NotSupportedError) as caught:
        load(numbers(), to, job="j")

    assert f'pip install "e6data-adbc[{extra}]"' in str(caught.value)


def test_spans_and_counters(
    tmp_path: Any, spans: InMemorySpanExporter, counters: InMemoryMetricReader
) -> None:
    """A span for the load, one beneath for each commit; a failure has a status and no text."""
    place = places.make("sqlite", tmp_path, None)
    load(numbers(), place.url(), job="j", partition=("id", 4))
    with pytest.raises(errors.Error):
        load(pa.table({"id": ["x"]}), place.url())

    *commits, whole, failed = spans.get_finished_spans()
    assert [span.name for span in commits] == ["e6data load commit"] * 4
    assert {span.parent.span_id for span in commits if span.parent} == {whole.context.span_id}
    assert whole.attributes == {
        "e6data.load.destination": "sqlite",
        "e6data.load.mode": "append",
        "e6data.load.job": "j",
    }
    assert failed.attributes is not None
    assert failed.attributes["error.type"] == "INVALID_ARGUMENT"
    assert not failed.events
    assert totals(counters) == {"rows": 40, "commits": 4, "bytes": totals(counters)["bytes"]}


def test_races_and_retries_are_counted(
    tmp_path: Any, counters: InMemoryMetricReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was done again is seen."""
    from e6data_adbc.etl.sql.base import SqlSink

    place = places.make("sqlite", tmp_path, None)
    troubles: list[Exception] = [RacedError(), errors.make(errors.Status.IO, "could not: away")]
    commit = SqlSink.commit

    def troubled(sink: SqlSink, step: Any) -> Any:
        if troubles:
            raise troubles.pop()
        return commit(sink, step)

    monkeypatch.setattr(SqlSink, "commit", troubled)
    monkeypatch.setattr(SqlSink, "is_transient", lambda *_: True)

    load(numbers(), place.url(), job="j", partition=("id", 2))

    found = totals(counters)
    assert (found["races"], found["retries"], found["commits"]) == (1, 1, 2)


def totals(reader: InMemoryMetricReader) -> dict[str, float]:
    data = reader.get_metrics_data()
    assert data is not None
    found: dict[str, float] = {}
    for resource in data.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in metric.data.data_points:
                    name = metric.name.removeprefix("e6data.load.")
                    found[name] = found.get(name, 0) + point.value  # type: ignore[union-attr]
    return found


def test_a_load_needs_no_opentelemetry(tmp_path: Any) -> None:
    """Where it is not installed, nothing is missing."""
    place: Place = places.make("sqlite", tmp_path, None)
    text = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "import pyarrow as pa\n"
        "from e6data_adbc.etl import load\n"
        f"print(load(pa.table({{'id': [1]}}), {place.url()!r}).to_json())"
    )
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=110, check=False
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == 1
