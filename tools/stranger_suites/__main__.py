"""Runs others' test suites against the local engine, in environments of their own, and says why what fails fails.

`python -m tools.stranger_suites dbapi pandas` builds the wheel, makes `.venv-suites/<suite>`, runs and prints. Polars'
tests are in no package: `polars --source CHECKOUT` takes them from a checkout of its repository. `--write` puts the
tables into `docs/compatibility.md`. The exit code is 1 when a failure has no explanation.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.stranger_suites import dbapi, environment, outcome, page, pandas_sql, polars_database

NAMES = ("dbapi", "pandas", "polars")


def main() -> int:
    """Runs what the command line names; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suites", nargs="*", metavar="suite", help=f"of {', '.join(NAMES)}; all")
    parser.add_argument("--source", type=Path, help="a checkout of Polars' repository")
    parser.add_argument("--wheel", type=Path, help="use this wheel and build none")
    parser.add_argument("--write", action="store_true", help="into docs/compatibility.md")
    given = parser.parse_args()
    if unknown := set(given.suites) - set(NAMES):
        parser.error(f"there is no suite {', '.join(sorted(unknown))}")
    names = given.suites or NAMES
    suites = []
    for name in NAMES:
        if name not in names:
            continue
        if name != "polars":
            suites.append(dbapi.suite() if name == "dbapi" else pandas_sql.suite())
        elif given.source is not None:
            suites.append(polars_database.suite(given.source))
        elif given.suites:
            parser.error("the tests of Polars are in no package: give --source, a checkout of it")
        else:
            print("polars: not run, its tests are in no package; give --source", file=sys.stderr)
    wheel = (given.wheel or environment.build_wheel()).resolve()
    wrong = 0
    for suite in suites:
        came = outcome.run(suite, wheel)
        print(f"\n{suite.name}\n")
        print("\n".join(page.lines(came)))
        wrong += len(came.unexplained)
        if given.write:
            page.written(environment.ROOT / "docs" / "compatibility.md", came)
    print(f"\n{wrong} failures without an explanation")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
