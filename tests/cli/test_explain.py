"""`e6data-adbc explain`: plans drawn as trees."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import duckdb
import pytest

from e6data_adbc.cli import main, plan_tree
from e6data_adbc.cli.exits import Exit

JOIN = "select o.status, count(*) as n from orders o join stores s using (store_id) group by 1 order by 2"

#: Older ones cannot hand the times of their operators over.
PROFILES = pytest.mark.skipif(
    not hasattr(duckdb.DuckDBPyConnection, "get_profiling_information"), reason="an older DuckDB"
)


@pytest.fixture
def explain(uri: str, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command in this process; returns exit code, output, errors."""

    def run(*words: str) -> tuple[int, str, str]:
        code = main(["explain", "--uri", uri, *words])
        shown = capfd.readouterr()
        return code, shown.out, shown.err

    return run


def test_a_plan(explain: Callable[..., Any], engine: Any) -> None:
    """The operators stand below those that they feed, joined by branches; the statement does not run."""
    sql = f"{JOIN} -- planned"
    code, out, err = explain(sql)

    assert (code, err) == (0, "")
    lines = out.splitlines()
    join = next(index for index, line in enumerate(lines) if "JOIN" in line)
    at = lines[join].index("└─ ")
    assert [line[at + 3 : at + 6] for line in lines[join + 1 :] if line[at + 3] in "├└"] == [
        "├─ ",
        "└─ ",
    ]
    assert "orders" in out
    assert "stores" in out
    assert not any(record.executes for record in engine.ledger.queries if record.sql == sql)


@PROFILES
def test_an_analysis(explain: Callable[..., Any]) -> None:
    """Each operator has its time and its rows before it; a summary follows."""
    code, out, err = explain("--analyze", JOIN)

    assert (code, err) == (0, "")
    heading, *lines, blank, summary = out.splitlines()
    assert heading.split() == ["time", "rows"]
    assert blank == ""
    assert summary.startswith("total ")
    assert summary.endswith(" ms, 4 rows")
    cells = [line.split(maxsplit=3) for line in lines]
    assert all(unit == "ms" and float(time) >= 0 for time, unit, _, _ in cells)
    scan = next(line for line in lines if "orders" in line)
    assert scan.split()[2] == "10,000"


def test_parameters_and_raw_text(explain: Callable[..., Any]) -> None:
    """Values are bound as in the command sql; `--raw` prints the server's own words."""
    words = ("select * from orders where order_id = :id", "--param", "id=17")
    plan = explain("--raw", *words)[1]
    both = explain("--raw", "--analyze", *words)[1].splitlines()
    dry = explain("--dry-run", *words)[1]

    assert "17" in plan
    assert dry == plan
    assert json.loads(both[-1])["row_count_out"] <= 1


@pytest.mark.parametrize(
    "words", [["select 1; select 2"], ["--analyze", "--dry-run", "select 1"], [" -- nothing"]]
)
def test_usage_errors(explain: Callable[..., Any], words: list[str]) -> None:
    """What cannot be explained at once is refused."""
    code, out, err = explain(*words)

    assert (code, out) == (Exit.USAGE, "")
    assert err


@pytest.mark.parametrize("way", [[], ["--analyze"], ["--dry-run"]])
def test_a_mistake(explain: Callable[..., Any], way: list[str]) -> None:
    """The engine's words in one line, and the exit code of a query that failed."""
    code, out, err = explain(*way, "select * from nowhere")

    assert (code, out) == (Exit.QUERY, "")
    assert "nowhere does not exist" in err
    assert err.count("\n") == 1


def test_standard_input(explain: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` reads the statement from standard input."""
    import io

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"select 1 as one;")))

    assert explain("-")[0] == 0


# ---- drawing


def test_a_text_without_depth_stays_as_it_is() -> None:
    """A plan whose lines all begin at the left is printed line by line; blank ones are left out."""
    text = "┌────┐\n│PLAN│\n\n└────┘"

    assert list(plan_tree.draw(plan_tree.planned(text))) == ["┌────┐", "│PLAN│", "└────┘"]


def test_depths_of_every_kind() -> None:
    """Any deeper line is a child, by blanks or tabs, by however many; a shallower one closes what is deeper."""
    text = "a\n    b\n      c\n    d\n\te\n  f\ng"

    assert list(plan_tree.draw(plan_tree.planned(text), is_ascii=True)) == [
        "a",
        "|- b",
        "|  `- c",
        "|- d",
        "|  `- e",
        "`- f",
        "g",
    ]


def test_an_analysis_of_another_form() -> None:
    """What is no tree of operators gives none; what an operator lacks is left blank."""
    for text in ("", "[]", "{}", '{"plan": "text"}', '{"plan": [1]}'):
        assert plan_tree.analyzed(text) == []
    text = '{"plan": [{"name": "A", "row_count_out": 1234}, {"time": 1.5, "children": [{"name": "B"}]}]}'

    assert list(plan_tree.draw(plan_tree.analyzed(text))) == [
        "    time   rows",
        "          1,234  A",
        "1.500 ms         ?",
        "                 └─ B",
    ]


def test_nothing_moves_the_cursor() -> None:
    """Line breaks and control characters of the server's text reach no terminal."""
    (node,) = plan_tree.planned("SCAN(a=[\x1b[2J\x07])")
    (other,) = plan_tree.analyzed('{"plan": [{"name": "SCAN\\n\\u001b[2J"}]}')

    assert node.label.isprintable()
    assert other.label.isprintable()
