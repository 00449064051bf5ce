"""Secrets that tests plant, and the search for them in everything that a program may show.

A test that handles secrets takes the fixture `canaries`, plants some, uses them as passwords and tokens, and lets
`canaries.raises` stand for `pytest.raises`; whatever it logs is searched when it ends. `tests/fix_watches.py`
has the fixtures, of which one searches after every test. An engine makes its credentials known::

    CANARIES.watch("the engine's token", engine.token)
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import logging
import pickle
import secrets
import traceback
import types
import urllib.parse
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

__all__ = ["CANARIES", "Canaries"]

#: Frames from here are not searched: a test knows the secrets it has planted.
_TESTS: Final = str(Path(__file__).resolve().parents[1])
_RUNNER: Final = ("_pytest", "pluggy")
_MAX_DEPTH: Final = 8


class Canaries:
    """A set of secrets; the searches name those they find, and never show them."""

    def __init__(self, *others: Canaries) -> None:
        self._spellings: dict[str, tuple[str, ...]] = {}
        self._others = others

    def plant(self, name: str) -> str:
        """Returns a new secret that no other text contains."""
        text = f"canary-{secrets.token_hex(12)}"
        self.watch(name, text)
        return text

    def watch(self, name: str, text: str) -> None:
        """Searches for *text*, a secret that exists already, from now on."""
        self._spellings[name] = tuple(_spellings(text))

    def in_text(self, text: str) -> list[str]:
        """Returns the names of the secrets that *text* shows, in whatever encoding."""
        found = [
            name
            for name, spellings in self._spellings.items()
            if any(spelling in text for spelling in spellings)
        ]
        return found + [name for other in self._others for name in other.in_text(text)]

    def in_object(self, value: object) -> list[str]:
        """Returns what shows a secret of `repr`, `str`, `vars` (at any depth) and the pickle of *value*."""
        hits = [
            f"{where} shows {name}" for where, text in _shown(value) for name in self.in_text(text)
        ]
        with contextlib.suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pickled = pickle.dumps(value).decode("latin-1")
            hits += [f"the pickle shows {name}" for name in self.in_text(pickled)]
        return hits

    def in_exception(self, error: BaseException) -> list[str]:
        """Returns what shows a secret in *error* and all behind it: texts, attributes, and the locals of the frames."""
        hits = []
        for link in _chain(error):
            where = type(link).__name__
            texts = [
                ("text", str(link)),
                ("repr", repr(link)),
                ("vars", repr(getattr(link, "__dict__", {}))),
                ("args", repr(link.args)),
                ("details", repr(getattr(link, "details", None))),
                ("notes", repr(getattr(link, "__notes__", None))),
                ("object", repr(getattr(link, "object", None))),
                ("doc", repr(getattr(link, "doc", None))),
            ]
            for frame, _ in traceback.walk_tb(link.__traceback__):
                file = frame.f_code.co_filename
                if file.startswith(_TESTS) or any(part in file for part in _RUNNER):
                    continue
                place = f"{Path(file).name}:{frame.f_code.co_name}"
                texts += [
                    (f"{place}, local {key!r}", _repr(v)) for key, v in frame.f_locals.items()
                ]
            hits += [
                f"{where}: {at} shows {name}" for at, text in texts for name in self.in_text(text)
            ]
        return hits

    def in_records(self, records: list[logging.LogRecord]) -> list[str]:
        """Returns the log records that show a secret, with their exceptions."""
        hits = []
        for record in records:
            text = f"{record.getMessage()} {record.args!r}"
            hits += [f"log {record.name!r} shows {name}" for name in self.in_text(text)]
            if record.exc_info and record.exc_info[1] is not None:
                hits += [
                    f"log {record.name!r}: {hit}" for hit in self.in_exception(record.exc_info[1])
                ]
        return hits

    def check(self, *values: object) -> None:
        """Fails the test if one of *values* shows a secret: an exception, a list of warnings, or any object."""
        hits: list[str] = []
        for value in values:
            if isinstance(value, BaseException):
                hits += self.in_exception(value)
            elif isinstance(value, str):
                hits += self.in_text(value)
            else:
                hits += self.in_object(value)
        assert not hits, hits

    @contextlib.contextmanager
    def raises(
        self, kind: type[BaseException], match: str | None = None
    ) -> Iterator[pytest.ExceptionInfo[BaseException]]:
        """Stands for `pytest.raises`, and searches what was raised."""
        with pytest.raises(kind, match=match) as caught:
            yield caught
        self.check(caught.value)


#: Secrets that live longer than a test: those of the engine under test.
CANARIES: Final = Canaries()


def _spellings(text: str) -> Iterator[str]:
    data = text.encode("utf-8", "surrogatepass")
    yield text
    yield repr(text)[1:-1]
    yield repr(data)[2:-1]
    with contextlib.suppress(UnicodeError):
        yield urllib.parse.quote(text, safe="")
        yield urllib.parse.quote_plus(text)
    yield data.hex()
    for shift in range(3):  # inside a longer text base64 looks different at each offset
        encoded = base64.b64encode(bytes(shift) + data).decode().rstrip("=")
        inner = encoded[(shift * 4 + 2) // 3 : -1]
        yield inner
        yield inner.replace("+", "-").replace("/", "_")


def _chain(error: BaseException) -> list[BaseException]:
    """Returns the exception with its causes and contexts, suppressed ones too: loggers walk them all."""
    chain: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        link = todo.pop()
        if link is not None and not any(link is seen for seen in chain):
            chain.append(link)
            todo += [link.__cause__, link.__context__]
    return chain


def _shown(value: object, path: str = "it", depth: int = 0) -> Iterator[tuple[str, str]]:
    yield f"repr of {path}", _repr(value)
    yield f"str of {path}", _repr(value, str)
    if depth == _MAX_DEPTH or isinstance(value, (type, types.ModuleType, types.FunctionType)):
        return
    if isinstance(value, dict):
        inner: list[tuple[str, Any]] = [(f"{path}[{key!r}]", v) for key, v in value.items()]
        inner += [(f"a key of {path}", key) for key in value]
    elif isinstance(value, (list, tuple, set, frozenset)):
        inner = [(f"an item of {path}", item) for item in value]
    else:
        members = dict(getattr(value, "__dict__", None) or {})
        if dataclasses.is_dataclass(value):
            members |= {f.name: getattr(value, f.name, None) for f in dataclasses.fields(value)}
        inner = [(f"{path}.{key}", member) for key, member in members.items()]
    for where, item in inner:
        if not isinstance(item, (str, bytes, int, float, type(None))):
            yield from _shown(item, where, depth + 1)
        else:
            yield where, _repr(item)


def _repr(value: object, show: Any = repr) -> str:
    try:
        return str(show(value))
    except Exception:
        return ""
