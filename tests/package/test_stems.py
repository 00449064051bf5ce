"""Names of files: each stem stands for one thing, and a file has the name of the class that it is about."""

from __future__ import annotations

import ast
import re
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "e6data_adbc"
#: Folders with their own words: commands, the local engine, SQLAlchemy's parts of a dialect, generated code.
APART = ("cli", "local", "sqlalchemy", "_wire")
#: A class of this many lines is what its file is about.
LINES = 60
#: Files that do not have the name of their largest class, and why.
EXCEPTIONS = {
    "_dbapi/dbapi_objects.py": "connection and cursor, of which the DB-API says the names",
    "_dbapi/interruptible.py": "connection and cursor that a signal can interrupt",
    "_driver/abc.py": "all that native code calls, one contract a class",
    "_options/option_values.py": "settings of all levels, each group with the parsing of its values",
    "_session/colour/routes.py": "the route of a call is a value; what chooses it is larger",
    "_session/login/oauth.py": "the grant that OAuth names; its endpoint is larger",
    "etl/sql/adbc.py": "any database that has an ADBC driver; a URL names it by this",
    "etl/sql/base.py": "what the sinks of all SQL databases share",
    "etl/steps.py": "the steps of a load; the feed that keeps their order is larger",
    "aio.py": "the module is the interface; connection and cursor have the names of the DB-API's",
}


def modules() -> list[Path]:
    """The package's own modules outside the folders that are apart."""
    return [
        path
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] not in APART and not path.stem.startswith("__")
    ]


def share_a_word(stem: str, name: str) -> bool:
    """Tells whether a stem and a class share a word, be it in another form: `ingest` and `Ingestion`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_")
    return any(
        one.startswith(other) or other.startswith(one)
        for one in (part.removesuffix("s") for part in stem.split("_") if part)
        for other in (word.removesuffix("s") for word in words)
    )


def largest_class(path: Path) -> str | None:
    """The public class that *path* is about, if one is large."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    sizes = {
        node.name: (node.end_lineno or node.lineno) - node.lineno
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    }
    name = max(sizes, key=lambda name: sizes[name], default=None)
    return name if name and sizes[name] >= LINES else None


def test_a_stem_stands_for_one_thing() -> None:
    """No two modules have one name, wherever they are."""
    seen: dict[str, Path] = {}
    for path in modules():
        other = seen.setdefault(path.stem.lstrip("_"), path)
        assert other == path, f"{path} and {other} have one name"


def test_a_file_has_the_name_of_its_class() -> None:
    """A file and its largest class share a word; exceptions have a reason, and no exception outlives it."""
    differ = {
        str(path.relative_to(PACKAGE))
        for path in modules()
        if (name := largest_class(path)) and not share_a_word(path.stem, name)
    }

    assert differ == set(EXCEPTIONS)
    assert len(EXCEPTIONS) <= 10
