"""Fetching ahead of the reader, for what only the rows of a result tell about its columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from e6data_adbc import _schemas, errors
from e6data_adbc._driver.query.fetcher import Fetcher

if TYPE_CHECKING:
    from e6data_adbc._native import Response

__all__ = ["look_ahead", "shapes_of"]


def look_ahead(
    fetcher: Fetcher,
    receive: Callable[[], Response],
    columns: list[_schemas.Column],
    *,
    limit: int,
) -> tuple[list[_schemas.Shape] | None, list[Response]]:
    """Fetches until every column's type is decided.

    Args:
        fetcher: Of the result.
        receive: Gets its next response.
        columns: What the metadata say.
        limit: How many bytes of responses to hold.

    Returns:
        What the chunks tell about each column, None where there was no chunk; and the responses, for the reader. A
        decimal that is null as far as the look-ahead may go has the scale that its nulls announce, if they do. Decimal
        text without an announced scale has the most digits of all that was looked at.

    Raises:
        Error: Fetching failed, or a response is broken.
    """
    shapes: list[_schemas.Shape] | None = None
    ahead: list[Response] = []
    held = 0
    while not fetcher.has_ended and held < limit:
        response = receive()
        verb = f"read response {fetcher.received} of {fetcher.name}"
        shapes = shapes_of(response, columns, shapes, verb=verb)
        if not fetcher.is_marker(response):
            ahead.append(response)
            held += response.nbytes
        if shapes and not any(map(_schemas.is_open, columns, shapes)):
            break
    return shapes, ahead


def shapes_of(
    response: Response,
    columns: list[_schemas.Column],
    shapes: list[_schemas.Shape] | None,
    *,
    verb: str,
) -> list[_schemas.Shape] | None:
    """Returns what *response* and *shapes*, from those before it, tell about each of *columns*; None for no chunk.

    Raises:
        DataError: The response is broken; *verb* is what was attempted.
    """
    from e6data_adbc import _native

    try:
        # One after the other: of thousands of small chunks the descriptions would be larger than the chunks.
        for index in range(response.chunk_count):
            _, vectors = response.describe(index)
            # Another number of vectors is an empty chunk without any, or an error that decoding reports.
            if len(vectors) == len(columns):
                new = [_schemas.Shape(*vector) for vector in vectors]
                shapes = new if shapes is None else list(map(_schemas.merged, shapes, new))
    except _native.NativeDecodeError as error:
        names = [column[0] for column in columns]
        raise errors.from_native(error, verb=verb, columns=names) from error
    return shapes
