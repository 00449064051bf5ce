"""`e6data-adbc completion`: the file with which a shell completes this program's words."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

__all__ = ["add_to"]

_PROGRAM: Final = "e6data-adbc"
_SHELLS: Final = ("bash", "zsh", "fish")
#: What options and arguments that are files say in the usage.
_FILES: Final = frozenset({"FILE", "DIR", "PATH"})


class _Option(NamedTuple):
    """One option of a command."""

    words: tuple[str, ...]
    #: What may follow it; empty for anything.
    choices: tuple[str, ...]
    takes_value: bool
    takes_file: bool
    help: str


class _Command(NamedTuple):
    """One command, or an action of one, whose name then has two words."""

    name: str
    help: str
    options: tuple[_Option, ...]
    #: The words that may stand by themselves.
    words: tuple[str, ...]


def add_to(commands: Any) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "completion",
        help="print the completion file of a shell",
        description="Print the file with which a shell completes commands, options and their values. For bash: "
        'source <(e6data-adbc completion bash), in ~/.bashrc. For zsh: e6data-adbc completion zsh > "${fpath[1]}'
        '/_e6data-adbc". For fish: e6data-adbc completion fish > ~/.config/fish/completions/e6data-adbc.fish.',
    )
    parser.add_argument("shell", choices=_SHELLS, help="whose file")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Prints the file."""
    from e6data_adbc.cli import _parser

    found = list(_commands(_parser()))
    writers = {"bash": _bash, "zsh": _zsh, "fish": _fish}
    print("\n".join(writers[given.shell](found)))
    return 0


def _commands(parser: argparse.ArgumentParser, prefix: str = "") -> Iterator[_Command]:
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction):
            continue
        told = {choice.dest: choice.help or "" for choice in action._choices_actions}
        for name, inner in action.choices.items():
            full = f"{prefix} {name}".strip()
            yield _command(full, told.get(name, ""), inner)
            yield from _commands(inner, full)


def _command(name: str, told: str, parser: argparse.ArgumentParser) -> _Command:
    options: list[_Option] = []
    words: tuple[str, ...] = ()
    for action in parser._actions:
        choices = tuple(map(str, action.choices or ()))
        if not action.option_strings:
            words += choices
            continue
        takes_value = action.nargs not in (0, "?")
        metavar = str(action.metavar)
        if takes_value and "|" in metavar:  # a setting of the engine, which reads its text itself
            choices = tuple(metavar.split("|"))
        options.append(
            _Option(
                tuple(action.option_strings),
                choices,
                takes_value,
                takes_value and str(action.metavar) in _FILES,
                _plain((action.help or "") % {**vars(action), "prog": _PROGRAM}),
            )
        )
    return _Command(name, _plain(told), tuple(options), words)


def _plain(text: str) -> str:
    """Returns the first clause of a help text, without what quoting would have to know."""
    first = text.split(";", maxsplit=1)[0].split(" (", maxsplit=1)[0].split(": ", maxsplit=1)[0]
    return "".join(char for char in first if char.isalnum() or char in " -.,/")


# ---- bash


def _bash(found: list[_Command]) -> Iterator[str]:
    tops = [command.name for command in found if " " not in command.name]
    yield f"# Completion of {_PROGRAM} for bash, made by `{_PROGRAM} completion bash`."
    yield "_e6data_adbc() {"
    yield '    local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"'
    yield '    local command="${COMP_WORDS[1]}"'
    yield '    if [ "$COMP_CWORD" -eq 1 ]; then'
    yield f'        COMPREPLY=($(compgen -W "{" ".join([*tops, "--help", "--version"])}" -- "$word"))'
    yield "        return"
    yield "    fi"
    yield '    [ "$COMP_CWORD" -gt 2 ] && case "$command ${COMP_WORDS[2]}" in'
    for name in (command.name for command in found if " " in command.name):
        yield f'        "{name}") command="{name}" ;;'
    yield "    esac"
    yield '    case "$command:$before" in'
    for command in found:
        for option in command.options:
            patterns = "|".join(f'"{command.name}:{word}"' for word in option.words)
            if option.choices:
                choices = " ".join(option.choices)
                yield f'        {patterns}) COMPREPLY=($(compgen -W "{choices}" -- "$word")); return ;;'
            elif option.takes_file:
                yield f'        {patterns}) COMPREPLY=($(compgen -f -- "$word")); return ;;'
            elif option.takes_value:
                yield f"        {patterns}) return ;;"
    yield "    esac"
    yield '    case "$command" in'
    for command in found:
        words = [*command.words, *(word for option in command.options for word in option.words)]
        yield f'        "{command.name}") COMPREPLY=($(compgen -W "{" ".join(words)}" -- "$word")) ;;'
    yield "    esac"
    yield "}"
    yield f"complete -o default -F _e6data_adbc {_PROGRAM}"


