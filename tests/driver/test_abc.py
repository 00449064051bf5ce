"""The names that native code calls and reads, and the Protocols that promise them.

Types are held together by `tests/typing/native.py`.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest

from e6data_adbc import StatementOptions, errors
from e6data_adbc._driver import abc, open_database
from tests.driver import fakes

SOURCES = Path(__file__).parents[2] / "native" / "driver" / "src"

#: pyo3's ways to a name of a Python object, which stands before the dot.
METHODS = {
    "getattr",
    "getattr_opt",
    "setattr",
    "hasattr",
    "call_method",
    "call_method0",
    "call_method1",
    "import",
}
#: Our functions that pass a name on: which argument is the object (an identifier: always that one), and which the name.
FORWARDERS: dict[str, tuple[int | str, int]] = {
    "call": (0, 1),
    "call_plain": (0, 1),
    "call_unraisable": (1, 2),
    "import": (0, 1),
    "metadata": (0, 2),
    "schema_of": (0, 1),
    "size": ("options", 0),
    "take": (0, 1),
}
#: Where those functions, and loops over names, take the name from a variable.
PASSED_ON = {
    ("handle.rs", "object", "method"),
    ("python/interpreter.rs", "object", "method"),
    ("python/capsules.rs", "exporter", "method"),
    ("python/interpreter.rs", "value", "name"),
    ("python/query_source.rs", "options", "name"),
}
#: What an object is, by the word for it in the sources.
OBJECTS: dict[str, set[type]] = {
    "database": {abc.Database},
    "connection": {abc.Connection},
    "statement": {abc.Statement},
    "handle": {abc.Database, abc.Connection, abc.Statement},
    "object": {abc.Database, abc.Connection, abc.Statement},
    "query": {abc.ResultSource},
    "bound": {abc.ResultSource},
    "options": {abc.StreamLimits},
    "value": {abc.Failure},
    "exporter": {abc.SchemaExporter, abc.ArrayExporter, abc.StreamExporter},
    "driver": {abc.DriverModule},
    "arrived": {abc.ArrivedDataModule},
    "e6data_adbc.errors": {abc.ErrorsModule},
}
#: Sources may lack these members.
OPTIONAL = {abc.KnowsItsCourse, abc.KnowsItsMethod, abc.KnowsItsWhole, abc.KnowsWhatChanged}
#: Modules that native code imports, and those of their names that are not ours to promise.
MODULES = {
    "atexit": {"register"},
    "pyarrow": {"RecordBatchReader", "from_stream"},
    "importlib": {"import_module"},
    "e6data_adbc._native": {"__file__", "_anchor", "shutdown"},
    "e6data_adbc._driver": set(),
    "e6data_adbc._driver.binding.arrived_data": set(),
    "e6data_adbc.errors": set(),
}
#: Objects whose names are some other module's.
FOREIGN = {"atexit", "exception", "importlib", "module", "native", "pyarrow", "reader"}
#: What every exception has.
OF_EXCEPTIONS = {"__cause__", "__context__"}

PROTOCOLS = {
    member for name in abc.__all__ if getattr(member := getattr(abc, name), "_is_protocol", False)
}


class Use(NamedTuple):
    """A place where native code reaches for a name of a Python object."""

    file: str
    function: str
    target: str
    name: str
    is_literal: bool


def without_comments(text: str) -> str:
    """Returns Rust *text* without comments; strings stay."""
    return re.sub(
        r'("(?:\\.|[^"\\])*")|//[^\n]*', lambda found: found[1] or "", text, flags=re.DOTALL
    )


TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|[(\[{]|[)\]}]|,', re.DOTALL)


def arguments_of(text: str, start: int) -> list[str]:
    """Returns the arguments of the call whose parenthesis opens before *start*."""
    depth, found, last = 0, [], start
    for match in TOKEN.finditer(text, start):
        if match[0] in ("(", "[", "{"):
            depth += 1
        elif match[0] in (")", "]", "}") or match[0] == ",":
            if depth == 0:
                found.append(" ".join(text[last : match.start()].split()))
                last = match.end()
                if match[0] != ",":
                    return found
            elif match[0] != ",":
                depth -= 1
    raise AssertionError("the call does not end")


def receiver_of(text: str, end: int) -> str:
    """Returns the expression before the dot at *end*."""
    depth, at = 0, end
    while at > 0:
        before = text[at - 1]
        depth += (before in ")]") - (before in "([")
        if depth < 0 or (depth == 0 and not re.match(r"[\w.?&*()\[\]\s]", before)):
            break
        if depth == 0 and before.isspace() and not re.match(r"\s*\.", text[at - 1 :]):
            break
        at -= 1
    return " ".join(text[at:end].split())


def uses_in(file: str, text: str) -> Iterator[Use]:
    """Yields where *text* reaches for names."""
    text = without_comments(text)
    pattern = re.compile(r"(?<!fn )(\.\s*)?\b(\w+)(?:::<[^(]*>)?\(")
    for match in pattern.finditer(text):
        function = match[2]
        if match[1] and function in METHODS:
            target, name = receiver_of(text, match.start()), arguments_of(text, match.end())[0]
        elif not match[1] and function in FORWARDERS:
            arguments = arguments_of(text, match.end())
            where, which = FORWARDERS[function]
            if len(arguments) <= which or arguments[which].startswith("|"):
                continue  # another function of that name, such as `python::call`
            target = where if isinstance(where, str) else arguments[where]
            name = arguments[which]
        else:
            continue
        is_literal = name.startswith('"')
        yield Use(file, function, target, name.strip('"'), is_literal)


def word_for(target: str) -> str:
    """Returns the word in *target*, an expression, that `OBJECTS` and `FOREIGN` go by."""
    imported = re.search(r'import\((?:py, )?"([\w.]+)"\)', target)
    if imported:
        return imported[1]
    words = [word for word in re.findall(r"\w+", target.lower()) if word in {*OBJECTS, *FOREIGN}]
    assert words, f"nothing says what {target!r} is"
    return words[0]


@pytest.fixture(scope="module")
def uses() -> list[Use]:
    """All places of the driver's sources."""
    files = sorted(SOURCES.rglob("*.rs"))
    return [
        use
        for file in files
        for use in uses_in(file.relative_to(SOURCES).as_posix(), file.read_text())
    ]


