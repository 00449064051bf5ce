"""Certificates as PEM text, looked at before a library of TLS gets them."""

from __future__ import annotations

from e6data_adbc import errors
from e6data_adbc.options import DatabaseOptions

__all__ = ["check_pem"]


def check_pem(
    pem: bytes | None, option: DatabaseOptions = DatabaseOptions.TLS_ROOT_CERTS
) -> bytes | None:
    """Returns *pem* unchanged.

    Raises:
        ProgrammingError: It holds no certificates; the text names *option*.
    """
    if pem is not None:
        import ssl

        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(
                cadata=pem.decode("ascii")
            )
        except (ssl.SSLError, ValueError) as cause:
            raise errors.make(
                errors.Status.INVALID_ARGUMENT,
                f"could not read the certificates of {option.value!r}: {cause}",
            ) from cause
    return pem