# ---- zsh


def _zsh(found: list[_Command]) -> Iterator[str]:
    yield f"#compdef {_PROGRAM}"
    yield f"# Completion of {_PROGRAM} for zsh, made by `{_PROGRAM} completion zsh`."
    yield "_e6data_adbc() {"
    yield "    local -a commands"
    yield "    commands=("
    for command in found:
        if " " not in command.name:
            yield f"        '{command.name}:{command.help}'"
    yield "    )"
    yield "    if (( CURRENT == 2 )); then"
    yield "        _describe command commands"
    yield "        _arguments '--help' '--version'"
    yield "        return"
    yield "    fi"
    yield "    local command=$words[2]"
    yield '    (( CURRENT > 3 )) && case "$words[2] $words[3]" in'
    for name in (command.name for command in found if " " in command.name):
        yield f'        "{name}") command="{name}"; shift words; (( CURRENT-- )) ;;'
    yield "    esac"
    yield "    shift words; (( CURRENT-- ))"
    yield '    case "$command" in'
    for command in found:
        lines = [_zsh_option(option, word) for option in command.options for word in option.words]
        if command.words:
            lines.append(f"'1:word:({' '.join(command.words)})'")
        lines.append("'*:file:_files'")
        yield f'        "{command.name}") _arguments {" ".join(lines)} ;;'
    yield "    esac"
    yield "}"
    yield '_e6data_adbc "$@"'


def _zsh_option(option: _Option, word: str) -> str:
    text = f"{word}[{option.help}]"
    if option.choices:
        text += f":value:({' '.join(option.choices)})"
    elif option.takes_file:
        text += ":file:_files"
    elif option.takes_value:
        text += ":value: "
    return f"'{text}'"


# ---- fish


def _fish(found: list[_Command]) -> Iterator[str]:
    yield f"# Completion of {_PROGRAM} for fish, made by `{_PROGRAM} completion fish`."
    yield f"complete -c {_PROGRAM} -n __fish_use_subcommand -f -l help -d 'Show help'"
    yield f"complete -c {_PROGRAM} -n __fish_use_subcommand -f -l version -d 'Show the version'"
    for command in found:
        top, _, action = command.name.partition(" ")
        if action:
            where = f"__fish_seen_subcommand_from {top}; and __fish_seen_subcommand_from {action}"
            yield (
                f"complete -c {_PROGRAM} -n '__fish_seen_subcommand_from {top}' -f -a {action} -d '{command.help}'"
            )
        else:
            where = f"__fish_seen_subcommand_from {top}"
            yield f"complete -c {_PROGRAM} -n __fish_use_subcommand -f -a {top} -d '{command.help}'"
            for word in command.words:
                if not any(other.name == f"{top} {word}" for other in found):
                    yield f"complete -c {_PROGRAM} -n '{where}' -f -a {word}"
        for option in command.options:
            yield f"complete -c {_PROGRAM} -n '{where}' {_fish_option(option)}"


def _fish_option(option: _Option) -> str:
    parts = [
        f"-l {word[2:]}" if word.startswith("--") else f"-s {word[1:]}" for word in option.words
    ]
    if option.choices:
        parts.append(f"-x -a '{' '.join(option.choices)}'")
    elif option.takes_file:
        parts.append("-r")
    elif option.takes_value:
        parts.append("-x")
    parts.append(f"-d '{option.help}'")
    return " ".join(parts)
