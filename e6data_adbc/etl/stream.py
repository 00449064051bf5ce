"""The rows of one commit on their way to a sink: converted, counted, and with the error that ended them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa

__all__ = ["Rows"]


class Rows:
    """Batches that a sink takes through Arrow's C stream, which keeps no exception: it is kept here beside it."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        """Takes what the source gives; nothing is read yet."""
        self._batches = batches
        #: What the source failed with; None while it did not.
        self.failure: BaseException | None = None
        self.is_drained = False

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._batches
            self.is_drained = True
        except GeneratorExit:
            raise
        except BaseException as error:
            self.failure = error
            raise

    def reader(
        self, schema: pa.Schema, convert: Callable[[pa.RecordBatch, int], pa.RecordBatch]
    ) -> pa.RecordBatchReader:
        """Returns the stream for a library.

        Args:
            schema: Of what *convert* returns.
            convert: Makes the batch that is stored, of a batch and the number of its first row.
        """
        return pa.RecordBatchReader.from_batches(schema, self._converted(convert))

    def _converted(
        self, convert: Callable[[pa.RecordBatch, int], pa.RecordBatch]
    ) -> Iterator[pa.RecordBatch]:
        row = 0
        try:
            for batch in self:
                yield convert(batch, row)
                row += batch.num_rows
        except GeneratorExit:
            raise
        except BaseException as error:  # Ctrl-C, too: it may come between any two lines
            self.failure = self.failure or error
            raise
