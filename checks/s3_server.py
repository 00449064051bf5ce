"""An S3-like storage of its own, on loopback: moto's server, with one bucket."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from checks.postgres_server import UnavailableError, free_port

__all__ = ["BUCKET", "PASSWORD", "Storage", "prefix_of", "running"]

BUCKET: Final = "lake"
PASSWORD: Final = "not-a-password"
_SECONDS: Final = 120
_NUMBERS: Final = itertools.count()


@dataclasses.dataclass(frozen=True)
class Storage:
    """A running server.

    Attributes:
        endpoint: Its URL.
    """

    endpoint: str

    def address(self, scheme: str, prefix: str | None = None) -> str:
        """Returns the address of a prefix; of a new one where none is named."""
        given = {
            "endpoint_url": self.endpoint,
            "access_key_id": "user",
            "secret_access_key": PASSWORD,
            "region": "us-east-1",
        }
        query = urllib.parse.urlencode(given, safe=":/")
        return f"{scheme}+s3://{BUCKET}/{prefix or self.prefix()}?{query}"

    def iceberg(self, catalog: str) -> dict[str, str]:
        """Returns the settings of a catalog of pyiceberg in the database *catalog*, with its files in a new prefix."""
        return {
            "type": "sql",
            "uri": catalog,
            "warehouse": f"s3://{BUCKET}/{self.prefix()}",
            "s3.endpoint": self.endpoint,
            "s3.access-key-id": "user",
            "s3.secret-access-key": PASSWORD,
            "s3.region": "us-east-1",
        }

    def delta(self) -> dict[str, str]:
        """Returns the `storage_options` of deltalake."""
        return {
            "aws_endpoint_url": self.endpoint,
            "aws_allow_http": "true",
            "aws_region": "us-east-1",
            "aws_access_key_id": "user",
            "aws_secret_access_key": PASSWORD,
        }

    def iceberg_address(self, catalog: str) -> str:
        """Returns the address of a new table in a new catalog of pyiceberg, with `iceberg`'s settings."""
        query = "&".join(f"{name}={value}" for name, value in self.iceberg(catalog).items())
        return f"iceberg://storm/ns.t?{query}"

    def client(self) -> Any:
        """Returns a client of boto3."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id="user",
            aws_secret_access_key=PASSWORD,
            region_name="us-east-1",
        )

    def objects(self, address: str) -> dict[str, int]:
        """Returns the objects below the prefix of an address, by name: their bytes."""
        start = prefix_of(address)
        pages = self.client().get_paginator("list_objects_v2")
        return {
            each["Key"][len(start) + 1 :]: each["Size"]
            for page in pages.paginate(Bucket=BUCKET, Prefix=f"{start}/")
            for each in page.get("Contents", ())
        }

    def visible(self, address: str) -> dict[str, bytes]:
        """Returns the objects below a prefix that readers see, by name."""
        seen = [n for n in self.objects(address) if not any(p[0] in "._" for p in n.split("/"))]
        client, start = self.client(), prefix_of(address)
        answers = {n: client.get_object(Bucket=BUCKET, Key=f"{start}/{n}") for n in sorted(seen)}
        return {name: answer["Body"].read() for name, answer in answers.items()}

    @staticmethod
    def prefix() -> str:
        """Returns the name of a prefix that nothing has."""
        return f"p{next(_NUMBERS)}"


def prefix_of(address: str) -> str:
    """Returns the prefix that an address names."""
    return urllib.parse.urlsplit(address).path.strip("/")


@contextlib.contextmanager
def running(python: str | Path = sys.executable) -> Iterator[Storage]:
    """Yields a server in a process of its own: delta-rs holds the interpreter while it asks.

    Args:
        python: The interpreter that has moto.

    Raises:
        UnavailableError: It is not installed, or did not start.
    """
    port = free_port()
    server = subprocess.Popen(
        [str(python), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + _SECONDS
        while not _answers(port):
            if server.poll() is not None or time.monotonic() > deadline:
                raise UnavailableError("moto's server did not start")
            time.sleep(0.1)
        endpoint = f"http://127.0.0.1:{port}"
        make = urllib.request.Request(f"{endpoint}/{BUCKET}", method="PUT")
        urllib.request.urlopen(make, timeout=_SECONDS).close()
        yield Storage(endpoint)
    finally:
        server.kill()
        server.wait(60)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True
