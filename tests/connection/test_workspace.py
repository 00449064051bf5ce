"""The workspace: one register of what runs on a connection, and views of it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from e6data_adbc import errors
from e6data_adbc._driver import Database
from e6data_adbc._driver.query.open_query import open_query
from e6data_adbc._driver.query.query import Query
from e6data_adbc._driver.workspace import Names, ServerQuery, Workspace
from e6data_adbc._sql.command import Command
from e6data_adbc._wire import e6x_engine_pb2 as wire
from tests.support.scripted import ScriptedEngine


@pytest.fixture
def workspace(scripted_engine: ScriptedEngine, open_db: Callable[..., Database]) -> Workspace:
    """The workspace of a connection to the scripted engine."""
    return open_db(scripted_engine.uri).connect({}).workspace


def run(workspace: Workspace) -> Query:
    """Returns a query of *workspace*, running."""
    with workspace.running("run", workspace.level.settings) as scope:
        effort = workspace.sessions.effort(scope)
        return open_query(workspace, Command("select 1 as n"), effort, kind=Query)


def test_a_view_keeps_its_names(workspace: Workspace) -> None:
    """What runs later has the names that were current when its statement began."""
    view = workspace.view()
    workspace.names = Names("other", "place")

    assert view.names == ("c", "s")
    assert workspace.view(Names("a", "b")).names == ("a", "b")
    assert view.view().names == ("c", "s")


def test_a_query_has_the_names_of_its_view(
    scripted_engine: ScriptedEngine, workspace: Workspace
) -> None:
    """The server is told the view's catalog and schema, not the connection's."""
    run(workspace.view(Names("elsewhere", "there"))).close()

    (sent,) = [
        call.request for call in scripted_engine.received if call.method == "prepareStatementV2"
    ]
    request = wire.PrepareStatementV2Request.FromString(sent)
    assert (request.catalog, request.schema) == ("elsewhere", "there")


def test_a_view_tells_of_its_queries_only(workspace: Workspace) -> None:
    """A statement learns of each of its queries, and of no other's."""
    told: list[ServerQuery] = []
    view = workspace.view(on_query=told.append)

    mine, other = run(view), run(workspace)
    assert told == [mine]
    mine.close()
    other.close()


def test_closing_ends_the_queries_of_all_views(
    scripted_engine: ScriptedEngine, workspace: Workspace
) -> None:
    """A view is no connection of its own: one close clears what runs in any of them."""
    queries = [run(workspace), run(workspace.view()), run(workspace.view().view(Names("a", "b")))]

    workspace.close()
    assert not any(query.is_open for query in queries)
    assert scripted_engine.count("clearOrCancelQuery") == 3
    with pytest.raises(errors.ProgrammingError, match="the connection is closed"):
        workspace.view().check_usable("look")


def test_closing_waits_for_what_runs(workspace: Workspace) -> None:
    """A call that is cancelled has ended when `close` returns."""
    ended = threading.Event()
    entered = threading.Event()

    def call() -> None:
        with workspace.running("wait", workspace.level.settings) as scope:
            cancelled = threading.Event()
            scope.add(cancelled.set)
            entered.set()
            assert cancelled.wait(10)
            ended.set()

    thread = threading.Thread(target=call)
    thread.start()
    assert entered.wait(10)
    workspace.close()
    assert ended.is_set()
    thread.join(10)


def test_only_own_calls_are_cancelled(workspace: Workspace) -> None:
    """`cancel` of a connection is about its listings; a statement's call goes on."""
    settings = workspace.level.settings
    with workspace.running("run", settings) as scope:
        with pytest.raises(errors.ProgrammingError, match="runs nothing"):
            workspace.cancel()
        assert not scope.is_cancelled
        with workspace.cancellable(scope):
            workspace.cancel()
        assert scope.is_cancelled
