"""How fast does one core turn chunks into Arrow, type by type, against a copy of the result and other decoders?"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pyarrow as pa

from benchmarks import data, servers
from benchmarks.harness import Plot, Report, Settings, Table, interleave, main, median, spread
from benchmarks.harness import number as digits
from benchmarks.servers import Reader
from e6data_adbc import _native

__all__ = ["python_decoders", "run", "seconds"]

#: What a decoder of Python objects is given: it is slow, and its rate does not depend on the number of rows.
FEW_ROWS: Final = 10_000
#: Processor seconds that one measurement of a fast decoder takes at least.
_LEAST_SECONDS: Final = 0.02


def run(settings: Settings) -> Report:
    """Returns rows per second of processor time of each decoder, for each type and the mixes."""
    report = Report("decode_types", __doc__)
    native = Table(
        "The decoder alone (Rust, no Python), against a memcpy of what it puts out",
        [
            "set",
            "wire bytes a row",
            "hot, million rows/s",
            "x memcpy",
            "cold source",
            "x memcpy",
            "all memory new",
            "x memcpy",
        ],
    )
    python = Table(
        "From Python, million rows/s; the last columns are how many times as fast the decoder alone is (hot)",
        [
            "set",
            "`decode_chunk`",
            "numpy byteswap",
            "thrift + `pa.array`",
            "public connector, rows",
            "Arrow IPC file, read",
            "over thrift",
            "over the public connector",
        ],
    )
    sets = settings.pick(list(data.DECODE_SETS), ["int64", "lineitem"])
    plotted: dict[str, list[float | None]] = {}
    upstream = _upstream()
    try:
        for name in sets:
            columns, nulls = data.DECODE_SETS[name]
            found = data.make(name, columns, data.decode_rows(name), nulls)
            alone = _alone(found, settings)
            rates = _from_python(found, settings, upstream)
            _add(report, native, python, found, alone, rates, plotted)
    finally:
        if upstream is not None:
            upstream.close()
    report.tables += [native, python]
    report.plots.append(
        Plot("decode_types", "Decoding on one core", "million rows/s", sets, plotted)
    )
    report.notes.append(
        "Processor time of one thread. Hot: the same chunk of 100,000 rows (`10k`: 10,000) again and again."
        " Cold: a source larger than the second-level cache by far, a destination that is in use already, on both"
        " sides. All memory new: every"
        " batch, or copy, is kept, so that the system hands out fresh pages. x memcpy: the time for decoding over the"
        " time for copying the same Arrow buffers; 1 is what copying costs. String views are 28 bytes for each of these"
        " strings where utf8 is 16: they come at six tenths of its rate, at a smaller multiple of a memcpy of what is"
        " put out."
    )
    return report


def seconds(action: Callable[[], Any]) -> float:
    """Returns the processor seconds of one run, of as many as take long enough to be measured."""
    action()
    count, started = 0, time.thread_time()
    while (spent := time.thread_time() - started) < _LEAST_SECONDS or not count:
        action()
        count += 1
    return spent / count


def python_decoders(found: data.Set) -> dict[str, Callable[[], Any]]:
    """Returns what decodes the chunk of *found* once, by name; for numpy only where it has a way."""
    from benchmarks import thrift_chunk

    schema = found.schema
    few = data.make(found.name, found.columns, FEW_ROWS, _nulls(found)).chunk
    path = str(data.DECODED / "batch.arrow")
    data.DECODED.mkdir(parents=True, exist_ok=True)
    with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, schema) as writer:
        writer.write_batch(found.batch.cast(schema))

    def from_file() -> pa.Table:
        with pa.OSFile(path) as file:  # copies, as a socket would
            return pa.ipc.open_file(file).read_all()

    decoders: dict[str, Callable[[], Any]] = {
        "native": lambda: pa.record_batch(_native.decode_chunk(found.chunk, schema)),
        "thrift": lambda: thrift_chunk.decode(few, schema),
        "ipc": from_file,
    }
    swap = _byteswap(found)
    if swap is not None:
        decoders["numpy"] = swap
    return decoders


def _nulls(found: data.Set) -> float:
    return data.DECODE_SETS.get(found.name, ((), 0.0))[1]


def _alone(found: data.Set, settings: Settings) -> dict[str, Any]:
    """Returns what the native half measures of *found*."""
    name = found.name.replace(" ", "_")
    data.write_files(found, data.DECODED / name)
    rounds, megabytes = settings.pick(("7", "256"), ("3", "64"))
    command = [str(servers.decode_alone()), str(data.DECODED), name, rounds, megabytes]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _from_python(
    found: data.Set, settings: Settings, upstream: Reader | None
) -> dict[str, list[float]]:
    """Returns million rows per second of each decoder that runs in Python."""
    decoders = python_decoders(found)
    tasks: dict[str, Callable[[], float]] = {
        name: lambda action=action: seconds(action)  # type: ignore[misc]
        for name, action in decoders.items()
    }
    if upstream is not None:
        few = data.make(found.name, found.columns, FEW_ROWS, _nulls(found))
        path = data.DECODED / f"{found.name.replace(' ', '_')}_few"
        data.write_files(few, path)
        paths = {"chunk": f"{path}.chunk", "columns": f"{path}.columns"}
        tasks["upstream"] = lambda: upstream.ask("rows_of_chunk", **paths)["seconds"]
    samples = interleave(tasks, settings.pick(5, 2))
    rows = {"thrift": FEW_ROWS, "upstream": FEW_ROWS}
    return {
        name: [rows.get(name, found.rows) / value / 1e6 for value in values]
        for name, values in samples.items()
    }


def _add(
    report: Report,
    native: Table,
    python: Table,
    found: data.Set,
    alone: dict[str, Any],
    rates: dict[str, list[float]],
    plotted: dict[str, list[float | None]],
) -> None:
    cells: list[str] = []
    middle: dict[str, float] = {}
    for kind in ("hot", "cold", "kept"):
        speeds = [alone["rows"] / one[kind] / 1e6 for one in alone["rounds"]]
        over = [one[kind] / one[f"{kind}_memcpy"] for one in alone["rounds"]]
        cells += [spread(speeds), spread(over)]
        middle[kind], middle[f"{kind} x"] = median(speeds), median(over)
    native.add(found.name, f"{alone['wire_bytes'] / alone['rows']:.0f}", *cells)
    over_thrift = middle["hot"] / median(rates["thrift"])
    over_upstream = middle["hot"] / median(rates["upstream"]) if "upstream" in rates else None
    python.add(
        found.name,
        *(spread(rates.get(name, [])) for name in ("native", "numpy", "thrift", "upstream", "ipc")),
        digits(over_thrift),
        "n/a" if over_upstream is None else digits(over_upstream),
    )
    shown = {
        "this decoder": middle["hot"],
        "memcpy of the output": middle["hot"] * middle["hot x"],
        "numpy byteswap": median(rates["numpy"]) if "numpy" in rates else None,
        "thrift + pa.array": median(rates["thrift"]),
        "public connector": median(rates["upstream"]) if "upstream" in rates else None,
        "Arrow IPC file": median(rates["ipc"]),
    }
    for name, value in shown.items():
        plotted.setdefault(name, []).append(value)
    key = found.name.replace(" ", "_")
    report.figures[f"{key}_hot"] = middle["hot"]
    report.figures[f"{key}_cold"] = middle["cold"]
    report.figures[f"{key}_cold_over_memcpy"] = middle["cold x"]
    if over_upstream is not None:
        report.figures[f"{key}_over_upstream"] = over_upstream
    report.samples[found.name] = {"native": alone, "python": rates}


def _upstream() -> Reader | None:
    text = servers.query("tiny", 1, 1)
    try:
        with servers.serve() as port:
            return Reader("Upstream", warm_up=text, port=port)
    except FileNotFoundError:
        return None


#: How values stand on the wire, and what makes Arrow values of an array of them.
_SWAPS: Final[dict[str, tuple[str, Callable[[Any], Any]]]] = {
    "int64": (">i8", lambda wire: wire.astype("<i8")),
    "timestamp": (">i8", lambda wire: wire.astype("<i8")),
    "int32": (">i4", lambda wire: wire.astype("<i4")),
    "double": (">f8", lambda wire: wire.astype("<f8")),
    "date32": (">i8", lambda wire: (wire.astype("<i8") // 86_400_000_000).astype("<i4")),
    "bool": ("u1", lambda wire: np.packbits(wire, bitorder="little")),
}


def _byteswap(found: data.Set) -> Callable[[], Any] | None:
    """Returns what byte-swaps the one column of *found* with numpy, nulls and the place of the data known; or None."""
    if len(found.columns) != 1 or found.batch.column(0).null_count:
        return None
    kind = found.columns[0].wire
    if kind == data.DECIMAL:
        # A value is 16 bytes behind a length of four, the last one at the end of vector and chunk.
        body = np.frombuffer(found.chunk, np.uint8)
        start = _place(found.chunk, b"\x00\x00\x00\x10", found.rows)
        wire = body[start : start + 20 * found.rows].reshape(found.rows, 20)
        return lambda: np.ascontiguousarray(wire[:, :3:-1])
    if kind not in _SWAPS:
        return None
    dtype, convert = _SWAPS[kind]
    first = _first_bytes(found, dtype)
    start = found.chunk.index(first)
    wire = np.frombuffer(found.chunk, dtype, found.rows, start)
    return lambda: convert(wire)


def _first_bytes(found: data.Set, dtype: str) -> bytes:
    """Returns the first values of the column as they stand on the wire, to find them by."""
    head = found.batch.column(0).slice(0, 64)
    if pa.types.is_boolean(head.type):
        return bytes(bytearray(head.to_pylist()))
    if pa.types.is_date(head.type):
        values = np.array(head.cast(pa.int32())).astype(np.int64) * 86_400_000_000
    elif pa.types.is_timestamp(head.type):
        values = np.array(head.cast(pa.int64()))
    else:
        values = np.array(head)
    return values.astype(dtype).tobytes()


def _place(chunk: bytes, prefix: bytes, rows: int) -> int:
    """Returns where the decimals begin: at the first prefix that is followed by one 20 bytes on."""
    start = chunk.index(prefix)
    while chunk[start + 20 : start + 24] != prefix:
        start = chunk.index(prefix, start + 1)
    assert start + 20 * rows <= len(chunk)
    return start


if __name__ == "__main__":
    main(run)
