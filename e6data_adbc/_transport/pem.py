"""Certificates as PEM text, looked at before a library of TLS gets them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final

from e6data_adbc import errors
from e6data_adbc.options import DatabaseOptions, Secret

__all__ = ["check_key", "check_pem", "roots_of"]

#: Where gRPC looks for a file of trusted certificates, before those of its own.
_ROOTS: Final = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
#: PKCS #8 and OpenSSL's older form.
_ENCRYPTED: Final = re.compile(r"^(-----BEGIN ENCRYPTED|Proc-Type: *4,ENCRYPTED)", re.MULTILINE)


def roots_of(environment: Mapping[str, str] = os.environ) -> bytes | None:
    """Returns the trusted certificates that the environment names for programs with gRPC; None where it names none.

    Raises:
        ProgrammingError: The file cannot be read, or holds no certificates; the text names the variable.
    """
    path = environment.get(_ROOTS)
    if not path:
        return None
    try:
        with open(path, "rb") as file:
            pem = file.read()
    except OSError as cause:
        raise errors.make(
            errors.Status.INVALID_ARGUMENT,
            f"could not read the certificates of {_ROOTS!r}: {cause.strerror}",
        ) from cause
    return _checked(pem, _ROOTS)


def check_pem(
    pem: bytes | None, option: DatabaseOptions = DatabaseOptions.TLS_ROOT_CERTS
) -> bytes | None:
    """Returns *pem* unchanged.

    Raises:
        ProgrammingError: It holds no certificates; the text names *option*.
    """
    return None if pem is None else _checked(pem, option.value)


def check_key(pem: Secret | None) -> None:
    """Refuses a client's private key that needs a password, for which there is no option.

    Raises:
        ProgrammingError: The key is encrypted.
    """
    if pem is not None and _ENCRYPTED.search(pem.reveal()):
        raise errors.make(
            errors.Status.INVALID_ARGUMENT,
            f"could not use the key of {DatabaseOptions.TLS_CLIENT_KEY.value!r}: it is encrypted with a password",
            hint="decrypt it, as by 'openssl pkey -in KEY -out PLAIN', and give that",
        )


def _checked(pem: bytes, name: str) -> bytes:
    import ssl

    try:
        # Comments between certificates may be in any encoding; OpenSSL reads none of them.
        text = pem.decode("ascii", "ignore")
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError) as cause:
        raise errors.make(
            errors.Status.INVALID_ARGUMENT, f"could not read the certificates of {name!r}: {cause}"
        ) from cause
    return pem
