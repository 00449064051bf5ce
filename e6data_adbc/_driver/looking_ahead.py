"""Fetching ahead of the reader, for what only the rows of a result tell about its columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from e6data_adbc import errors, types
from e6data_adbc._driver.fetching import Fetcher

if TYPE_CHECKING:
    from e6data_adbc._native import Response

__all__ = ["look_ahead"]


def look_ahead(
    fetcher: Fetcher,
    receive: Callable[[], Response],
    columns: list[types.Column],
    *,
    limit: int,
) -> tuple[list[types.Shape] | None, list[Response]]:
    """Fetches until every column's type is decided.

    Args:
        fetcher: Of the result.
        receive: Gets its next response.
        columns: What the metadata say.
        limit: How many bytes of responses to hold.

    Returns:
        What the chunks tell about each column, None where there was no chunk; and the responses, for the reader. A
        decimal that is null as far as the look-ahead may go stays without a scale.

    Raises:
        Error: Fetching failed, or a response is broken.
    """
    from e6data_adbc import _native

    shapes: list[types.Shape] | None = None
    ahead: list[Response] = []
    held = 0
    while not fetcher.has_ended and held < limit:
        response = receive()
        try:
            chunks = response.probe()
        except _native.NativeDecodeError as error:
            raise errors.from_native(
                error,
                verb=f"read response {fetcher.received} of {fetcher.name}",
                columns=[column[0] for column in columns],
            ) from error
        for _, vectors in chunks:
            # Another number of vectors is an empty chunk without any, or an error that decoding reports.
            if len(vectors) == len(columns):
                shapes = _merge(columns, shapes, vectors)
        if not fetcher.is_marker(response):
            ahead.append(response)
            held += response.nbytes
        if shapes and not any(map(types.is_open, columns, shapes)):
            break
    return shapes, ahead


def _merge(
    columns: list[types.Column], known: list[types.Shape] | None, new: list[types.Shape]
) -> list[types.Shape]:
    """Returns *known*, with the columns that it leaves open as *new* has them."""
    if known is None:
        return new
    return [
        later if types.is_open(column, earlier) else earlier
        for column, earlier, later in zip(columns, known, new, strict=True)
    ]
