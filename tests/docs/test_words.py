"""What a reader needs where a page begins to use it: e6data's own words are explained, pictures are there and whole."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [page for page in sorted(DOCS.rglob("*.md")) if page.parent.name != "design"]
#: The words, as they stand in sentences, and the heading of docs/words.md that explains each.
WORDS = {
    r"colours?": "colour",
    r"planners?": "planner",
    r"clear(?:s|ed|ing)?": "prepare-execute-fetch-clear",
    r"claim(?:s|ed|ing)?": "claim",
}
#: Blocks of code, what is generated, code in a line, headings: no sentences of a page.
NO_SENTENCE = re.compile(
    r"^```.*?^```|<!-- generated.*?<!-- end of generated -->|`[^`\n]*`|^#[^\n]*$",
    re.DOTALL | re.MULTILINE,
)


def explained(text: str, word: str, heading: str) -> bool:
    """Tells whether the first use of *word* is a link to what it means, or follows a link to all words."""
    blanked = NO_SENTENCE.sub(lambda found: re.sub(r"[^\n]", "~", found[0]), text)
    first = re.search(rf"\b{word}\b", blanked, re.IGNORECASE)
    return (
        first is None
        or re.match(rf"[^\[\]]*\]\((?:\.\./)?words\.md#{heading}\)", text[first.end() :])
        is not None
        or "](words.md)" in text[: text.index("\n\n", first.start())]
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_words_are_explained_where_they_first_stand(page: Path) -> None:
    """The first colour, planner, clear and claim of a page are links to what that is."""
    if page.name == "words.md":
        return
    text = page.read_text(encoding="utf-8")

    assert [word for word, heading in WORDS.items() if not explained(text, word, heading)] == []


def test_the_words_have_their_headings() -> None:
    """Each link of a word leads to a heading."""
    headings = re.findall(
        r"^## (.+)$", (DOCS / "words.md").read_text(encoding="utf-8"), re.MULTILINE
    )

    assert set(WORDS.values()) <= {re.sub(r"\W+", "-", heading.lower()) for heading in headings}


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md"])
def test_pictures_of_the_plan_and_the_shell(page: str) -> None:
    """Both are shown, with words for who does not see them, and are text of the commands that they show."""
    text = (ROOT / page).read_text(encoding="utf-8")
    shown = dict(re.findall(r"!\[[^\]]{20,}\]\((?:docs/)?pictures/(\w+)(\.svg)\)", text))

    assert set(shown) == {"plan", "shell"}
    for name, words in {
        "plan": ["HASH_JOIN", "TABLE_SCAN", "rows"],
        "shell": ["e6data=>", "\\d", "rows in"],
    }.items():
        picture = ET.fromstring((DOCS / "pictures" / f"{name}.svg").read_text(encoding="utf-8"))
        said = "".join(picture.itertext()).replace("\N{NO-BREAK SPACE}", " ")
        assert [word for word in words if word not in said] == []
        assert not re.search(r"/(?:home|root|tmp|work)\b", said)