def members(protocol: type) -> set[str]:
    """Returns the names that *protocol* promises."""
    return {
        name for name in vars(protocol) if name.startswith("__arrow_") or not name.startswith("_")
    }


def reached_by_name(uses: list[Use]) -> dict[type, set[str]]:
    """Returns the names that native code reaches for, by Protocol."""
    found: dict[type, set[str]] = {protocol: set() for protocol in PROTOCOLS}
    for use in uses:
        if not use.is_literal or use.function in {"import", "setattr"}:
            continue
        word = word_for(use.target)
        if word in FOREIGN:
            theirs = {name for names in MODULES.values() for name in names}
            assert use.name in theirs | OF_EXCEPTIONS, use
        elif use.function == "getattr_opt":
            (protocol,) = [one for one in OPTIONAL if use.name in members(one)]
            found[protocol].add(use.name)
        elif word == "exporter":
            for protocol in OBJECTS[word]:
                found[protocol] |= {use.name} & members(protocol)
            assert any(use.name in members(protocol) for protocol in OBJECTS[word]), use
        else:
            for protocol in OBJECTS[word]:
                found[protocol].add(use.name)
    return found


def test_native_code_and_the_protocols_have_the_same_names(uses: list[Use]) -> None:
    """What native code reaches for is promised, and nothing is promised that it does not reach for."""
    promised = {protocol.__name__: members(protocol) for protocol in PROTOCOLS}
    reached = {protocol.__name__: names for protocol, names in reached_by_name(uses).items()}
    assert reached == promised


def test_names_come_from_variables_only_where_they_are_passed_on(uses: list[Use]) -> None:
    """No new function, or loop, hides names from this test."""
    found = {
        (use.file, word_for(use.target), use.name)
        for use in uses
        if not use.is_literal and use.function in METHODS
    }
    assert found == PASSED_ON


def test_modules_that_native_code_imports_are_those_of_the_table(uses: list[Use]) -> None:
    """A module that moves takes its name in the sources along."""
    imported = {use.name for use in uses if use.function == "import"}
    assert imported == set(MODULES)
    for name in imported:
        importlib.import_module(name)


def test_a_new_name_in_the_sources_is_seen() -> None:
    """The reader of the sources finds every way in which they spell a name."""
    text = """
    // query.getattr("commented")
    fn call_plain(handle: &impl Handle, method: &str) -> Outcome {}
    let a = query
        .getattr("split")?; handle::call(&*get::<Statement>(statement)?, "named", (1, "x"), |_| ())
    query.getattr_opt("perhaps")?.map(|x| x); python::call(None, |py| Ok(()));
    call_unraisable(py, &self.query.bind(py), "told"); value.getattr(name)?;
    """
    found = [(use.function, word_for(use.target), use.name) for use in uses_in("x.rs", text)]
    assert found == [
        ("getattr", "query", "split"),
        ("call", "statement", "named"),
        ("getattr_opt", "query", "perhaps"),
        ("call_unraisable", "query", "told"),
        ("getattr", "value", "name"),
    ]


