"""`e6data-adbc serve`: the local engine as a process."""

from __future__ import annotations

import argparse
import functools
import os
from pathlib import Path
from typing import Any, Final

from e6data_adbc import snapshot
from e6data_adbc.cli.exits import UsageError, describe
from e6data_adbc.errors import Error, Status
from e6data_adbc.local import config

__all__ = ["add_to"]

#: Settings for which a variable of the environment is better than an argument, which process lists show.
_VARIABLES: Final = {"token": "E6DATA_TOKEN", "admin_token": "E6DATA_ADMIN_TOKEN"}


def add_to(commands: Any) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "serve",
        help="run the local engine until it is stopped",
        description="Run the local engine. Prints `listening on e6data://host:port` once it answers; SIGTERM or Ctrl-C "
        "stops it.",
    )
    for setting in config.settings():
        _add_setting(parser, setting)
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="write the made-up token here instead, readable only by you",
    )
    parser.add_argument(
        "--admin-token-file",
        type=Path,
        metavar="FILE",
        help="permit `e6data-adbc admin` to whoever can read this file; it is made, readable only by you, if it is not "
        "there. The environment's E6DATA_ADMIN_TOKEN permits it too",
    )
    parser.add_argument(
        "--record",
        type=Path,
        metavar="DIR",
        help="answer from the recordings in DIR; ask --upstream for what is not there, and keep it",
    )
    parser.add_argument(
        "--upstream",
        default=os.environ.get("E6DATA_UPSTREAM"),
        metavar="URI",
        help="the engine that is recorded; better given as E6DATA_UPSTREAM, because it has a token in it",
    )
    parser.add_argument(
        "--replay",
        type=Path,
        metavar="DIR",
        help="answer from the recordings in DIR, and refuse what is not there",
    )
    parser.add_argument(
        "--grace",
        type=float,
        default=0.0,
        metavar="S",
        help="seconds that queries may still be read after SIGTERM (default: 0)",
    )
    parser.set_defaults(run=run)


def _add_setting(parser: argparse.ArgumentParser, setting: config.Setting) -> None:
    """Adds the argument of a setting; its text is read later, as that of a URI is."""
    meaning = setting.meaning.replace("`", "").replace("%", "%%")
    variable = _VARIABLES.get(setting.name)
    if variable is not None:
        meaning += f"; better given as {variable}, which process lists do not show"
    if setting.default:
        meaning += f" (default: {setting.default})".replace("`", "")
    parser.add_argument(
        f"--{setting.name.replace('_', '-')}",
        nargs="?" if setting.is_switch else None,
        const="true" if setting.is_switch else None,
        metavar=setting.form,
        help=meaning,
    )


def _settings(given: argparse.Namespace) -> dict[str, Any]:
    """Returns the settings that were given, by argument or else in the environment.

    Raises:
        UsageError: A text does not fit its setting.
    """
    texts = {setting.name: getattr(given, setting.name) for setting in config.settings()}
    for name, variable in _VARIABLES.items():
        texts[name] = texts[name] or os.environ.get(variable) or None
    try:
        return config.parse_options(
            {name: text for name, text in texts.items() if text is not None}
        )
    except Error as error:
        raise UsageError(describe(error)) from error


def run(given: argparse.Namespace) -> int:
    """Runs the engine until a signal stops it."""
    if given.path is not None and not Path(given.path).exists():
        raise UsageError(f"could not serve {given.path!r}: there is no such folder")
    if given.record is not None and not given.upstream:
        raise UsageError(
            "could not record: neither --upstream nor E6DATA_UPSTREAM says whom to ask"
        )
    if given.replay is not None and given.record is not None:
        raise UsageError("could not serve: --record and --replay exclude each other")
    if not given.grace >= 0:
        raise UsageError(f"could not serve: --grace has to be 0 or more, and is {given.grace:g}")
    from e6data_adbc.local import serve

    settings = _settings(given)
    if given.record is not None:
        settings["made_by"] = functools.partial(snapshot.record, given.record, given.upstream)
    elif given.replay is not None:
        settings["made_by"] = functools.partial(snapshot.replay, given.replay)
    try:
        return serve(
            settings.pop("host", "127.0.0.1"),
            settings.pop("port", 0),
            settings.pop("user", None),
            settings.pop("token", None),
            settings.pop("path", None),
            token_file=given.token_file,
            admin_token=settings.pop("admin_token", None),
            admin_token_file=given.admin_token_file,
            grace_seconds=given.grace,
            **settings,
        )
    except Error as error:
        if error.status_code is Status.INVALID_ARGUMENT:  # a setting, or the file that it names
            raise UsageError(describe(error)) from error
        raise
