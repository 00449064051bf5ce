"""A result that is made on this side, in the form in which the server sends its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from e6data_adbc import _schemas, types
from e6data_adbc._options.option_values import Settings

if TYPE_CHECKING:
    from e6data_adbc._native import Response, StreamStats

__all__ = ["LocalResult", "schema_of"]

#: What the values of a column are in Arrow before the layout of the options is given to them.
_PLAIN: Final = types.Layout()


def schema_of(columns: dict[str, str], settings: Settings) -> pa.Schema:
    """Returns the schema of a result whose columns, by name, have these engine types."""
    return _schemas.result_schema(_metadata(columns), layout=settings.result.layout)


class LocalResult:
    """Rows that are here already; nothing of them is on the server. Threads: as `Query`."""

    is_open = False

    def __init__(
        self, columns: dict[str, str], rows: list[dict[str, Any]], settings: Settings, query_id: str
    ) -> None:
        """Encodes the rows.

        Args:
            columns: The engine type of each column, by name.
            rows: Values by column; what is missing is null.
            settings: What the result becomes.
            query_id: The query that the rows are about, or "".
        """
        from e6data_adbc import _native

        self.query_id = query_id
        self.schema = schema_of(columns, settings)
        self.options = settings.stream
        self.announced_rows = len(rows)
        plain = _schemas.result_schema(_metadata(columns), layout=_PLAIN)
        arrays = [
            pa.array([row.get(field.name) for row in rows], field.type)  # one by one: names decide
            for field in plain
        ]
        batch = pa.RecordBatch.from_arrays(arrays, schema=plain)
        chunk = _native.encode_chunk(batch, [types.NAMES[name].vector for name in columns.values()])
        response = _native.encode_response([chunk], version=1)
        #: All of it; see `Query.whole`.
        self.whole: list[Response] = [_native.Response(response, 1)]
        self._left = list(self.whole)
        self._stats: StreamStats | None = None

    @property
    def rows_delivered(self) -> int:
        """The rows that the reader got so far."""
        return self._stats.rows_delivered if self._stats is not None else 0

    def attach(self, stats: StreamStats) -> None:
        """Takes the counters of the stream that reads this result."""
        self._stats = stats

    def next_response(self) -> Response | None:
        """Returns the response, then None."""
        return self._left.pop() if self._left else None

    def cancel(self) -> None:
        """Does nothing: nothing is under way."""

    def close(self, timeout: float | None = None) -> None:
        """Does nothing: the server holds nothing."""


def _metadata(columns: dict[str, str]) -> list[_schemas.Column]:
    return [(name, type_name, "", "") for name, type_name in columns.items()]
