"""The contract between a load and a key-value store: one transaction has rows and watermark."""

from __future__ import annotations

import base64
import dataclasses
import enum
import json
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.columns import Column
from e6data_adbc.etl.destinations import Address
from e6data_adbc.etl.faults import Failure
from e6data_adbc.etl.sink import Capabilities
from e6data_adbc.etl.watermark import Watermark

__all__ = ["Found", "Layout", "Store", "TableState", "Transaction", "layout_of"]

_FORM: Final = 1


class Layout(enum.Enum):
    """What stands for rows in a store."""

    #: Each row has a key of its own.
    ROW = "row"
    #: Each batch is one entry, in Arrow's stream format.
    STREAM = "stream"


def layout_of(address: Address) -> Layout:
    """Returns the layout that an address names by `?layout=`; rows by default.

    Raises:
        ProgrammingError: There is no such layout.
    """
    name = _layout_name(address)
    if name not in {each.value for each in Layout}:
        raise errors.make(
            Status.INVALID_ARGUMENT,
            f"could not open the destination {address.shown!r}: there is no layout {name!r}",
            hint="write layout=row or layout=stream",
        )
    return Layout(name)


def _layout_name(address: Address) -> str:
    query = urllib.parse.urlsplit(address.url).query
    return dict(urllib.parse.parse_qsl(query)).get("layout", Layout.ROW.value)


@dataclasses.dataclass(frozen=True)
class TableState:
    """What a store knows of the rows under one name.

    Attributes:
        layout: What stands for them.
        schema: Their columns.
        key: The columns that name rows; empty where they are numbered.
        first: The lowest number that a row can have.
    """

    layout: Layout
    schema: pa.Schema
    key: tuple[str, ...] = ()
    first: int = 0

    def to_json(self) -> bytes:
        """Returns it as one JSON object: the columns as people read them, and as Arrow does."""
        schema = self.schema.serialize().to_pybytes()
        fields = {
            "form": _FORM,
            "layout": self.layout.value,
            "columns": {field.name: str(field.type) for field in self.schema},
            "arrow": base64.b64encode(schema).decode(),
            "key": self.key,
            "first": self.first,
        }
        return json.dumps(fields).encode()

    @classmethod
    def from_json(cls, text: bytes | None) -> TableState | None:
        """Returns what `to_json` wrote; None for None.

        Raises:
            ProgrammingError: INVALID_STATE, a driver wrote it that has another form.
        """
        if text is None:
            return None
        fields: dict[str, Any] = json.loads(text)
        if fields["form"] != _FORM:
            raise errors.make(
                Status.INVALID_STATE,
                f"could not read what is stored: it has form {fields['form']!r}, and this driver reads {_FORM}",
                hint="load with the version of the driver that wrote it",
            )
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(fields["arrow"])))
        return cls(Layout(fields["layout"]), schema, tuple(fields["key"]), fields["first"])


@dataclasses.dataclass(frozen=True)
class Found:
    """Entries that are there.

    Attributes:
        names: Of the entries.
        rows: One for each name, or those of the batch that a single name stands for.
    """

    names: list[bytes]
    rows: pa.RecordBatch


class Transaction(Protocol):
    """Reads what was committed before it, then writes; what it wrote becomes visible at `commit`, all at once.

    Left without it, nothing of it stays.
    """

    def table(self) -> TableState | None:
        """Returns what is known of the rows; None where no load made any."""

    def has_foreign(self) -> bool:
        """Tells whether entries are there under the name, of which no load knows."""

    def marks(self) -> dict[str, Watermark]:
        """Returns the watermarks of the job, by run."""

    def staged(self, run: str) -> Iterator[pa.RecordBatch]:
        """Gives what earlier commits of a run have staged."""

    def contents(self, table: TableState, names: Sequence[str]) -> Iterator[Found]:
        """Gives the columns *names* of the rows that were there before this transaction."""

    def next_number(self) -> int:
        """Returns a number that no row has, and no lower one will be given any more."""

    def put_table(self, table: TableState) -> None:
        """Stores what is known of the rows."""

    def put_mark(self, mark: Watermark) -> None:
        """Stores a watermark."""

    def forget(self) -> None:
        """Removes the watermarks of the job."""

    def stage(self, run: str, batch: pa.RecordBatch) -> None:
        """Keeps rows beside those that are visible."""

    def unstage(self, run: str) -> None:
        """Removes what a run has staged."""

    def clear(self, table: TableState) -> None:
        """Removes all rows."""

    def remove(self, table: TableState, names: Sequence[bytes]) -> None:
        """Removes entries."""

    def add(self, table: TableState, batch: pa.RecordBatch) -> None:
        """Adds rows, numbered or as one entry of a stream."""

    def put(self, table: TableState, names: Any, batch: pa.RecordBatch) -> None:
        """Adds or changes rows by their names, an Arrow array of binary without NULL."""

    def commit(self) -> None:
        """Makes it last.

        Raises:
            ConflictError: Another one came between; nothing was written.
        """


class Store(Protocol):
    """A key-value store, and the name in it under which rows are."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do with the layout."""

    @property
    def layout(self) -> Layout:
        """What stands for rows."""

    @property
    def keeps_columns(self) -> bool:
        """Whether a row that is changed keeps the columns that it is not given."""

    def stored(self, field: pa.Field[Any]) -> Column | str:
        """Returns how a column is stored, or why it cannot be."""

    def table(self) -> TableState | None:
        """Returns what is known of the rows, and changes nothing."""

    def history(self, job: str) -> list[Watermark]:
        """Returns the watermarks of a job by one question."""

    def transaction(
        self, job: str | None, *, is_exclusive: bool
    ) -> AbstractContextManager[Transaction]:
        """Begins a transaction of a job; *is_exclusive* where no other load may change rows meanwhile."""

    def failure(self, error: Exception) -> Failure | None:
        """Returns what an error of the library is about; None for other errors."""

    def close(self) -> None:
        """Lets go of everything."""
