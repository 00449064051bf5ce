"""Destinations that no test has here: what the codes of their errors are about, as if a server had given them."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

from e6data_adbc import errors
from e6data_adbc.cli.exits import Exit, exit_for
from e6data_adbc.errors import Status
from e6data_adbc.etl.destinations import parse
from e6data_adbc.etl.files import s3_faults
from e6data_adbc.etl.retry import may_pass
from e6data_adbc.etl.sql.clickhouse_server import Server
from e6data_adbc.etl.sql.snowflake import Snowflake, SnowflakeSink


class NumberedError(Exception):
    """As the ADBC driver for Snowflake raises, with a number and a SQLSTATE."""

    def __init__(self, number: int, sqlstate: str) -> None:
        super().__init__("something in words")
        self.vendor_code, self.sqlstate = number, sqlstate


class RefusingSession:
    """A session whose every statement fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def rows(self, sql: str, values: object = ()) -> NoReturn:
        raise self._error

    def rollback(self) -> None: ...

    def close(self) -> None: ...


def snowflake(error: Exception) -> errors.Error:
    """Returns what a load makes of *error* in a statement."""
    database = Snowflake(parse("snowflake://user@account/db/s#t"))
    database.connect = lambda: RefusingSession(error)  # type: ignore[method-assign]
    with pytest.raises(errors.Error) as caught:
        SnowflakeSink(database).history("j")
    return caught.value


@pytest.mark.parametrize(
    ("number", "sqlstate", "exit_code", "status", "passes"),
    [
        (390_100, "08001", Exit.CONNECTION, Status.UNAUTHENTICATED, False),  # a wrong password
        (390_144, "08001", Exit.CONNECTION, Status.UNAUTHENTICATED, False),  # a wrong token
        (260_002, "", Exit.CONNECTION, Status.UNAUTHENTICATED, False),  # no password
        (390_114, "08001", Exit.QUERY, Status.UNKNOWN, True),  # a session that has expired
        (261_004, "08001", Exit.CONNECTION, Status.IO, True),  # not reached
        (3001, "42501", Exit.OUTPUT, Status.UNAUTHORIZED, False),
        (606, "57P03", Exit.OUTPUT, Status.NOT_FOUND, False),  # no warehouse
        (2043, "02000", Exit.OUTPUT, Status.NOT_FOUND, False),
        (90_105, "22000", Exit.OUTPUT, Status.NOT_FOUND, False),  # no database
        (90_073, "57014", Exit.OUTPUT, Status.IO, False),  # a quota
        (630, "57014", Exit.TIMEOUT, Status.TIMEOUT, False),
        (625, "57014", Exit.QUERY, Status.UNKNOWN, True),  # given up for another statement
        (1003, "42000", Exit.QUERY, Status.UNKNOWN, False),
    ],
)
def test_numbers_of_snowflake(
    *, number: int, sqlstate: str, exit_code: Exit, status: Status, passes: bool
) -> None:
    """Also of what the driver finds only with the first statement."""
    error = snowflake(NumberedError(number, sqlstate))
    assert (exit_for(error), error.status_code) == (exit_code, status)
    assert may_pass(error) is passes


class OperationalError(Exception):
    """As clickhouse-connect raises."""


class RefusingClient:
    """A client of clickhouse-connect whose every query fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def query(self, *_: Any, **__: Any) -> NoReturn:
        raise self._error


@pytest.mark.parametrize(
    ("code", "exit_code", "status", "passes"),
    [
        (516, Exit.CONNECTION, Status.UNAUTHENTICATED, False),
        (81, Exit.CONNECTION, Status.NOT_FOUND, False),  # the database of the address
        (60, Exit.OUTPUT, Status.NOT_FOUND, True),
        (497, Exit.OUTPUT, Status.UNAUTHORIZED, False),
        (243, Exit.OUTPUT, Status.IO, False),  # no space
        (241, Exit.OUTPUT, Status.IO, False),  # no memory
        (164, Exit.OUTPUT, Status.IO, False),  # read-only
        (252, Exit.OUTPUT, Status.IO, True),  # too many parts, until they are merged
        (210, Exit.CONNECTION, Status.IO, True),
        (159, Exit.TIMEOUT, Status.TIMEOUT, True),
        (321, Exit.QUERY, Status.INVALID_DATA, False),
        (62, Exit.QUERY, Status.UNKNOWN, False),
        (None, Exit.CONNECTION, Status.IO, True),  # nobody answers
    ],
)
def test_codes_of_clickhouse(
    *, code: int | None, exit_code: Exit, status: Status, passes: bool
) -> None:
    """Whatever else the text says."""
    text = "nobody answers" if code is None else f"Code: {code}. DB::Exception: in words"
    server = Server(parse("clickhouse://user@host/db#t"))
    server._client = RefusingClient(OperationalError(text))
    with pytest.raises(errors.Error) as caught:
        server.rows("SELECT 1")
    assert (exit_for(caught.value), caught.value.status_code) == (exit_code, status)
    assert may_pass(caught.value) is passes


@pytest.mark.parametrize(
    ("code", "http", "exit_code", "status", "passes"),
    [
        ("AccessDenied", 403, Exit.OUTPUT, Status.UNAUTHORIZED, False),
        ("403", 403, Exit.OUTPUT, Status.UNAUTHORIZED, False),  # an answer without a body
        ("ExpiredToken", 400, Exit.CONNECTION, Status.UNAUTHENTICATED, False),
        ("SignatureDoesNotMatch", 403, Exit.CONNECTION, Status.UNAUTHENTICATED, False),
        ("NoSuchBucket", 404, Exit.OUTPUT, Status.NOT_FOUND, False),
        ("PermanentRedirect", 301, Exit.OUTPUT, Status.NOT_FOUND, False),
        ("XMinioStorageFull", 507, Exit.OUTPUT, Status.IO, False),
        ("507", 507, Exit.OUTPUT, Status.IO, False),
        ("SlowDown", 503, Exit.OUTPUT, Status.IO, True),
        ("InternalError", 500, Exit.OUTPUT, Status.IO, True),
        ("SomethingNew", 400, Exit.OUTPUT, Status.IO, False),
    ],
)
def test_codes_of_buckets(
    *, code: str, http: int, exit_code: Exit, status: Status, passes: bool
) -> None:
    """By the code of the answer, or the status of HTTP where it has none."""
    known = s3_faults.failure(code, http)
    error = errors.make(known.status, "could not write", details=known.details)
    assert (exit_for(error), error.status_code) == (exit_code, status)
    assert may_pass(error) is passes
