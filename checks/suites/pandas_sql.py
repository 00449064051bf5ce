"""pandas' own tests of its SQL functions, those that go through ADBC; they come with pandas' wheel."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from checks.suites import environment
from checks.suites.suite import Explanation, Suite

__all__ = ["suite"]

#: The wheel has the tests but not this file. They look at the first flower, and at there being eight or all 150.
IRIS: Final = """\
SepalLength,SepalWidth,PetalLength,PetalWidth,Name
5.1,3.5,1.4,0.2,Iris-setosa
4.9,3.0,1.4,0.2,Iris-setosa
4.7,3.2,1.3,0.2,Iris-setosa
5.0,3.6,1.4,0.2,Iris-setosa
7.0,3.2,4.7,1.4,Iris-versicolor
6.4,3.2,4.5,1.5,Iris-versicolor
6.3,3.3,6.0,2.5,Iris-virginica
5.8,2.7,5.1,1.9,Iris-virginica
"""

EXPLANATIONS: Final = (
    Explanation(
        "SQLite has no booleans and the test wants its integers; ours come back as `bool`, as the same test wants them"
        " of PostgreSQL.",
        r"test_read_sql_dtype_backend.*sqlite_adbc",
        r"column name=\"e\".*left\]:\s+bool.*right\]:\s+[Ii]nt64",
    ),
    Explanation(
        "SQLite's `INTEGER` has 64 bits and the test wants them; e6data's has 32, like PostgreSQL's, of which the same"
        " test wants 32.",
        r"test_api_custom_dateparsing_error.*sqlite_adbc",
        r"column name=\"IntDateCol\".*int32",
    ),
    Explanation(
        "SQLite's `REAL` is a double and the test compares doubles; e6data's is a 32-bit float.",
        r"execute_sql\[sqlite_adbc",
        r"5\.0999999",
    ),
    Explanation(
        "e6data has no transactions, so that nothing is rolled back.",
        r"test_transaction_rollback|test_delete_rows_is_atomic",
        r"assert 1 == 0|DataFrame are different|DID NOT RAISE",
    ),
    Explanation(
        "PostgreSQL gives intervals of months, days and nanoseconds, and the test wants pandas' `DateOffset` for them;"
        " ours come back as the `timedelta64` that was written.",
        r"test_api_timedelta\[postgresql_adbc",
        r"left\]:\s+timedelta64.*right\]:\s+object",
    ),
)


def _write_iris(folder: Path, python: Path) -> None:
    del folder
    file = environment.packages(python) / "pandas" / "tests" / "io" / "data" / "csv" / "iris.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(IRIS)


def suite() -> Suite:
    """Returns the suite: what pandas runs on ADBC's drivers for SQLite and PostgreSQL."""
    return Suite(
        name="pandas",
        title="`pandas.tests.io.test_sql` from pandas' wheel, every test that goes through ADBC, SQLite's and"
        " PostgreSQL's drivers replaced by this one",
        requirements=("pandas==3.1.1", "pytest>=8.3", "hypothesis>=6.100", "sqlalchemy>=2.0"),
        arguments=("--pyargs", "pandas.tests.io.test_sql", "-k", "sqlite_adbc or postgresql_adbc"),
        prepare=_write_iris,
        counts_connections=True,
        explanations=EXPLANATIONS,
    )
