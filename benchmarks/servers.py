"""The processes that serve, and those that read: started with a benchmark, ended with it."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import data
from benchmarks.environment import ENVIRONMENT, ROOT, cargo, upstream_python

__all__ = ["Reader", "benchserver", "decode_alone", "delay", "flight", "postgres", "query", "serve"]

_CRATE = ROOT / "native" / "benchserver"


@functools.cache
def benchserver() -> Path:
    """Returns the program that serves, receives and delays, built."""
    cargo("build", "--release", "--locked", "--bin", "benchserver", directory=_CRATE)
    return _CRATE / "target" / "release" / "benchserver"


@functools.cache
def decode_alone() -> Path:
    """Returns the program that decodes without Python, built from the decoder as it stands."""
    only = ("--bin", "decode_alone", "--features", "decoder")
    cargo("build", "--release", "--locked", *only, directory=_CRATE)
    return _CRATE / "target" / "release" / "decode_alone"


def query(mix: str, rows: int, chunks: int, per_response: int = 1) -> str:
    """Returns the text for *chunks* chunks of *rows* rows each, which the servers then have."""
    data.write(mix, rows)
    return f"select * from {mix}_{rows} limit {chunks} offset {per_response}"


@contextlib.contextmanager
def serve(
    *, tls: bool = False, threads: int = 1, host: str | None = None, within: tuple[str, ...] = ()
) -> Iterator[int]:
    """Gives the port of a benchmark server, which has all that `query` was asked for before.

    Args:
        tls: Whether it speaks TLS.
        threads: Of the server.
        host: The address that it listens on; that of this machine's loopback if it is None.
        within: The command that runs it, if another one does.
    """
    data.write("tiny", 1)  # what readers warm up with
    options = ["--threads", str(threads)]
    if tls:
        options += ["--tls", *certificates()[1:]]
    if host is not None:
        options += ["--host", host]
    with _listening(*within, str(benchserver()), "serve", str(data.SERVED), *options) as port:
        yield port


@contextlib.contextmanager
def delay(port: int, milliseconds: float) -> Iterator[int]:
    """Gives a port that leads to *port*, with so many milliseconds added to a round trip."""
    address = f"127.0.0.1:{port}"
    with _listening(str(benchserver()), "delay", address, str(milliseconds)) as delayed:
        yield delayed


@contextlib.contextmanager
def flight(*, tls: bool = False) -> Iterator[int]:
    """Gives the port of a Flight and Flight SQL server with the same rows."""
    options = ["--tls", *certificates()[1:]] if tls else []
    with _listening(sys.executable, "-m", "benchmarks.flight_server", *options) as port:
        yield port


@functools.cache
def certificates() -> tuple[str, str, str]:
    """Returns the files of an authority, a certificate for localhost and its key."""
    import trustme

    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    paths = tuple(str(ENVIRONMENT / f"{name}.pem") for name in ("authority", "certificate", "key"))
    authority.cert_pem.write_to_path(paths[0])
    issued.cert_chain_pems[0].write_to_path(paths[1])
    issued.private_key_pem.write_to_path(paths[2])
    return paths[0], paths[1], paths[2]


def calls(port: int) -> dict[str, int]:
    """Returns how often each method of the server was called since the last time."""
    import grpc

    with grpc.insecure_channel(f"localhost:{port}") as channel:
        text = channel.unary_unary("/QueryEngineService/calls")(b"").decode()
    return {name: int(count) for name, count in (line.split() for line in text.splitlines())}


@contextlib.contextmanager
def postgres(tables: dict[str, int]) -> Iterator[str | None]:
    """Gives the URI of a PostgreSQL with so many rows in each table, or None where there is none installed."""
    programs = _postgres_programs()
    if programs is None:
        print("[benchmarks] without PostgreSQL: initdb was not found", file=sys.stderr)
        yield None
        return
    directory = Path(tempfile.mkdtemp(prefix="e6data-bench-"))
    account = _unprivileged()
    try:
        if account is not None:
            shutil.chown(directory, account)
        as_account: dict[str, Any] = {"user": account} if account else {}
        home, quiet = str(directory / "data"), subprocess.DEVNULL
        _run(programs / "initdb", "-D", home, "-A", "trust", "-U", "bench", **as_account)
        settings = ["fsync=off", "listen_addresses=", f"unix_socket_directories={directory}"]
        settings += ["shared_buffers=512MB", "max_wal_size=4GB", "autovacuum=off"]
        command = [str(programs / "postgres"), "-D", home]
        command += [word for setting in settings for word in ("-c", setting)]
        server = subprocess.Popen(command, stdout=quiet, stderr=quiet, cwd=directory, **as_account)
        try:
            uri = f"postgresql:///postgres?host={directory}&user=bench"
            _wait_for(programs / "pg_isready", directory)
            for mix, rows in tables.items():
                _fill(programs / "psql", uri, directory, mix, rows)
            yield uri
        finally:
            server.terminate()
            server.wait(timeout=30)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


class Reader:
    """A contestant in its own process; what it is asked is in benchmarks.worker."""

    def __init__(self, kind: str, **arguments: Any) -> None:
        """Starts the process and connects.

        Args:
            kind: The class in benchmarks.clients.
            arguments: What that class is made with; `warm_up` is the text of a small query.

        Raises:
            FileNotFoundError: The public connector cannot be installed.
        """
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        python: Path | str | None = sys.executable
        if kind == "Upstream":
            python = upstream_python()
            if python is None:
                raise FileNotFoundError("the public connector")
            # It has no Arrow of its own; the same one as the others use stands behind its own packages.
            environment["PYTHONPATH"] = f"{ROOT}:{_arrow_only()}"
        self._process = subprocess.Popen(
            [str(python), "-m", "benchmarks.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=environment,
            text=True,
        )
        #: The number of the process.
        self.pid: int = self._process.pid
        warm_up = arguments.pop("warm_up")
        answer = self.ask("open", kind=kind, arguments=arguments, warm_up=warm_up)
        #: Bytes of memory once connected and warm.
        self.idle: int = answer["idle"]

    def ask(self, action: str, **arguments: Any) -> dict[str, Any]:
        """Returns the answer of the process.

        Raises:
            RuntimeError: The process has ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": action} | arguments) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a contestant ended with code {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """Ends the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()


