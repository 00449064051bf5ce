"""Where the tokenizer sees parameters, and where it must see none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e6data_adbc._sql.lexer import Kind, Rules, readings, tokenize

pytestmark = pytest.mark.seconds

#: Texts made of the pieces that lexers stumble over.
PIECES = """
' '' " ` \\ -- /* */ // ? : :: $ $$ $t$ ; [ ] ( ) { } , . - E' X' a IN 1 é :x $x %(x)s
"""
sql_like = st.lists(st.sampled_from([*PIECES.split(), " ", "\n", "\r", "\u2028"]), max_size=30).map(
    "".join
)


def parameters(text: str) -> list[str]:
    return [
        text[token.start : token.end]
        for token in tokenize(text)
        if token.kind in (Kind.POSITIONAL, Kind.NAMED)
    ]


@given(st.one_of(sql_like, st.text()))
def test_tokens_are_the_text(text: str) -> None:
    """Every reading's tokens, put together, are the text again, and none is empty."""
    for tokens in readings(text):
        assert "".join(text[token.start : token.end] for token in tokens) == text
        assert all(token.start < token.end for token in tokens)


@given(sql_like)
def test_readings_are_all_readings(text: str) -> None:
    """No rule set cuts the text in a way that `readings` leaves out."""
    found = readings(text)
    for backslash in ("", "'", "'\""):
        for nested in (False, True):
            for slashes in (False, True):
                for dollar in (False, True):
                    assert tokenize(text, Rules(backslash, nested, slashes, dollar)) in found


@pytest.mark.parametrize(
    "text",
    [
        "'?'",
        "'it''s ?'",
        "'a''''?'",
        '"a?b"',
        '"a""?"',
        "`a?`",
        "-- ?",
        "-- it's\n",
        "/* ? :x */",
        "/* -- */",
        "X'3F'",
        "a::INT",
        "a[1:2]",
        "a[i:j]",
        "a[i :j]",
        "a[f(x):j]",
        "a['x':y]",
        "a[b[1]:c]",
        "v:field",
        "v:a.b:c",
        '"v":field',
        "f(x):field",
        "{'a':x}",
        "{'a' :x}",
        "x::y::z",
        "$1",
        "a$b",
        ":1",
        "@name",
        "%(name)s",
        "%s",
        ": x",
        "a := b",
    ],
)
def test_no_parameter(text: str) -> None:
    """Strings, quoted names, comments, casts, slices and field accesses hold no parameter."""
    assert parameters(f"SELECT {text}") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = ?", ["?"]),
        ("a=?", ["?"]),
        ("?::INT", ["?"]),
        (":a::INT", [":a"]),
        ("a=:b", [":b"]),
        ("f(:a,:b)", [":a", ":b"]),
        ("$a + $b", ["$a", "$b"]),
        ("a[?]", ["?"]),
        ("a[:i]", [":i"]),
        ("a[:i:j]", [":i"]),
        ("a[1 + :i]", [":i"]),
        ("a[CASE WHEN :x THEN :y ELSE :z END]", [":x", ":y", ":z"]),
        ("ARRAY[:a, :b]", [":a", ":b"]),
        ("a[f(x, y + :z)]", [":z"]),
        ("{'a': :b}", [":b"]),
        ("'' || ? || ''", ["?"]),
        ("'''' || :x", [":x"]),
        ("-- '\n ? -- '", ["?"]),
        ("/* ' */ ? /* ' */", ["?"]),
        ("a -- b ?\r ?", ["?"]),
        (":größe", [":größe"]),
        (":_a1", [":_a1"]),
        ("x LIKE '%s' AND y = ?", ["?"]),
    ],
)
def test_parameters(text: str, expected: list[str]) -> None:
    """`?`, `:name` and `$name` are parameters wherever an operand may stand."""
    assert parameters(f"SELECT {text}") == expected


@pytest.mark.parametrize("text", ["'a", "'a''", '"a', "`a", "/* a", "'", "/*"])
def test_unfinished(text: str) -> None:
    """What the end of the text cuts off is marked as not closed."""
    assert tokenize(text)[-1].closed is False


@pytest.mark.parametrize(
    ("text", "rules", "closed"),
    [
        (r"'a\'", Rules(), True),
        (r"'a\'", Rules(backslash="'"), False),
        (r"'a\\'", Rules(backslash="'"), True),
        ("'a\\", Rules(backslash="'"), False),
        ("/* /* */", Rules(), True),
        ("/* /* */", Rules(nested=True), False),
        ("$t$ $u$", Rules(dollar=True), False),
        ("$t$ $t$", Rules(dollar=True), True),
        (r"E'\''", Rules(), True),
    ],
)
def test_rules(text: str, rules: Rules, *, closed: bool) -> None:
    """Each rule changes where a token ends."""
    tokens = tokenize(text, rules)

    assert len(tokens) == 1
    assert tokens[0].closed is closed


def test_long_texts_take_linear_time() -> None:
    """A megabyte of quotes, brackets and comments is cut without recursion or backtracking."""
    for piece in ("'", "''", "\\'", "/*", "(", "[:a", "$$", "a.", "--"):
        text = piece * (200_000 // len(piece))
        assert tokenize(text, Rules("'", nested=True, slashes=True, dollar=True))[-1].end == len(
            text
        )
