"""What SQL reaches of the file system: the served tables, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from e6data_adbc.local import LocalEngine
from tests.local.wire import Wire, refused
from tests.support.walled import DENIED, SECRET, prepared

pytestmark = pytest.mark.seconds
#: Ways to a file, `{}` being a path.
FILES = [
    "select * from read_blob('{}')",
    "select * from read_text('{}')",
    "select * from read_csv('{}')",
    "select * from read_csv_auto('{}')",
    "select * from read_json('{}')",
    "select * from read_parquet('{}')",
    "select * from parquet_scan(['{}'])",
    "select * from parquet_metadata('{}')",
    "select * from parquet_schema('{}')",
    "select * from sniff_csv('{}')",
    "select * from glob('{}')",
    "select * from system.main.read_blob('{}')",
    "select * from \"READ_BLOB\" /* c */ ('{}')",
    "select * from query('from read_blob(''{}'')')",
    "select * from query('from read_' || 'blob(''{}'')')",
    "select (select content from read_blob('{}'))",
    "create view scratch.main.n as from read_text('{}')",
    "create macro scratch.main.n() as table from read_text('{}')",
    "create table scratch.main.n as from read_blob('{}')",
    "insert into scratch.main.t (word) select content from read_text('{}')",
    "explain select * from read_blob('{}')",
    "describe from read_blob('{}')",
    "copy (select 1) to '{}'",
    "attach '{}' as n",
    "install '{}'",
    "load '{}'",
    "set temp_directory = '{}'",
    "pragma database_list",
    "call range(1)",
    "export database '{}'",
    "create secret (type s3)",
    "create persistent secret n (type s3)",
    "select getenv('{}')",
    "select current_setting('temp_directory')",
    "select current_setting('allowed_' || 'paths')",
    "select json_serialize_plan('from read_blob(''{}'')')",
    "select * from duckdb_settings()",
    "select * from duckdb_secrets()",
    "select * from duckdb_extensions()",
    "select * from duckdb_temporary_files()",
    "select * from pragma_storage_info('files.main.t')",
    "select * from system.main.duckdb_databases()",
    "drop macro table memory.main.duckdb_databases",
    "create or replace macro memory.main.nvl(x, y) as x",
    "explain analyze drop macro table memory.main.duckdb_databases",
    "drop macro table duckdb_databases",
    "create table memory.main.n as select 1 as a",
]


@pytest.mark.parametrize("sql", FILES)
@pytest.mark.parametrize("user", ["", "sampler"])
def test_sql_reaches_no_file(as_user: Any, walled_engine: LocalEngine, user: str, sql: str) -> None:
    """Not the scratch file, not a database file, not a file of the served directory: for nobody."""
    wire = as_user(user)
    assert walled_engine.config.scratch is not None
    assert walled_engine.config.path is not None
    for path in (
        walled_engine.config.scratch,
        walled_engine.config.path / "own.duckdb",
        walled_engine.config.path / "t.parquet",
        walled_engine.config.path / ".hidden.csv",
        Path(__file__),
    ):
        code, text = refused(prepared(wire, sql.format(path)))
        assert code == "INTERNAL"
        assert SECRET not in text


@pytest.mark.parametrize("name", [".hidden.csv", "lake/part/beside.csv", "notes.txt", "own.duckdb"])
@pytest.mark.parametrize("spelling", ["from '{}'", 'from "{}"', "from query('from ''{}''')"])
def test_a_name_of_a_file_is_no_table(
    as_user: Any, walled_folder: Path, name: str, spelling: str
) -> None:
    """A path in the place of a table reads no file that is none, though it lies in the served directory."""
    for user in ("", "sampler", "filer"):
        code, text = refused(prepared(as_user(user), spelling.format(walled_folder / name)))
        assert code == "INTERNAL"
        assert SECRET not in text
    assert refused(prepared(as_user("sampler"), spelling.format(walled_folder / "t.parquet")))


def test_duckdb_itself_is_locked(walled_engine: LocalEngine, walled_folder: Path) -> None:
    """Behind the check, DuckDB opens the files of served tables only, and its settings cannot be changed."""
    with walled_engine._database._instance.connect() as cursor:
        for path in (walled_folder / ".hidden.csv", walled_folder / "notes.txt", Path(__file__)):
            with pytest.raises(duckdb.PermissionException, match="Cannot access file"):
                cursor.execute(f"FROM read_text('{path}')")
        with pytest.raises(duckdb.Error):
            cursor.execute("SET enable_external_access = true")
        with pytest.raises(duckdb.Error):
            cursor.execute(f"SET allowed_paths = ['{__file__}']")
        assert cursor.execute("SELECT count(*) FROM files.main.c").fetchall() == [(2,)]


@pytest.mark.parametrize(
    "sql",
    [
        "select * from duckdb_databases()",
        "select * from duckdb_databases",
        "from pragma_database_list",
        "select * from duckdb_views()",
        "select * from information_schema.views",
        "select * from information_schema.schemata",
        "select sql from sqlite_master",
        "select definition from pg_catalog.pg_views",
        "show all tables",
        "show databases",
        "explain select * from files.main.t, files.main.c",
    ],
)
@pytest.mark.parametrize("user", ["", "sampler", "filer"])
def test_no_path_is_told(
    as_user: Any, walled_engine: LocalEngine, walled_folder: Path, user: str, sql: str
) -> None:
    """What tells about databases and views says nothing about where their files are."""
    wire = as_user(user)
    if user == "sampler" and sql.startswith("explain"):
        assert refused(prepared(wire, sql)) == DENIED
        return
    told = str(wire.select(sql).to_pylist())

    for path in (walled_folder, walled_engine.config.scratch, walled_engine._database._workspace):
        assert str(path) not in told


def test_a_data_frame_over_a_file_is_its_table(as_user: Any, walled_folder: Path) -> None:
    """The file of a served table may be named, by those who may read it; no other file."""
    for user, name, outcome in (
        ("filer", "t.parquet", None),
        ("", "t.parquet", None),
        ("sampler", "t.parquet", DENIED),
        ("filer", "own.duckdb", "no served table"),
        ("", "../outside.parquet", "no served table"),
    ):
        wire = as_user(user)
        path = str(walled_folder / name)
        frame = wire.ask("createDataFrame", createFromParquet=True, parquetFilePath=path)
        run = wire.start("executeDataFrame", sessionId=wire.session_id, queryId=frame.queryId)
        if outcome is None:
            run.result()
        elif outcome == DENIED:
            assert refused(run) == DENIED
        else:
            assert str(outcome) in refused(run)[1]


def test_files_that_come_are_served(
    make_engine: Callable[..., LocalEngine], tmp_path: Path
) -> None:
    """At a refresh, though DuckDB may open no more files than at its start."""
    (tmp_path / "old.csv").write_text("a\n1\n")
    walled_engine = make_engine(tmp_path)
    with Wire(walled_engine) as wire:
        wire.sign_in()
        (tmp_path / "new.csv").write_text("a\n2\n")
        (tmp_path / "new").mkdir()
        (tmp_path / "new" / "j.json").write_text('[{"a": 3}]')
        assert walled_engine.refresh() == []
        sql = "select a from old union all from main.new union all from files.new.j order by a"
        assert wire.select(sql, catalog="files", schema="main").to_pydict() == {"a": [1, 2, 3]}
        (tmp_path / "old.csv").write_text("a\n7\n")
        assert wire.select("from old", catalog="files", schema="main").to_pydict() == {"a": [7]}
