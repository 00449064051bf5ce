"""Runs others' test suites against the local engine, in environments of their own, and says why what fails fails.

`python -m checks.suites dbapi pandas` builds the wheel, makes `.venv-suites/<suite>`, runs and prints. Those of
`polars` and `validation` are in no package: `--source CHECKOUT` takes them from a checkout of their repository.
`--write` puts the tables into `docs/compatibility.md`. The exit code is 1 when a failure has no explanation.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from checks.suites import (
    adbc_validation,
    dbapi,
    environment,
    outcome,
    page,
    pandas_sql,
    polars_database,
    sqlalchemy_suite,
)

#: Those of packages, and those of checkouts.
PACKAGED = {"dbapi": dbapi.suite, "pandas": pandas_sql.suite, **sqlalchemy_suite.SUITES}
CHECKED_OUT = {"polars": polars_database, "validation": adbc_validation}


def main() -> int:
    """Runs what the command line names; returns the exit code."""
    names = [*PACKAGED, *CHECKED_OUT]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suites", nargs="*", metavar="suite", help=f"of {', '.join(names)}; all")
    parser.add_argument(
        "--source", type=Path, action="append", default=[], help="a checkout; may be repeated"
    )
    parser.add_argument("--wheel", type=Path, help="use this wheel and build none")
    parser.add_argument("--write", action="store_true", help="into docs/compatibility.md")
    given = parser.parse_args()
    if unknown := set(given.suites) - set(names):
        parser.error(f"there is no suite {', '.join(sorted(unknown))}")
    suites = [make() for name, make in PACKAGED.items() if name in (given.suites or names)]
    for name, module in CHECKED_OUT.items():
        found = next(filter(module.has_tests, given.source), None)
        if found is not None and name in (given.suites or names):
            suites.append(module.suite(found))
        elif name in given.suites:
            parser.error(f"the tests of {name} are in no package: give --source, a checkout")
        elif found is None and not given.suites:
            print(f"{name}: not run, its tests are in no package; give --source", file=sys.stderr)
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
