"""The modules of native code use each other as the table says, and never in a circle."""

from __future__ import annotations

import pytest

from checks import native_layers
from checks.imports import Import, Kind
from checks.native_layers import MAY_USE, breaches, modules_of, uses_in, uses_of


def test_modules_use_what_the_table_says() -> None:
    """Each use has its place in the table, each name of the table its use, and no modules use each other."""
    modules = [modules_of(native_layers.ROOT / crate) for crate in native_layers.CRATES]
    uses = [use for found in modules for use in uses_of(found)]

    assert len(uses) > 150
    assert breaches(uses, MAY_USE) == []
    assert set(MAY_USE) == {name for found in modules for name in found}


def use(importer: str, imported: str) -> Import:
    """A use of a module by another."""
    return Import(importer, imported, 7, Kind.MODULE)


TABLE = {"c.floor": "", "c.hall.stair": "floor", "c.hall.door": ".stair", "c": "hall.door"}
USES = [
    use("c.hall.stair", "c.floor"),
    use("c.hall.door", "c.hall.stair"),
    use("c", "c.hall.door"),
]


def test_a_table_that_fits_has_no_breach() -> None:
    """The table below is one."""
    assert breaches(USES, TABLE) == []


@pytest.mark.parametrize(
    ("uses", "table", "line"),
    [
        (
            [*USES, use("c.hall.door", "c.floor")],
            TABLE,
            "c.hall.door (line 7) uses c.floor, which its row does not name",
        ),
        (USES[:-1], TABLE, "c no longer uses c.hall.door"),
        ([*USES, use("c.new", "c.floor")], TABLE, "c.new has no row"),
        (
            [*USES, use("c.floor", "c")],
            {**TABLE, "c.floor": "hall.stair"},
            "c.floor names c.hall.stair, whose row is not above",
        ),
        (
            [*USES, use("c.floor", "c.hall.stair")],
            TABLE,
            "c.floor and c.hall.stair use each other in a circle",
        ),
    ],
)
def test_what_does_not_fit_is_a_breach(
    uses: list[Import], table: dict[str, str], line: str
) -> None:
    """A use too many, one too few, a module without a row, a row that climbs, a circle."""
    assert line in breaches(uses, table)


@pytest.mark.parametrize(
    ("text", "used"),
    [
        ("use crate::floor;", {"c.floor"}),
        ("use crate::floor::Tile;", {"c.floor"}),
        ("use super::stair::{self, Step};", {"c.hall.stair"}),
        (
            "use super::{stair, Key};\nuse crate::{\n    floor::{Tile, Wood},\n    lay,\n};",
            {"c.hall.stair", "c.hall", "c.floor", "c"},
        ),
        ("pub(crate) use self::knob::Knob;", {"c.hall.door.knob"}),
        ("pub use knob::{Knob, turn};", {"c.hall.door.knob"}),
        (
            "fn open() { knob::turn(); crate::floor::lay::<u8>(super::stair::UP) }",
            {"c.hall.door.knob", "c.floor", "c.hall.stair"},
        ),
        (
            "macro_rules! m { () => { use $crate::{floor, hall::stair}; $crate::floor::lay() } }",
            {"c.floor", "c.hall.stair"},
        ),
        (
            'use std::floor::Tile; mod knob; // use crate::floor;\nlet x = "crate::floor::lay";',
            set(),
        ),
        ("#[cfg(test)]\nmod tests {\n    use crate::floor;\n    fn f() { {} }\n}", set()),
    ],
)
def test_uses_are_found_however_they_are_spelled(text: str, used: set[str]) -> None:
    """In trees, across lines, from here and from above, inline and in macros; not in comments, strings and tests."""
    modules = ["c", "c.floor", "c.hall", "c.hall.stair", "c.hall.door", "c.hall.door.knob"]

    assert set(uses_in("c.hall.door", text, modules)) == used
