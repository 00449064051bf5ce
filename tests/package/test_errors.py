"""Errors are added to in one place, so that text, evidence and SQLSTATE keep together."""

from __future__ import annotations

import ast
import copy
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

import e6data_adbc
from e6data_adbc import errors
from e6data_adbc.errors import Status

PACKAGE = Path(e6data_adbc.__file__).parent
#: What an error says: assigned, or changed in place, nowhere but in `errors`.
SAID = {"args", "details", "sqlstate", "vendor_code", "status_code"}
CHANGES = {"append", "extend", "insert", "remove", "pop", "clear"}


def _changes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yields where an attribute of an error is assigned or changed, other than of `self`."""
    for node in ast.walk(tree):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, (ast.AugAssign, ast.AnnAssign)):
            targets = [node.target]
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in CHANGES
        ):
            targets = [node.func.value]
        for target in targets:
            inner = target.value if isinstance(target, ast.Subscript) else target
            if (
                isinstance(inner, ast.Attribute)
                and inner.attr in SAID
                and not (isinstance(inner.value, ast.Name) and inner.value.id == "self")
            ):
                yield node


@pytest.mark.seconds
def test_nothing_else_changes_an_error() -> None:
    """Text, details and SQLSTATE of an error are changed by `errors` alone."""
    found = [
        f"{file.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}"
        for file in sorted(PACKAGE.rglob("*.py"))
        if file != PACKAGE / "errors.py"
        for node in _changes(ast.parse(file.read_text(encoding="utf-8")))
    ]

    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "error.args = ('x',)",
        "error.details.append(('k', b'v'))",
        "error.details += []",
        "error.details[0] = ('k', b'v')",
        "error.sqlstate = '42000'",
    ],
)
def test_the_rule_sees_a_change(line: str) -> None:
    """Each way in which an error used to be changed."""
    assert list(_changes(ast.parse(line)))


@pytest.mark.parametrize("status", list(errors.CLASSES))
def test_what_is_added_stays(status: Status) -> None:
    """It comes through a copy and a pickle, of every class; what an error says already is not said twice."""
    error = errors.make(status, "could not read: no")
    for _ in range(2):
        found = errors.amend(
            error,
            note="look again",
            rpc="status",
            query_id="q-1",
            is_retryable=True,
            details=[("k", b"v")],
        )
        assert found is error

    for one in (error, copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(one) is errors.CLASSES[status]
        assert str(one).count("; look again") == 1
        assert one.sqlstate
        assert {key: errors.detail(one, key) for key, _ in one.details} == {
            "k": "v",
            errors.RPC: "status",
            errors.QUERY_ID: "q-1",
            errors.RETRYABLE: "true",
        }


def test_a_copy_is_added_to_alone() -> None:
    """What others hold of an error stays as it is."""
    error = errors.make(Status.IO, "could not read: no", details=[("k", b"v")])
    for other in (copy.copy(error), errors.reworded(error, "another text")):
        errors.amend(other, note="look again", details=[("more", b"1")])

    assert str(error) == "[e6data] could not read: no (IO)"
    assert error.details == [("k", b"v")]
