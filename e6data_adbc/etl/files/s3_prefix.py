"""One prefix of an S3-like bucket through `boto3`: whole objects, conditional writes, uploads that were given up."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.destinations import Address, missing
from e6data_adbc.etl.faults import Failure, Fault
from e6data_adbc.etl.files import s3_faults
from e6data_adbc.etl.files.state_folder import StateFolder
from e6data_adbc.etl.sink import ConflictError

__all__ = ["Prefix", "scratch"]

#: What an address can set, and what boto3 calls it. Without them boto3 reads environment, profile and role as always.
_OPTIONS: Final = {
    "access_key_id": "aws_access_key_id",
    "secret_access_key": "aws_secret_access_key",
    "session_token": "aws_session_token",
    "region": "region_name",
    "profile": "profile_name",
}
#: What a conditional write is answered with where another was first.
_LOST: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_ABSENT: Final = frozenset({"NoSuchKey", "404", "NotFound"})


def scratch() -> StateFolder:
    """Returns the folder of this machine in which files are before they are sent; those of killed processes go."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = StateFolder(Path(tempfile.gettempdir()) / f"e6data-load-{user}")
    folder.make()
    with folder.locked():
        folder.tidy(())
    return folder


class Prefix:
    """The objects below `…+s3://bucket/prefix`. Any thread. Names are relative to the prefix."""

    def __init__(self, address: Address) -> None:
        """Reads the address; connects to nothing.

        Raises:
            ProgrammingError: It names no bucket, or options that are not known.
        """
        self._address = address
        split = urllib.parse.urlsplit(address.url)
        self.bucket = split.netloc
        self.path = address.path.strip("/")
        self._options = dict(urllib.parse.parse_qsl(split.query))
        wrong = sorted(set(self._options) - {*_OPTIONS, "endpoint_url"})
        cause = None
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]+", self.bucket):
            cause = "it names no bucket"
        elif not self.path:
            cause = "it names no prefix: a load has one of its own"
        elif wrong:
            cause = f"there is no option {wrong[0]!r}"
        elif ("access_key_id" in self._options) != ("secret_access_key" in self._options):
            cause = "it has one of access_key_id and secret_access_key, and not the other"
        elif address.table:
            cause = "a prefix has no tables"
        if cause:
            raise errors.make(
                Status.INVALID_ARGUMENT,
                f"could not open the destination {address.shown!r}: {cause}",
                hint=f"write {address.scheme}://bucket/prefix; options are endpoint_url, {', '.join(_OPTIONS)}",
            )
        self._opened: Any = None

    @property
    def storage_options(self) -> dict[str, str]:
        """The same for libraries that sign in by themselves: names of the AWS environment, in lower case."""
        session, client = self._session(), self._client
        found = session.get_credentials()
        options = {"aws_endpoint_url": client.meta.endpoint_url}
        if client.meta.region_name:
            options["aws_region"] = client.meta.region_name
        if client.meta.endpoint_url.startswith("http:"):
            options["aws_allow_http"] = "true"
        if found is not None:
            frozen = found.get_frozen_credentials()
            options |= {
                "aws_access_key_id": frozen.access_key,
                "aws_secret_access_key": frozen.secret_key,
            }
            if frozen.token:
                options["aws_session_token"] = frozen.token
        return options

    def sizes(self, folder: str) -> dict[str, int]:
        """Returns the objects right below a folder, `""` for the prefix itself, by name: their bytes."""
        start = self._key(f"{folder}/" if folder else "")
        found: dict[str, int] = {}
        with self._failing("list"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=start, Delimiter="/"
            )
            for page in pages:
                for each in page.get("Contents", ()):
                    found[each["Key"][len(start) :]] = each["Size"]
        found.pop("", None)  # some tools make an object for a folder
        return found

    def look(self) -> None:
        """Asks for the name of one object, so that what keeps a library from the prefix is told by boto3's error."""
        with self._failing("list"):
            self._client.list_objects_v2(Bucket=self.bucket, Prefix=self._key(""), MaxKeys=1)

    def get(self, name: str) -> bytes:
        """Returns an object; FileNotFoundError where there is none."""
        with self._failing("read"):
            answer = self._client.get_object(Bucket=self.bucket, Key=self._key(name))
            data: bytes = answer["Body"].read()
            return data

    def create(self, name: str, data: bytes) -> None:
        """Writes a new object.

        Raises:
            ConflictError: There is one of other bytes. A request that was sent again may meet its own.
        """
        try:
            with self._failing("write"):
                self._client.put_object(
                    Bucket=self.bucket, Key=self._key(name), Body=data, IfNoneMatch="*"
                )
        except ConflictError:
            with contextlib.suppress(FileNotFoundError):
                if self.get(name) == data:
                    return
            raise

    def empty(self, name: str) -> None:
        """Leaves an object without bytes, so that its name stays taken."""
        with self._failing("write"):
            self._client.put_object(Bucket=self.bucket, Key=self._key(name), Body=b"")

    def send(self, path: Path, name: str) -> None:
        """Writes a file as an object, in several requests where it is big."""
        with self._failing("write"):
            self._client.upload_file(str(path), self.bucket, self._key(name))

    def fetch(self, name: str, path: Path) -> Path:
        """Writes an object into a file, and returns its path; FileNotFoundError where there is none."""
        with self._failing("read"):
            self._client.download_file(self.bucket, self._key(name), str(path))
            return path

    def copy(self, name: str, to: str) -> bool:
        """Gives an object a second name; tells whether it was there."""
        source = {"Bucket": self.bucket, "Key": self._key(name)}
        try:
            with self._failing("copy"):
                self._client.copy_object(Bucket=self.bucket, Key=self._key(to), CopySource=source)
        except FileNotFoundError:
            return False
        return True

    def remove(self, name: str) -> None:
        """Removes an object; nothing happens where there is none."""
        with self._failing("remove"):
            self._client.delete_object(Bucket=self.bucket, Key=self._key(name))

    def uploads(self, folder: str) -> list[tuple[str, str]]:
        """Returns names below a folder for which an upload was begun and not ended, each with what `abort` takes."""
        start = self._key(f"{folder}/")
        with self._failing("list"):
            answer = self._client.list_multipart_uploads(Bucket=self.bucket, Prefix=start)
            return [
                (each["Key"][len(start) :], each["UploadId"]) for each in answer.get("Uploads", ())
            ]

    def abort(self, name: str, upload: str) -> None:
        """Removes what was sent of an upload that was given up."""
        with contextlib.suppress(FileNotFoundError), self._failing("remove"):
            self._client.abort_multipart_upload(
                Bucket=self.bucket, Key=self._key(name), UploadId=upload
            )

    def close(self) -> None:
        """Ends the connections."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def _key(self, name: str) -> str:
        return f"{self.path}/{name}"

    def _session(self) -> Any:
        try:
            import boto3
        except ImportError as cause:
            raise missing("boto3", "etl-s3", cause) from cause
        given = {_OPTIONS[name]: self._options[name] for name in self._options if name in _OPTIONS}
        with self._failing("open"):
            return boto3.session.Session(**given)

    @property
    def _client(self) -> Any:
        if self._opened is None:
            session = self._session()
            from botocore.config import Config

            # S3-like storages do not all know the checksums that S3 takes by now.
            config = Config(
                retries={"mode": "standard", "max_attempts": 4},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            )
            endpoint = self._options.get("endpoint_url")
            try:
                with self._failing("open"):
                    self._opened = session.client("s3", endpoint_url=endpoint, config=config)
            except ValueError as cause:
                raise errors.make(
                    Status.INVALID_ARGUMENT,
                    f"could not open the destination {self._address.shown!r}: its endpoint_url is no URL",
                    hint="write endpoint_url=https://host:port",
                ) from (None if self._address.secrets else cause)
        return self._opened

    @contextlib.contextmanager
    def _failing(self, verb: str) -> Iterator[None]:
        """Raises what boto3 fails with in the block as an error of ours, as ConflictError, or as FileNotFoundError."""
        try:
            from boto3.exceptions import Boto3Error
            from botocore import exceptions
        except ImportError as cause:
            raise missing("boto3", "etl-s3", cause) from cause
        try:
            with _unwrapping(Boto3Error, exceptions.ClientError):
                yield
        except exceptions.ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            if code in _LOST:
                raise ConflictError from None
            if code in _ABSENT:
                raise FileNotFoundError(code) from None
            raise self._failed(verb, error, s3_faults.failure(code, status)) from None
        except (exceptions.BotoCoreError, Boto3Error) as error:
            raise self._failed(verb, error, _failure(error)) from None

    def _failed(self, verb: str, error: Exception, known: Failure) -> errors.Error:
        text = self._address.hide(" ".join(str(error).split()))
        return errors.make(
            known.status,
            f"could not {verb} objects of {self._address.shown!r}: {text}",
            hint=known.hint,
            details=known.details,
        )


@contextlib.contextmanager
def _unwrapping(wrapper: type[Exception], answer: type[Exception]) -> Iterator[None]:
    """Raises the answer of the storage in place of what boto3's transfers make a text of."""
    try:
        yield
    except wrapper as error:
        if isinstance(error.__context__, answer):
            raise error.__context__ from None
        raise


def _failure(error: Exception) -> Failure:
    """Tells by the type of an error that is no answer."""
    from botocore import exceptions

    if isinstance(error, exceptions.SSLError):
        return Failure(Status.IO, fault=Fault.CONNECTION)  # a certificate does not get better
    if isinstance(error, (exceptions.ConnectionError, exceptions.HTTPClientError)):
        return s3_faults.AWAY
    unsigned = (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
        exceptions.MetadataRetrievalError,
        exceptions.TokenRetrievalError,
        exceptions.ProfileNotFound,
        exceptions.SSOError,
    )
    if isinstance(error, unsigned):
        return s3_faults.NOT_SIGNED_IN
    wrong = (exceptions.NoRegionError, exceptions.ParamValidationError, exceptions.ValidationError)
    return Failure(Status.INVALID_ARGUMENT if isinstance(error, wrong) else Status.IO)
