"""Which module of native code uses which, as a table: `python -m checks.native_layers` prints what breaks it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from checks.imports import Import, Kind, circles

ROOT: Final = Path(__file__).resolve().parent.parent / "native"
CRATES: Final = ("chunk", "http2", "transport", "driver")

#: What each module uses of its crate, no more and no less; a name that begins with a dot is beside the module. Rows go
#: from the floor to the roof and name rows above their own, so nothing is used in a circle. Whoever uses something new
#: adds it here, or, where that would name a row below, moves it down to those who share it.
MAY_USE: Final[Mapping[str, str]] = {
    # Bytes of a result to Arrow and back; knows no Python.
    "chunk.error": "",
    "chunk.limits": "",
    "chunk.vector_type": "",
    "chunk.wire.types": "",
    "chunk.wire.reader": "error .types",
    "chunk.wire.skip": "error .types .reader",
    "chunk.wire": "wire.reader",
    "chunk.vector": "vector_type wire",
    "chunk.structure": "error limits wire.types wire vector",
    "chunk.metadata": "error limits wire",
    "chunk.encode.writer": "error wire.types",
    "chunk.encode.values": "error .writer",
    "chunk.encode.vector": "error vector_type wire.types vector .writer .values",
    "chunk.encode": "error vector_type wire.types encode.writer encode.vector",
    "chunk.decode.kernels": "",
    "chunk.decode.bits": ".kernels",
    "chunk.decode.recycle": "",
    "chunk.decode.target": "error vector_type",
    "chunk.decode.copy": ".kernels",
    "chunk.decode.text": ".kernels .recycle .copy",
    "chunk.decode.column": ".bits .recycle .target .text",
    "chunk.decode.scalars": "",
    "chunk.decode.nested": ".scalars",
    "chunk.decode.converted": ".nested .scalars",
    "chunk.decode.nulls": "error vector .kernels",
    "chunk.decode.input": "error wire vector .target .nulls",
    "chunk.decode.text_vector": "error wire .target .text .nulls .input",
    "chunk.decode.decimal128": "error wire vector .kernels .target .input .text_vector",
    "chunk.decode.boolean": "error wire .kernels .bits .input",
    "chunk.decode.fixed": "error wire .kernels .column .input",
    "chunk.decode.timestamp_tz": "error wire .bits .text .input .text_vector",
    "chunk.decode.vector": (
        "error vector_type wire vector .target .column .nulls .input .text_vector .decimal128 "
        ".boolean .fixed .timestamp_tz"
    ),
    "chunk.decode.walk": (
        "error limits vector_type wire vector structure .target .column .nulls .input "
        ".decimal128 .vector"
    ),
    "chunk.decode": (
        "error limits structure decode.target decode.column decode.converted decode.text_vector "
        "decode.decimal128 decode.walk"
    ),
    "chunk.probe": "error vector_type vector structure decode",
    "chunk.response": "error limits structure probe",
    "chunk.request": "response",
    "chunk": "error limits vector_type structure encode decode probe",
    # Frames of HTTP/2 and their rules: bytes in, events out.
    "http2.error": "",
    "http2.hpack_tables": "",
    "http2.stream": "",
    "http2.frame": "error",
    "http2.hpack": "hpack_tables",
    "http2.fields": "hpack",
    "http2.outgoing": "error frame stream",
    "http2.connection": "error fields frame hpack outgoing stream",
    "http2": "connection error fields hpack",
    # Unary gRPC calls over HTTP/2; knows neither Python nor Arrow.
    "transport.status": "",
    "transport.compression": "status",
    "transport.buffers": "compression status",
    "transport.validity": "",
    "transport.reactor": "",
    "transport.socket": "reactor",
    "transport.tls": "validity",
    "transport.link": "reactor socket status",
    "transport.dial": "link reactor socket",
    "transport.answer": "buffers compression status",
    "transport.slot": "answer compression status",
    "transport.engine": "answer buffers dial link reactor slot status",
    "transport.channel": "answer engine reactor slot status",
    "transport": "answer buffers channel dial engine link slot status tls",
    # The function table, the stream and its threads. `pipeline` knows neither Python nor C.
    "driver.abi": "",
    "driver.error": "abi",
    "driver.process": "",
    "driver.options": "error",
    "driver.pipeline.source": "error",
    "driver.pipeline.merge": ".source",
    "driver.pipeline.shared": "error process .source .merge",
    "driver.pipeline.fetch": "error process .source .shared",
    "driver.pipeline.decode": "error .source .shared .merge",
    "driver.pipeline.turns": "error .source .shared .decode",
    "driver.pipeline.consume": "error .shared",
    "driver.pipeline.open": "error process .source .shared",
    "driver.pipeline": "pipeline.source pipeline.shared pipeline.merge",
    "driver.python.decode_error": "",
    "driver.python.interpreter": "error process .decode_error",
    "driver.python": "python.interpreter",
    "driver.python.values": "options",
    "driver.python.capsules": "abi python",
    "driver.python.arrived_stream": "abi .capsules",
    "driver.python.codec": "pipeline .decode_error .capsules",
    "driver.python.stream_stats": "pipeline",
    "driver.python.transport": "process python",
    "driver.python.course": "pipeline process .codec .transport",
    "driver.python.requests": ".transport",
    "driver.python.opening": "process .codec .course .requests .transport",
    "driver.python.shortcut": ".codec .opening .requests .transport",
    "driver.python.query_source": (
        "error pipeline process python .capsules .codec .course .stream_stats"
    ),
    "driver.python.reading": "pipeline",
    "driver.boundary": "abi error process python",
    "driver.handle": "abi error process options python python.values boundary",
    "driver.stream": "abi error process pipeline python python.reading boundary",
    "driver.database": "abi error process options python boundary handle",
    "driver.connection": (
        "abi error process options python python.capsules python.query_source boundary handle "
        "stream database"
    ),
    "driver.statement": (
        "abi error process options pipeline python python.arrived_stream python.capsules "
        "python.query_source boundary handle stream connection"
    ),
    "driver.table": "abi error boundary stream database connection statement",
    "driver": (
        "abi error process python.decode_error python python.codec python.course python.opening "
        "python.stream_stats python.reading python.shortcut python.transport stream table"
    ),
}

#: A string, a comment, or what looks like either.
_LITERAL: Final = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_USE: Final = re.compile(r"\buse\s+([^;]+);")
_PATH: Final = re.compile(r"(?<![\w:>])(?:r#)?\$?((?:\w+::)+)")
_TESTS: Final = re.compile(r"#\[cfg\(test\)\]\s*(?:#\[[^\]]*\]\s*)*mod\s+\w+\s*\{")


def modules_of(crate: Path) -> dict[str, Path]:
    """Returns the modules of *crate* by dotted name, that of the crate itself first; modules of tests are left out."""
    source = crate / "src"
    modules = {crate.name: source / "lib.rs"}
    for path in sorted(source.rglob("*.rs")):
        parts = path.relative_to(source).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "mod" else parts
        if "tests" not in parts and parts != ("lib",):
            modules[".".join((crate.name, *parts))] = path
    return modules


def uses_of(modules: Mapping[str, Path]) -> list[Import]:
    """Returns each use of a module by another, wherever it stands but in tests."""
    found = []
    for name, path in modules.items():
        used = uses_in(name, path.read_text(encoding="utf-8"), modules)
        found += [Import(name, other, line, Kind.MODULE) for other, line in sorted(used.items())]
    return found


def uses_in(name: str, text: str, modules: Iterable[str]) -> dict[str, int]:
    """Returns the modules that *text*, of module *name*, uses, and the line where it first does."""
    known = set(modules)
    text = _without_tests(_LITERAL.sub(_blank, text))
    found: dict[str, int] = {}

    def note(path: list[str], at: int) -> None:
        module = _resolve(name, path, known)
        if module is not None and module != name:
            found.setdefault(module, text.count("\n", 0, at) + 1)

    for match in _USE.finditer(text):
        for path in _leaves(match[1]):
            note(path, match.start())
    rest = _USE.sub(_blank, text)
    for match in _PATH.finditer(rest):
        note(match[1].removesuffix("::").split("::"), match.start())
    return found


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def _without_tests(text: str) -> str:
    while match := _TESTS.search(text):
        depth, at = 1, match.end()
        while depth:
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            at += 1
        body = re.sub(r"[^\n]", " ", text[match.start() : at])
        text = text[: match.start()] + body + text[at:]
    return text


def _leaves(tree: str) -> Iterator[list[str]]:
    """Yields the paths of a use tree, such as `a::{b, c::{d, self}}`."""
    tree = " ".join(tree.split()).replace("$", "")
    head, brace, rest = tree.partition("{")
    prefix = [part for part in head.split(" as ")[0].strip().split("::") if part]
    if not brace:
        yield [part for part in prefix if part != "*"]
        return
    depth, start = 0, 0
    inner = rest[: rest.rindex("}")]
    for at, character in enumerate(inner + ","):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if character == "," and depth == 0:
            if leaf := inner[start:at].strip():
                for path in _leaves(leaf):
                    yield [*prefix, *(part for part in path if part != "self")]
            start = at + 1


def _resolve(name: str, path: list[str], known: set[str]) -> str | None:
    """Returns the module that *path* leads to from within module *name*; None if it is none of *known*."""
    crate = name.partition(".")[0]
    here = name.split(".")
    if path[0] == "crate":
        base, path = [crate], path[1:]
    elif path[0] == "self":
        base, path = here, path[1:]
    elif path[0] == "super":
        base = here
        while path and path[0] == "super":
            base, path = base[:-1], path[1:]
    elif ".".join([*here, path[0]]) in known:
        base = here
    else:
        return None
    for length in range(len(path), -1, -1):
        if (module := ".".join([*base, *path[:length]])) in known:
            return module
    return None


def breaches(uses: Iterable[Import], table: Mapping[str, str]) -> list[str]:
    """Returns where *uses* and *table* differ, and the circles, a line each."""
    uses = list(uses)
    used: dict[str, dict[str, Import]] = {}
    for use in uses:
        used.setdefault(use.importer, {})[use.imported] = use
    above: set[str] = set()
    lines = []
    for module, names in table.items():
        promised = {_full(module, name) for name in names.split()}
        found = used.pop(module, {})
        lines += [f"{module} names {other}, whose row is not above" for other in promised - above]
        lines += [f"{module} no longer uses {other}" for other in promised - found.keys()]
        lines += [
            f"{module} (line {use.line}) uses {other}, which its row does not name"
            for other, use in found.items()
            if other not in promised
        ]
        above.add(module)
    lines += [f"{module} has no row" for module in used]
    lines += [f"{' and '.join(circle)} use each other in a circle" for circle in circles(uses)]
    return sorted(lines)


def _full(module: str, name: str) -> str:
    """Returns the dotted name of what the row of *module* calls *name*."""
    if name.startswith("."):
        return module.rpartition(".")[0] + name
    return f"{module.partition('.')[0]}.{name}"


def main() -> int:
    """Prints the breaches; returns the exit code."""
    uses = [use for crate in CRATES for use in uses_of(modules_of(ROOT / crate))]
    lines = breaches(uses, MAY_USE)
    print(*lines, sep="\n", end="\n" if lines else "")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
