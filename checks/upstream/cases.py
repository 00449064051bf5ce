"""The values that the public connector is asked for: SQL, truth, and what the connector is known to lose."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
from typing import Any

__all__ = ["CASES", "Case", "Verdict", "judge"]

#: The connector's defects that a value can show, by what they do.
SHORT_DECIMAL = "decimals pass through 28 digits"
SHORT_TIME = "microseconds are cut to milliseconds"
LOSSY_BYTES = "bytes pass through UTF-8 with replacement characters"


@dataclasses.dataclass(frozen=True)
class Case:
    """One value: its SQL, what it is, and the connector's defect that it meets, if any."""

    sql: str
    truth: Any
    defect: str | None = None

    def statements(self) -> dict[str, str]:
        """Returns the value in a plain vector beside a null, and as a constant vector."""
        return {
            "plain": f"select v from (values ({self.sql}), (null), ({self.sql})) as t(v)",
            "constant": f"select {self.sql} as v from range(3)",
        }


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Who is right about one value."""

    word: str
    is_explained: bool = True


_NINES = 10**38 - 1

CASES: tuple[Case, ...] = (
    Case("true", True),
    Case("false", False),
    Case("(-128)::tinyint", -128),
    Case("(-2147483648)::int", -(2**31)),
    Case("9223372036854775807::bigint", 2**63 - 1),
    Case("18446744073709551615::ubigint", decimal.Decimal(2**64 - 1)),
    Case("(-12.30)::decimal(7,2)", decimal.Decimal("-12.30")),
    Case("0.00000000000000000000000000000000000001::decimal(38,38)", decimal.Decimal("1E-38")),
    Case(f"(-{_NINES})::hugeint", decimal.Decimal(-_NINES), SHORT_DECIMAL),
    Case("1.5::float", 1.5),
    Case("0.1::double", 0.1),
    Case("'-infinity'::double", float("-inf")),
    Case("'nan'::double", float("nan")),
    Case("''", ""),
    Case("'naïve 東京 😀'", "naïve 東京 😀"),
    Case(
        "'12345678-1234-1234-1234-123456789abc'::uuid",
        "12345678-1234-1234-1234-123456789abc",
    ),
    Case("time '23:59:59.999999'", "23:59:59.999999"),
    Case("'plain'::blob", b"plain"),
    Case("'\\x00\\xFFa'::blob", b"\x00\xffa", LOSSY_BYTES),
    Case("date '1969-12-31'", datetime.date(1969, 12, 31)),
    Case("date '0001-01-01'", datetime.date(1, 1, 1)),
    Case("timestamp '2020-02-29 12:00:00.125'", datetime.datetime(2020, 2, 29, 12, 0, 0, 125000)),
    Case(
        "timestamp '1969-12-31 23:59:59.999999'",
        datetime.datetime(1969, 12, 31, 23, 59, 59, 999999),
        SHORT_TIME,
    ),
    Case(
        "timestamptz '2020-02-29 12:00:00+05:30'",
        datetime.datetime(2020, 2, 29, 6, 30, tzinfo=datetime.timezone.utc),
    ),
    Case("interval '-1 day 2 hours'", datetime.timedelta(hours=-22)),
    Case("[1, null, 3]", "[1, NULL, 3]"),
    Case("{'a': 1, 'b': 'x'}", "{'a': 1, 'b': x}"),
    Case("map {'k': 1}", "{k=1}"),
    Case("null", None),
)


def judge(case: Case, kind: str, text: str | None) -> Verdict:
    """Returns who is right about a value that the connector gave as a Python value of type *kind* with *text*."""
    if _is_same(case.truth, kind, text):
        same_type = kind == type(case.truth).__name__
        return Verdict("equal" if same_type else f"equal, but as {kind}")
    if case.defect is not None:
        return Verdict(f"engine is right: {case.defect}")
    return Verdict("differs", is_explained=False)


def _is_same(truth: Any, kind: str, text: str | None) -> bool:
    if truth is None or text is None:
        return truth is None and text is None
    match truth:
        case float():
            return kind == "float" and truth.hex() == text
        case bytes():
            return text == truth.decode("utf-8", "surrogateescape")
        case decimal.Decimal():
            return decimal.Decimal(text) == truth
        case datetime.datetime():
            # Without a zone the connector prints +00:00, which says nothing.
            moment = datetime.datetime.fromisoformat(text)
            return moment == (
                truth if truth.tzinfo else truth.replace(tzinfo=datetime.timezone.utc)
            )
        case _:
            return text == str(truth)