# ---- who keeps the promises

MODULES_THAT_PROMISE = {
    abc.DriverModule: "e6data_adbc._driver",
    abc.ErrorsModule: "e6data_adbc.errors",
    abc.ArrivedDataModule: "e6data_adbc._driver.binding.arrived_data",
}


def check(thing: object, protocol: type) -> None:
    """Fails unless *thing* has the members of *protocol*, and its methods take the arguments by position."""
    assert isinstance(thing, protocol), f"{type(thing).__name__} is no {protocol.__name__}"
    for name in members(protocol):
        promised = vars(protocol)[name]
        if not inspect.isfunction(promised):
            continue
        method = getattr(thing, name)
        if name.startswith("__arrow_"):
            method()
            continue
        arguments = list(inspect.signature(promised).parameters)[1:]
        inspect.signature(method).bind(*arguments)


@pytest.mark.parametrize("protocol", MODULES_THAT_PROMISE, ids=lambda one: one.__name__)
def test_modules_keep_the_promises(protocol: type) -> None:
    """Each module has the function that native code calls."""
    check(importlib.import_module(MODULES_THAT_PROMISE[protocol]), protocol)


def test_errors_keep_the_promises() -> None:
    """What the driver raises says what it means in ADBC."""
    check(errors.make(errors.Status.IO, "could not test: told so"), abc.Failure)


def test_fakes_keep_the_promises() -> None:
    """The fakes of these tests are what native code expects of the real ones."""
    backend = fakes.Backend()
    database = backend.open_database({})
    connection = database.connect({})
    check(database, abc.Database)
    check(connection, abc.Connection)
    check(connection.statement(), abc.Statement)
    check(fakes.Query(), abc.ResultSource)
    check(fakes.StreamOptions(), abc.StreamLimits)
    check(connection.get_info(None), abc.StreamExporter)


@pytest.fixture(scope="module")
def connection() -> Iterator[Any]:
    """A connection of the real driver to the local engine."""
    database = open_database({"uri": "e6data:local"})
    yield database.connect({})
    database.close()


def test_database_connection_and_statement_keep_the_promises(connection: Any) -> None:
    """The driver's objects, and what their metadata calls return."""
    database = open_database({"uri": "e6data://me:token@127.0.0.1:1/c/s"})
    try:
        check(database, abc.Database)
    finally:
        database.close()
    check(connection, abc.Connection)
    check(connection.statement(), abc.Statement)
    for reader in (
        connection.get_info(None),
        connection.get_table_types(),
        connection.get_statistic_names(),
    ):
        check(reader, abc.StreamExporter)


def rows(statement: Any) -> None:
    """Takes several responses: what came whole with the metadata has nothing to lose."""
    statement.set_sql_query("select range from range(1000000)")


def several_rows(statement: Any) -> None:
    statement.set_sql_query("select ?")
    statement.bind(pa.table({"0": [1, 2]}).to_reader())


def a_change(statement: Any) -> None:
    statement.set_sql_query("create or replace table scratch.main.kept_promises (n bigint)")


def a_plan(statement: Any) -> None:
    statement.set_sql_query("select 1")
    statement.set_option(StatementOptions.EXPLAIN.value, "true")


@pytest.mark.parametrize(
    ("prepare", "name", "optional"),
    [
        (rows, "RerunQuery", {abc.KnowsItsCourse, abc.KnowsItsMethod}),
        (several_rows, "RepeatedQuery", {abc.KnowsItsMethod}),
        (a_change, "ChangeResult", {abc.KnowsItsMethod, abc.KnowsWhatChanged}),
        (a_plan, "LocalResult", {abc.KnowsItsWhole}),
    ],
)
def test_results_keep_the_promises(
    connection: Any, prepare: Callable[[Any], None], name: str, optional: set[type]
) -> None:
    """Each kind of result is a source, and of the optional members it has those that it should."""
    statement = connection.statement()
    prepare(statement)
    result = statement.execute()
    try:
        assert type(result).__name__ == name
        check_result(result, optional)
        if prepare is rows:
            every = {abc.KnowsItsCourse, abc.KnowsItsMethod, abc.KnowsItsWhole}
            check_result(result.current, every)
    finally:
        result.close()
        statement.close()


def check_result(result: Any, optional: set[type]) -> None:
    check(result, abc.ResultSource)
    check(result.options, abc.StreamLimits)
    check(result.schema, abc.SchemaExporter)
    assert {protocol for protocol in OPTIONAL if isinstance(result, protocol)} == optional
