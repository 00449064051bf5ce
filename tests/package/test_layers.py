"""The layers of the code are those of the table, and nothing is imported in a circle."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from checks import layers
from checks.imports import Import, Kind, circles, imports_of, modules_of


def test_nothing_is_imported_upwards_or_in_a_circle() -> None:
    """Each import goes to a part that the table gives, no modules import each other, and no known breach is gone."""
    imports = imports_of(modules_of(layers.ROOT, layers.FOLDERS))

    assert len(imports) > 500
    assert layers.breaches(imports) == []


def test_rows_name_what_is_there_and_stands_above() -> None:
    """A row of the table is a module or folder, and names only rows above its own: the table has no circle itself."""
    modules = modules_of(layers.ROOT, layers.PACKAGES)
    seen: list[str] = []
    for part, allowed in layers.MAY_IMPORT.items():
        assert layers.full_name(part) in modules
        for name in allowed:
            assert layers.full_name(name) in modules
            assert any(layers.is_inside(name, above) for above in seen), f"{part} names {name}"
        seen.append(part)


def made_import(importer: str, imported: str) -> Import:
    """An import of a module of the package by another, beside those that are known."""
    return Import(f"e6data_adbc.{importer}", f"e6data_adbc.{imported}", 1, Kind.INNER)


KNOWN = [made_import(*pair) for pair in layers.KNOWN]


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("_transport.channel", "_session.manager"),
        ("_session.manager", "_driver.connection"),
        ("local.server", "_transport.channel"),
        ("_driver.statement", "local.server"),
        ("_driver.statement", "dbapi"),
        ("errors", "options"),
        ("a_new_part", "errors"),
    ],
)
def test_an_import_upwards_is_a_breach(importer: str, imported: str) -> None:
    """What climbs is named with both modules, and so is a module without a row."""
    (line,) = layers.breaches([*KNOWN, made_import(importer, imported)])

    assert f"e6data_adbc.{importer}" in line


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("checks.fuzz", "tests.conftest"),
        ("tools.demo", "tests.conftest"),
        ("checks.fuzz", "tools.demo"),
    ],
)
def test_folders_have_layers_too(importer: str, imported: str) -> None:
    """Tests import checks and tools, which import no test; what both share is in `checks`."""
    (line,) = layers.breaches([*KNOWN, Import(importer, imported, 1, Kind.MODULE)])

    assert importer.partition(".")[0] in line


def test_a_circle_is_a_breach() -> None:
    """Two modules of one part may not import each other either, wherever the imports stand."""
    pair = ("_session.manager", "_session.endpoint")

    lines = layers.breaches([*KNOWN, made_import(*pair), made_import(*reversed(pair))])

    assert lines == [
        "e6data_adbc._session.endpoint and e6data_adbc._session.manager import each other in a circle"
    ]


def test_a_known_breach_that_is_gone_is_a_breach() -> None:
    """The list of what is known does not outlive its reasons."""
    lines = layers.breaches(KNOWN[1:])

    assert len(lines) == min(len(KNOWN), 1)
    assert all("take the row out of KNOWN" in line for line in lines)


def test_imports_are_found_wherever_they_stand(tmp_path: Path) -> None:
    """At the top, inside functions and classes, relative, of names in a package, and for type checkers."""
    package = tmp_path / "house"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "floor.pyi").write_text("def stand() -> None: ...\n")
    (package / "wall.py").write_text("COLOUR = 'white'\n")
    (package / "roof.py").write_text(
        textwrap.dedent("""\
            import os
            from typing import TYPE_CHECKING
            from house import wall
            from house.wall import COLOUR
            if TYPE_CHECKING:
                from . import floor
            else:
                import house.floor
            class Roof:
                def lift(self):
                    from .wall import COLOUR
                    import house
        """)
    )

    found = imports_of(modules_of(tmp_path, ["house"]))

    assert sorted(
        (one.imported, one.line, one.kind) for one in found if one.importer == "house.roof"
    ) == sorted(
        [
            ("house.wall", 3, Kind.MODULE),
            ("house.wall", 4, Kind.MODULE),
            ("house.floor", 6, Kind.TYPING),
            ("house.floor", 8, Kind.MODULE),
            ("house.wall", 11, Kind.INNER),
            ("house", 12, Kind.INNER),
        ],
        key=lambda one: (one[0], one[1]),
    )


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([("a", "b"), ("b", "c")], []),
        ([("a", "b"), ("b", "a")], [["a", "b"]]),
        (
            [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "e"), ("e", "d")],
            [["d", "e"], ["a", "b", "c"]],
        ),
        ([("a", "a")], [["a"]]),
    ],
)
def test_circles(pairs: list[tuple[str, str]], expected: list[list[str]]) -> None:
    """A group is all that reach each other; a module that imports itself is one."""
    found = circles(Import(importer, imported, 1, Kind.MODULE) for importer, imported in pairs)

    assert found == expected
