"""How the report of a stranger's suite is read, and what the page says of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from checks.suites import page
from checks.suites.outcome import Outcome, read_report
from checks.suites.suite import Explanation, Suite

pytestmark = [pytest.mark.seconds, pytest.mark.suites]

TESTS = """
import pytest

def test_passes(): pass
@pytest.mark.parametrize("n", [1, 2])
def test_known(n): assert n == "the known reason"
def test_known_but_otherwise(): assert False, "another reason"
def test_new(): assert False, "nobody knows"
@pytest.fixture
def broken(): raise RuntimeError("the known reason")
def test_known_setup(broken): pass
@pytest.mark.skip(reason="not here")
def test_skipped(): pass
@pytest.mark.xfail(reason="the suite says so")
def test_expected(): assert False
@pytest.mark.xfail(strict=True, reason="the suite says so")
def test_expected_but_passes(): pass
"""
SUITE = Suite(
    name="example",
    title="An example",
    requirements=(),
    arguments=(),
    explanations=(Explanation("It is known.", r"test_known", r"the known reason"),),
)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """What pytest itself reports of `TESTS`."""
    folder = tmp_path_factory.mktemp("suite")
    (folder / "test_example.py").write_text(TESTS)
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly",
         "--junitxml=report.xml", "-o", "junit_family=xunit1", "."],
        cwd=folder,
        capture_output=True,
        check=False,
    )  # fmt: skip
    return read_report(SUITE, folder / "report.xml", ["example 1.0"])


def test_counts(outcome: Outcome) -> None:
    """Every test is counted once, as what it came to."""
    assert outcome.passed == 1
    assert outcome.expected == 1
    assert outcome.skipped == {"not here": 1}
    assert len(outcome.failures) == 6


def test_an_explanation_is_of_a_test_and_its_words(outcome: Outcome) -> None:
    """A known test that fails in another way is not explained, nor is one that passes against its own word."""
    assert sorted(failure.test.rsplit("::")[-1] for failure in outcome.unexplained) == [
        "test_expected_but_passes",
        "test_known_but_otherwise",
        "test_new",
    ]


def test_the_page(outcome: Outcome, tmp_path: Path) -> None:
    """The tables stand between the marks of their suite; what is around them stays."""
    file = tmp_path / "page.md"
    file.write_text(
        "before\n<!-- generated: checks.suites example -->\nold\n<!-- end of example -->\nafter\n"
    )
    page.written(file, outcome)
    page.written(file, outcome)
    text = file.read_text()

    assert text.startswith("before\n")
    assert text.endswith("<!-- end of example -->\nafter\n")
    assert "old" not in text
    assert "| 1 | 3 | 3 | 1 | 1 |" in text
    assert "| `test_known` (2), `test_known_setup` | It is known. |" in text
    assert text.count("NOT EXPLAINED") == 3


def test_a_page_without_marks_is_refused(outcome: Outcome, tmp_path: Path) -> None:
    """Nothing is written where there is no place for it."""
    file = tmp_path / "page.md"
    file.write_text("nothing")
    with pytest.raises(ValueError, match="no marks for example"):
        page.written(file, outcome)

    assert file.read_text() == "nothing"
