"""The call metadata that routes a call: which cluster, which deployment, which planner."""

from __future__ import annotations

import functools
from typing import Final, NoReturn, cast

from e6data_adbc import errors
from e6data_adbc.options import Secret

__all__ = [
    "LONGEST_PLANNER",
    "MAX_HEADERS",
    "MAX_VALUE",
    "PLANNER",
    "Headers",
    "SecretHeaders",
    "check_planner",
    "make_headers",
    "size_problem",
]

#: The most bytes of one value, and of all metadata together as HTTP/2 counts them. Proxies end the whole connection for
#: more, with every other call on it: nginx for a field, HAProxy for all (nginx 1.22, HAProxy 2.6).
MAX_VALUE: Final = 8 * 1024
MAX_HEADERS: Final = 16 * 1024
#: HTTP/2 adds this to each pair (RFC 9113, 6.5.2); and what HTTP/2 and gRPC send by themselves has about so much.
_PAIR_BYTES: Final = 32
_OWN_BYTES: Final = 768

#: What a call carries besides its message: key and value, in no order.
Headers = tuple[tuple[str, str], ...]


class SecretHeaders:
    """Metadata that no `repr`, pickle or `vars()` shows. Call `reveal` only in the expression that sends.

    Attributes:
        token: The access token among it, if there is one.
    """

    __slots__ = ("_pairs", "token")

    def __init__(self, pairs: object = (), token: Secret | None = None) -> None:
        self._pairs = pairs
        self.token = token

    def reveal(self) -> Headers:
        """Returns keys and values."""
        return cast("Headers", self._pairs)

    def __repr__(self) -> str:
        return "SecretHeaders(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("secret metadata is not pickled")


_CLUSTER: Final = "cluster-name"
_STRATEGY: Final = "strategy"
PLANNER: Final = "plannerip"

#: The longest host name there is (RFC 1035), which is what an engine address is.
_MAX_PLANNER: Final = 255
#: A name of that length, to find out whether calls about queries fit at all.
LONGEST_PLANNER: Final = "x" * _MAX_PLANNER


@functools.lru_cache(maxsize=256)
def make_headers(
    cluster_name: str | None, strategy: str | None, planner: str | None = None
) -> Headers:
    """Returns the headers of one call, which are the same few for all; what is None is not sent.

    Args:
        cluster_name: The cluster behind a shared host.
        strategy: `blue` or `green`.
        planner: The `engineIP` of the query that the call is about.
    """
    headers: Headers = () if cluster_name is None else ((_CLUSTER, cluster_name),)
    if strategy is not None:
        headers += ((_STRATEGY, strategy),)
    return headers if planner is None else (*headers, (PLANNER, planner))


def size_problem(headers: Headers, secret: SecretHeaders | None = None) -> str | None:
    """Returns what is too large about the metadata of a call, without a value of it, or None; never raises."""
    size = _OWN_BYTES
    for key, value in headers if secret is None else (*headers, *secret.reveal()):
        if len(value) > MAX_VALUE:
            return f"the value of {key!r} has {len(value)} bytes, and {MAX_VALUE} is the most"
        size += len(key) + len(value) + _PAIR_BYTES
    if size > MAX_HEADERS:
        return f"all of them together have {size} bytes, and {MAX_HEADERS} is the most"
    return None


def check_cluster_name(name: str | None) -> str | None:
    """Returns *name* unchanged.

    Raises:
        ProgrammingError: A header cannot carry it.
    """
    if name is not None and not _is_header_text(name):
        raise errors.make(
            errors.Status.INVALID_ARGUMENT,
            f"could not use {name!r} as cluster name: only printable ASCII fits a header",
        )
    problem = None if name is None else size_problem(((_CLUSTER, name),))
    if problem is not None:
        raise errors.make(
            errors.Status.INVALID_ARGUMENT, f"could not use the cluster name: {problem}"
        )
    return name


def check_planner(address: str, *, query_id: str) -> str:
    """Returns the server's `engineIP` unchanged; later calls send it back in message and header.

    Raises:
        DataError: It is empty, longer than 255 characters, or has characters that no header carries.
    """
    if not address or len(address) > _MAX_PLANNER or not _is_header_text(address):
        raise errors.make(
            errors.Status.INVALID_DATA,
            f"could not use the engine address {address[:_MAX_PLANNER]!r} that came with query {query_id!r}:"
            f" it is not 1 to {_MAX_PLANNER} printable ASCII characters",
            query_id=query_id,
        )
    return address


def _is_header_text(text: str) -> bool:
    # HTTP/2 trims outer blanks, so a value with them would not arrive as it was sent.
    return bool(text) and text.isascii() and text.isprintable() and text == text.strip()
