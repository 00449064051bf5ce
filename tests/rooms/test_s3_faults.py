"""What a bucket fails with has the exit codes and statuses of other destinations."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

pytest.importorskip("boto3")
pytest.importorskip("moto.server")

from e6data_adbc import errors
from e6data_adbc.cli.exits import Exit, exit_for
from e6data_adbc.errors import Status
from e6data_adbc.etl import load
from e6data_adbc.etl.retry import may_pass

pytestmark = pytest.mark.rooms

ALL, WRITES = "GET,HEAD,PUT,POST,DELETE", "PUT,POST"


@contextlib.contextmanager
def refusing(status: int, code: str, methods: str) -> Iterator[str]:
    """Yields the endpoint of a storage, in a process of its own: some libraries hold the interpreter while they ask."""
    script = str(Path(__file__).parent / "refusing_storage.py")
    command = [sys.executable, script, str(status), code, methods]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def failure(to: str) -> errors.Error:
    with pytest.raises(errors.Error) as caught:
        load(pa.table({"id": [1]}), to, job="j", patience_seconds=0)
    assert "not-a-password" not in str(caught.value)
    return caught.value


def address(scheme: str, endpoint: str) -> str:
    return (
        f"{scheme}+s3://lake/p?endpoint_url={endpoint}&access_key_id=user"
        "&secret_access_key=not-a-password&region=us-east-1"
    )


@pytest.mark.parametrize("scheme", ["parquet", "delta"])
@pytest.mark.parametrize(
    ("status", "code", "exit_code", "kind", "passes"),
    [
        (403, "AccessDenied", Exit.OUTPUT, Status.UNAUTHORIZED, False),
        (403, "InvalidAccessKeyId", Exit.CONNECTION, Status.UNAUTHENTICATED, False),
        (403, "SignatureDoesNotMatch", Exit.CONNECTION, Status.UNAUTHENTICATED, False),
        (404, "NoSuchBucket", Exit.OUTPUT, Status.NOT_FOUND, False),
        (503, "SlowDown", Exit.OUTPUT, Status.IO, True),
    ],
)
def test_a_storage_that_answers_with_an_error(
    *, scheme: str, status: int, code: str, exit_code: Exit, kind: Status, passes: bool
) -> None:
    """Read by code and status, not by what libraries make of them in words."""
    with refusing(status, code, ALL) as endpoint:
        error = failure(address(scheme, endpoint))
    assert (exit_for(error), error.status_code, may_pass(error)) == (exit_code, kind, passes)


@pytest.mark.parametrize("scheme", ["parquet", "delta"])
@pytest.mark.parametrize(
    ("status", "code"), [(403, "AccessDenied"), (507, "InsufficientStorage"), (405, "NotAllowed")]
)
def test_a_storage_that_takes_nothing(scheme: str, status: int, code: str) -> None:
    """A right to write is missing, or it is full, or read-only."""
    with refusing(status, code, WRITES) as endpoint:
        error = failure(address(scheme, endpoint))
    assert exit_for(error) is Exit.OUTPUT
    assert not may_pass(error)
    if scheme == "parquet":
        assert error.status_code == (Status.UNAUTHORIZED if status == 403 else Status.IO)


@pytest.mark.parametrize("scheme", ["parquet", "delta"])
def test_a_storage_that_is_not_reached(scheme: str) -> None:
    """As a server of any kind."""
    error = failure(address(scheme, "http://127.0.0.1:9"))
    assert (exit_for(error), error.status_code) == (Exit.CONNECTION, Status.IO)
    assert may_pass(error)


@pytest.mark.parametrize("scheme", ["parquet", "delta"])
def test_nothing_says_who_one_is(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither credentials nor a profile of that name; half of them, or an endpoint that is no URL, are usage errors."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "nothing"))
    base = f"{scheme}+s3://lake/p?region=us-east-1"
    with refusing(403, "AccessDenied", ALL) as endpoint:
        for wrong in ("", "&profile=nobody"):
            error = failure(f"{base}&endpoint_url={endpoint}{wrong}")
            assert (exit_for(error), error.status_code) == (
                Exit.CONNECTION,
                Status.UNAUTHENTICATED,
            ), wrong
    for wrong in (f"{base}&access_key_id=user", address(scheme, "nonsense")):
        assert failure(wrong).status_code == Status.INVALID_ARGUMENT, wrong
