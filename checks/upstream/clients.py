"""The public connector's clients, and what each of them needs of an engine."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import trustme

from checks.issuer import CLIENT_ID, Issuer
from e6data_adbc.local import LocalEngine

__all__ = ["CLIENTS", "Client", "Place", "place"]

SECRET: Final = "of-no-other-use"


@dataclasses.dataclass(frozen=True)
class Client:
    """One way to use the connector."""

    name: str
    api: str = "sync"
    oauth: bool = False
    v2: bool = False


CLIENTS: Final = (
    Client("sync"),
    Client("sync V2", v2=True),
    Client("sync OAuth", oauth=True),
    Client("async", api="async"),
    Client("async V2", api="async", v2=True),
    Client("async OAuth", api="async", oauth=True),
)


@dataclasses.dataclass(frozen=True)
class Place:
    """A running engine with all that a client must know of it; `options` are secret."""

    engine: LocalEngine
    options: dict[str, Any]
    environment: dict[str, str]
    folder: Path


@contextlib.contextmanager
def place(*, oauth: bool = False, v2: bool = False, **settings: Any) -> Iterator[Place]:
    """Runs an engine; with *oauth* behind TLS, beside an issuer of tokens over HTTPS."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        options: dict[str, Any] = {"enable_result_batch_v2": v2}
        environment: dict[str, str] = {}
        authority = trustme.CA()
        if oauth:
            trusted = folder / "authority.pem"
            authority.cert_pem.write_to_path(trusted)
            certificate = authority.issue_cert("127.0.0.1")
            chain, key = folder / "chain.pem", folder / "key.pem"
            chain.write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
            certificate.private_key_pem.write_to_path(key)
            settings.update(tls_certificate=chain, tls_key=key)
        engine = stack.enter_context(LocalEngine(**settings))
        if oauth:
            engine.issue_bearer()  # this engine does OAuth
            issuer = stack.enter_context(Issuer(engine, authority, SECRET))
            environment["SSL_CERT_FILE"] = str(trusted)
            options |= {
                "secure": True,
                "ssl_cert": str(trusted),
                "token_url": issuer.url,
                "client_id": CLIENT_ID,
                "client_secret": SECRET,
            }
        else:
            options |= {"username": engine.user, "password": engine.token}
        options |= {
            "host": engine.config.host,
            "port": engine.port,
            "catalog": "sample",
            "database": "sales",
        }
        yield Place(engine, options, environment, folder)
