"""Rights of a Redis user: the error of a load names what it needs, and with that, and no more, every mode works."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyarrow as pa
import pytest
import redis

from e6data_adbc import errors
from e6data_adbc.etl import forget, load, status
from e6data_adbc.testing.table_source import TableSource

pytestmark = pytest.mark.seconds


@pytest.fixture
def admin(redis_url: str) -> Iterator[redis.Redis]:
    """A client with all rights; the user `narrow` goes with it."""
    with redis.Redis.from_url(redis_url) as client:
        yield client
        client.acl_deluser("narrow")


def rows(first: int) -> TableSource:
    ids = list(range(first, first + 8))
    return TableSource(pa.table({"id": ids, "v": ["x", None] * 4}))


@pytest.mark.parametrize("layout", ["row", "stream"])
def test_the_rights_that_the_error_names_are_enough(
    admin: redis.Redis, redis_url: str, layout: str
) -> None:
    """Also for a prefix with signs that patterns give a meaning."""
    base = redis_url.replace("://", "://narrow:x@")
    to = f"{base}?layout={layout}#sales[1]*"
    admin.acl_setuser("narrow", enabled=True, nopass=True, reset=True)
    with pytest.raises(errors.ProgrammingError, match="ACL LOG") as caught:
        load(rows(0), to, job="j", patience_seconds=0)

    named = re.search(r"ACL SETUSER calls (.*?);", str(caught.value))
    assert named is not None
    admin.execute_command("ACL", "SETUSER", "narrow", *named[1].split())
    load(rows(0), to, job="j", partition=("id", 4))
    load(rows(8), to, job="j2", mode="replace", partition=("id", 4))
    load(rows(12), to, job="j3", mode="replace_where", where="id >= 12")
    if layout == "row":
        load(rows(10), to, job="j4", mode="upsert", key="id", partition=("id", 4))
        load(rows(4), to, job="j5", mode="upsert", key="id")
        load(rows(12), to, job="j6", mode="replace_where", where="id >= 12")
    assert len(status("j3", to)) == 1
    assert forget("j3", to) == 1

    with pytest.raises(errors.ProgrammingError, match="UNAUTHORIZED"):
        load(rows(0), f"{base}?layout={layout}#sales1", job="j", patience_seconds=0)
