"""SQL text cut into tokens, under every reading of the quoting rules that the server may have.

The server's lexer is not ours and not documented: a backslash in a string may or may not escape, block comments may or
may not nest, `//` may open a comment or divide, `$tag$` may open a string. A text that looks the same under all of
these is unambiguous; for the others `readings` gives each different cut, and callers act only where all agree.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import itertools
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

__all__ = ["Kind", "Rules", "Token", "readings", "tokenize"]


class Kind(enum.Enum):
    """What a token is."""

    BLANK = "blank"
    COMMENT = "comment"
    #: Single-quoted or dollar-quoted text; of the prefix letters only the `E` belongs to it.
    STRING = "string"
    #: `"name"` or a name in backticks.
    QUOTED = "quoted"
    WORD = "word"
    NUMBER = "number"
    #: `?`
    POSITIONAL = "positional"
    #: `:name` or `$name`
    NAMED = "named"
    SEMICOLON = "semicolon"
    #: Anything else, one character at a time, except that `::` stays whole.
    SYMBOL = "symbol"


#: Tokens that say nothing to the parser.
SILENT: Final = frozenset({Kind.BLANK, Kind.COMMENT})


class Token(NamedTuple):
    """A piece of the text: `text[start:end]`."""

    kind: Kind
    start: int
    end: int
    #: False for a string, quoted name or comment that the end of the text cuts off.
    closed: bool = True


@dataclasses.dataclass(frozen=True)
class Rules:
    """One reading of the points where SQL lexers differ."""

    #: The quotes inside which a backslash escapes the next character.
    backslash: str = ""
    #: Whether `/* /* */ */` is one comment.
    nested: bool = False
    #: Whether `//` opens a comment.
    slashes: bool = False
    #: Whether `$tag$ … $tag$` is a string.
    dollar: bool = False
    #: Whether `E'…'` is a string in which a backslash escapes.
    prefix: bool = True


_DOLLAR_TAG: Final = re.compile(r"\$(?:[^\W\d]\w*)?\$")
_PREFIXED: Final = re.compile(r"[eE]'")
_BLOCK_EDGE: Final = re.compile(r"/\*|\*/")
#: Before these words no value has ended, so that a `:name` after one of them is a parameter even inside brackets.
_BEFORE_VALUE: Final = frozenset(
    """
    ALL AND ANY BETWEEN BY CASE DISTINCT ELSE FROM HAVING ILIKE IN IS LIKE LIMIT NOT OFFSET ON OR RETURN RETURNING
    RLIKE SELECT SET SOME THEN UNION USING VALUES WHEN WHERE
    """.split()  # noqa: SIM905 - thirty quoted words would hide the list
)
_VALUE_KINDS: Final = frozenset(
    {Kind.STRING, Kind.QUOTED, Kind.NUMBER, Kind.POSITIONAL, Kind.NAMED, Kind.WORD}
)


@functools.cache
def _pattern(rules: Rules) -> re.Pattern[str]:
    def quoted(quote: str, name: str, *, escapes: bool) -> str:
        plain, pair = (
            (rf"[^{quote}\\]*", rf"{quote}{quote}|\\.") if escapes else (rf"[^{quote}]*", quote * 2)
        )
        # A backslash that is the very last character escapes nothing.
        end = r"\\?\Z" if escapes else r"\Z"
        return rf"{quote}{plain}(?:(?:{pair}){plain})*(?:(?P<end_of_{name}>{quote})|{end})"

    opening = "--|//" if rules.slashes else "--"
    parts = {
        "blank": r"\s+",
        "line": rf"(?:{opening})[^\r\n]*",
        "block": r"/\*",
        "string": quoted("'", "string", escapes="'" in rules.backslash),
        "double": quoted('"', "double", escapes='"' in rules.backslash),
        "backtick": quoted("`", "backtick", escapes=False),
        "word": r"[^\W\d][\w$]*",
        "number": r"\d[\w.$]*",
        "cast": r"::",
        "positional": r"\?",
        "named": r"[:$][^\W\d]\w*",
        "semicolon": r";",
        "symbol": r".",
    }
    if rules.prefix:
        parts = {"escape": "[eE]" + quoted("'", "escape", escapes=True), **parts}
    if rules.dollar:
        tag = r"\$(?P<tag>(?:[^\W\d]\w*)?)\$"
        parts = {"dollar": rf"{tag}.*?(?:(?P<end_of_dollar>\$(?P=tag)\$)|\Z)", **parts}
    return re.compile("|".join(f"(?P<{name}>{part})" for name, part in parts.items()), re.DOTALL)


_QUOTING: Final = frozenset({"string", "escape", "dollar", "double", "backtick"})
_KINDS: Final = {
    "blank": Kind.BLANK,
    "line": Kind.COMMENT,
    "block": Kind.COMMENT,
    "escape": Kind.STRING,
    "string": Kind.STRING,
    "dollar": Kind.STRING,
    "double": Kind.QUOTED,
    "backtick": Kind.QUOTED,
    "word": Kind.WORD,
    "number": Kind.NUMBER,
    "positional": Kind.POSITIONAL,
    "named": Kind.NAMED,
    "semicolon": Kind.SEMICOLON,
    "cast": Kind.SYMBOL,
    "symbol": Kind.SYMBOL,
}


def tokenize(text: str, rules: Rules = Rules()) -> list[Token]:
    """Returns the tokens of *text* under *rules*; put together they are *text* again.

    `:name` and `$name` are parameters unless the context says otherwise. A colon is no parameter when it directly
    follows a name, number, quote, closing bracket or another colon (`v:field`, `'key':value`, `x::INT`), nor, directly
    inside `[…]` or `{…}`, when a value came before it (`a[x :y]`). So `a[1:2]`, `a[i:j]` and `a[i : j]` are slices,
    while `a[:i]` and `ARRAY[:x, :y]` have parameters. `$1`, `:1`, `@name` and `%(name)s` are left alone.
    """
    tokens: list[Token] = []
    brackets: list[str] = []
    before: Token | None = None
    for token in _scan(text, rules):
        if token.kind is Kind.NAMED and not _is_parameter(text, token, before, brackets):
            # The colon alone; the name is a word of its own.
            pieces = [
                Token(Kind.SYMBOL, token.start, token.start + 1),
                Token(Kind.WORD, token.start + 1, token.end),
            ]
        else:
            pieces = [token]
        tokens += pieces
        if token.kind not in SILENT:
            before = pieces[-1]
        if token.kind is Kind.SYMBOL:
            symbol = text[token.start]
            if symbol in "([{":
                brackets.append(symbol)
            elif symbol in ")]}" and brackets:
                brackets.pop()
    return tokens


def readings(text: str) -> list[list[Token]]:
    """Returns the different cuts of *text* into tokens, at least one, over all readings of the rules."""
    backslash = ("", "'", "'\"") if "\\" in text else ("",)
    nested = (False, True) if text.count("/*") > 1 else (False,)
    slashes = (False, True) if "//" in text else (False,)
    dollar = (False, True) if _DOLLAR_TAG.search(text) else (False,)
    prefix = (True, False) if "\\" in text and _PREFIXED.search(text) else (True,)
    found: list[list[Token]] = []
    for choice in itertools.product(backslash, nested, slashes, dollar, prefix):
        tokens = tokenize(text, Rules(*choice))
        if tokens not in found:
            found.append(tokens)
    return found


def _scan(text: str, rules: Rules) -> Iterator[Token]:
    pattern = _pattern(rules)
    at = 0
    while match := pattern.match(text, at):
        name = match.lastgroup or "symbol"
        end, closed = match.end(), True
        if name == "block":
            end, closed = _end_of_block(text, end, nested=rules.nested)
        elif name in _QUOTING:
            closed = match[f"end_of_{name}"] is not None
        yield Token(_KINDS[name], at, end, closed)
        at = end


def _end_of_block(text: str, at: int, *, nested: bool) -> tuple[int, bool]:
    depth = 1
    for edge in _BLOCK_EDGE.finditer(text, at):
        if edge[0] == "*/":
            depth -= 1
        elif nested:
            depth += 1
        if not depth:
            return edge.end(), True
    return len(text), False


def _is_parameter(text: str, token: Token, before: Token | None, brackets: list[str]) -> bool:
    if before is None:
        return True
    last = text[before.end - 1]
    ends_value = before.kind in _VALUE_KINDS or last in ")]}"
    if before.end == token.start:
        if text[token.start] == "$" and before.kind in (Kind.POSITIONAL, Kind.NAMED):
            return True  # two in a row are a mistake, to be seen as such
        if ends_value or last in ":$":
            return False
    if text[token.start] == "$" or not brackets or brackets[-1] == "(":
        return True
    if before.kind is Kind.WORD:
        return text[before.start : before.end].upper() in _BEFORE_VALUE
    return not ends_value
