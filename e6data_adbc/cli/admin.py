"""`e6data-adbc admin`: play a cluster's life on an engine that `serve` runs."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from e6data_adbc import errors
from e6data_adbc.cli.exits import UsageError

if TYPE_CHECKING:
    from e6data_adbc._transport.api import Channel

__all__ = ["add_to"]

#: Seconds for an answer; all of it happens on this machine.
_PATIENCE: Final = 10.0
#: Names of the command line that are not part of the request.
_OURS: Final = frozenset({"run", "uri", "admin_token_file", "action"})


def add_to(commands: Any) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "admin",
        help="switch, suspend, break or watch a local engine that `serve` runs",
        description="Play a cluster's life on an engine that `e6data-adbc serve --admin-token-file FILE` runs on "
        "this machine. The answer is a line of JSON.",
    )
    actions = parser.add_subparsers(metavar="action", required=True, dest="action")
    _add_switch(actions)
    suspend = _add(actions, "suspend", "suspend the cluster: calls answer 503")
    suspend.add_argument(
        "--states",
        type=lambda text: text.split(","),
        metavar="A,B,…",
        help="what the status says after a resume, call by call, the last one for good (for instance resuming,failed)",
    )
    suspend.add_argument(
        "--refusals", type=int, metavar="N", help="calls that hear 503 although it is active again"
    )
    _add(actions, "resume", "begin to resume the cluster")
    expire = _add(actions, "expire", "end all sessions, or all bearer tokens")
    expire.add_argument("what", nargs="?", choices=("sessions", "bearers"), default="sessions")
    expire.add_argument(
        "--drain", action="store_true", default=None, help="let sessions finish their queries"
    )
    _add_fault(actions)
    ledger = _add(actions, "ledger", "show what the engine did: calls, refusals, queries")
    ledger.add_argument("--last", type=int, metavar="N", help="queries to show (default: 10)")
    _add(actions, "metrics", "show counters since the start: calls, refusals, queries, rows, bytes")
    _add(actions, "restart", "end all calls, then start again on the same port with the same data")


def _add_switch(actions: Any) -> None:
    parser = _add(actions, "switch", "switch to the other colour, now or every so often")
    parser.add_argument("strategy", nargs="?", choices=("blue", "green"), help="where to")
    parser.add_argument(
        "--announce", action="store_true", default=None, help="only announce it; both answer"
    )
    parser.add_argument(
        "--drain", action="store_true", default=None, help="let the old colour finish its queries"
    )
    parser.add_argument(
        "--every-seconds", type=float, metavar="S", help="switch again and again; 0 stops that"
    )
    parser.add_argument(
        "--every-calls", type=int, metavar="N", help="switch before every N-th call; 0 stops that"
    )
    parser.add_argument(
        "--style",
        choices=("abrupt", "draining", "announced"),
        help="how those switches go (default: abrupt)",
    )


def _add_fault(actions: Any) -> None:
    parser = _add(actions, "fault", "make calls of a method fail, wait or answer too little")
    parser.add_argument(
        "method",
        nargs="?",
        help="its name on the wire, for instance getNextResultBatch; `cluster.status`, `*` for all, `chunk`",
    )
    parser.add_argument("--code", help="fail with this gRPC status (default: UNAVAILABLE)")
    parser.add_argument("--details", help="the text of the failure")
    parser.add_argument(
        "--pushback-seconds", type=float, metavar="S", help="say that it may be tried again then"
    )
    parser.add_argument("--seconds", type=float, metavar="S", help="wait instead")
    parser.add_argument(
        "--keep", type=int, metavar="N", help="send N bytes only; a negative N drops the last ones"
    )
    parser.add_argument("--after", type=int, metavar="N", help="calls that pass first (default: 0)")
    parser.add_argument("--times", type=int, metavar="N", help="calls that suffer (default: 1)")
    parser.add_argument(
        "--when", choices=("before", "after"), help="before or after the work (default: before)"
    )
    parser.add_argument(
        "--clear", action="store_true", default=None, help="call all faults off instead"
    )


def _add(actions: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=text, description=text)
    parser.add_argument(
        "--uri", help="where the engine listens, e6data://host:port (default: E6DATA_URI)"
    )
    parser.add_argument(
        "--admin-token-file",
        type=Path,
        metavar="FILE",
        help="the file that `serve` wrote (default: the token is in E6DATA_ADMIN_TOKEN)",
    )
    parser.set_defaults(run=run)
    return parser


def run(given: argparse.Namespace) -> int:
    """Sends the action and prints the answer."""
    request = {
        name: value
        for name, value in vars(given).items()
        if name not in _OURS and value is not None
    }
    print(json.dumps(_send(given, request), ensure_ascii=False))
    return 0


def _send(given: argparse.Namespace, request: dict[str, Any]) -> Any:
    from google.protobuf.empty_pb2 import Empty

    from e6data_adbc._transport.api import Call, Code, RpcFailure
    from e6data_adbc._transport.failures import Signal, signal
    from e6data_adbc._transport.headers import SecretHeaders
    from e6data_adbc._transport.methods import Method
    from e6data_adbc.local.admin import SERVICE, TOKEN_HEADER
    from e6data_adbc.options import DatabaseOptions

    method = Method(f"/{SERVICE}/{given.action}", Empty, bytes, DatabaseOptions.METADATA_TIMEOUT)
    verb = f"{given.action} the engine"
    call = Call(
        method,
        lambda: json.dumps(request).encode(),
        (),
        _PATIENCE,
        verb,
        secret=SecretHeaders(((TOKEN_HEADER, _token(given.admin_token_file)),)),
    )
    with contextlib.closing(_channel(given.uri or os.environ.get("E6DATA_URI"))) as channel:
        rpc = channel.start(call)
        answer = None if rpc is None else rpc.receive()
    if isinstance(answer, RpcFailure):
        if answer.code is Code.INVALID_ARGUMENT:
            raise UsageError(f"could not {verb}: {answer.text}")
        hint = (
            "start it with `e6data-adbc serve --admin-token-file FILE`"
            if signal(answer) is Signal.UNIMPLEMENTED
            else None
        )
        raise errors.from_grpc(answer, verb=verb, hint=hint) from None
    if answer is None:
        raise errors.make(errors.Status.INVALID_DATA, f"could not {verb}: it gave no answer")
    return json.loads(answer)


def _channel(uri: str | None) -> Channel:
    from e6data_adbc._options.database_config import DatabaseConfig
    from e6data_adbc._options.option_values import Settings
    from e6data_adbc._transport.channels import open_channel

    if not uri:
        raise UsageError("could not reach an engine: neither --uri nor E6DATA_URI says where it is")
    try:
        endpoint = DatabaseConfig.from_options({"uri": uri}).endpoint
    except errors.Error as error:
        raise UsageError(str(error)) from error
    if endpoint is None:
        raise UsageError(f"could not reach {uri!r}: it lives in the process that opens it")
    return open_channel(endpoint, Settings().rpc)


def _token(file: Path | None) -> str:
    if file is not None:
        return file.read_text().strip()
    token = os.environ.get("E6DATA_ADMIN_TOKEN")
    if not token:
        raise UsageError("could not ask the engine: give --admin-token-file or E6DATA_ADMIN_TOKEN")
    return token