@contextlib.contextmanager
def _listening(*command: str) -> Iterator[int]:
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.stdin.close()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()


def _arrow_only() -> Path:
    """Returns a directory that holds pyarrow and nothing else."""
    import pyarrow as pa

    directory = ENVIRONMENT / "arrow"
    directory.mkdir(exist_ok=True)
    link = directory / "pyarrow"
    if not link.exists():
        link.symlink_to(Path(pa.__file__).parent)
    return directory


def _postgres_programs() -> Path | None:
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


def _unprivileged() -> str | None:
    """Returns an account to run as where we are root, which PostgreSQL refuses to be."""
    if os.geteuid() != 0:
        return None
    import pwd

    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _run(*command: str | Path, **keywords: Any) -> None:
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False, **keywords)
    if done.returncode != 0:
        raise RuntimeError(f"could not run {words[0]!r}: {done.stderr[-1000:]}")


def _wait_for(ready: Path, directory: Path) -> None:
    import time

    for _ in range(300):
        if subprocess.run([ready, "-q", "-h", directory], check=False).returncode == 0:
            return
        time.sleep(0.05)
    raise RuntimeError("PostgreSQL did not start within 15 s")


_POSTGRES_TYPES = {
    "LONG": "bigint",
    "INTEGER": "integer",
    "DECIMAL128": "numeric(15, 2)",
    "STRING": "text",
    "DATE": "date",
}


def _fill(psql: Path, uri: str, directory: Path, mix: str, rows: int) -> None:
    import duckdb
    import pyarrow as pa

    made = data.make(mix, data.MIXES[mix], min(rows, 100_000))
    source = pa.Table.from_batches([made.batch] * (rows // made.rows))
    path = directory / f"{mix}.csv"
    connection = duckdb.connect()
    connection.register("source", source)
    connection.execute(f"copy source to '{path}' (header false)")
    path.chmod(0o644)
    columns = ", ".join(f"{c.name} {_POSTGRES_TYPES[c.engine]}" for c in made.columns)
    statements = [f"create unlogged table {mix} ({columns})", f"\\copy {mix} from '{path}' csv"]
    statements += [f"vacuum analyze {mix}"]
    for statement in statements:
        _run(psql, "-q", uri, "-c", statement)
    path.unlink()
