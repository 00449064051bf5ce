"""Opens the built site in a real browser: pages fit their window, search finds, code is copied, wide tables scroll.

`make site-check` builds the site and runs this in the site's environment, with `playwright` and a Chromium of the
system. Pictures of five pages, in two widths, light and dark, are left in `dist/site-pictures`.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

__all__ = ["main"]

ROOT: Final = Path(__file__).resolve().parent.parent
SITE: Final = ROOT / "dist" / "site"
PICTURES: Final = ROOT / "dist" / "site-pictures"
WIDTHS: Final = {"wide": (1280, 900), "narrow": (390, 844)}
PICTURED: Final = ("index", "tutorial", "options", "guides/load", "api/connecting")
#: What a new user looks for, a page that has to be among what is found, and words that this page has.
SEARCHES: Final = {
    "install": ("tutorial.html", "pip install"),
    "parquet": ("recipes.html", "ParquetWriter"),
    "stream parquet": ("tutorial.html", "ParquetWriter"),
    "postgresql exactly once": ("guides/load.html", "postgresql://"),
    "pushdown": ("guides/lazy.html", "polars.scan"),
    "lazy": ("guides/lazy.html", "polars.scan"),
    "SQLAlchemy": ("guides/sqlalchemy.html", "e6data+adbc://"),
    "Superset": ("guides/sqlalchemy.html", "Superset"),
    "blue/green": ("connection.html", "refused with the status 456"),
    "parameters": ("parameters.html", "An error names the parameter"),
    "fixtures": ("testing.html", "e6data_uri"),
    "options": ("options.html", "adbc.e6data.fetch.prefetch_responses"),
    "sqlglot": ("sql.html", "What a translation would change"),
    "colour": ("words.html", "deployments"),
}
#: What the menu of the first page has to lead to, by one click.
MENU: Final = (
    "tutorial",
    "guides/load",
    "guides/lazy",
    "guides/sqlalchemy",
    "connection",
    "parameters",
    "testing",
)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        """Says nothing."""


@contextlib.contextmanager
def _served() -> Iterator[str]:
    handler = functools.partial(_Quiet, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _overflowing(page: Any) -> list[str]:
    """Returns what is wider than the window and not in a box that scrolls."""
    found: list[str] = page.evaluate(
        """() => {
            const wide = document.documentElement.clientWidth + 1;
            if (document.documentElement.scrollWidth <= wide) return [];
            const scrolls = e => { for (; e; e = e.parentElement)
                if (['auto', 'scroll', 'hidden'].includes(getComputedStyle(e).overflowX)) return true;
                return false; };
            return [...document.querySelectorAll('main *')]
                .filter(e => e.getBoundingClientRect().right > wide && !scrolls(e))
                .slice(0, 5).map(e => e.tagName + ' ' + e.textContent.slice(0, 40));
        }"""
    )
    return found


def _note_failure(wrong: list[str], request: Any) -> None:
    if "ERR_ABORTED" not in str(
        request.failure
    ):  # going on ends what the last page still asked for
        wrong.append(f"not loaded: {request.url}")


def _check_pages(browser: Any, address: str) -> list[str]:
    """Opens each page in each width; returns what is wrong."""
    wrong = []
    names = sorted(
        path.relative_to(SITE).with_suffix("").as_posix() for path in SITE.rglob("*.html")
    )
    for kind, (width, height) in WIDTHS.items():
        for scheme in ("light", "dark"):
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme
            )
            page = context.new_page()
            page.on("requestfailed", functools.partial(_note_failure, wrong))
            for name in names if scheme == "light" else PICTURED:
                page.goto(f"{address}/{name}.html")
                wrong += [f"{name} ({kind}): {what} sticks out" for what in _overflowing(page)]
                if name in PICTURED:
                    page.screenshot(path=PICTURES / f"{name.replace('/', '-')}-{kind}-{scheme}.png")
            context.close()
    return wrong


def _check_search(page: Any, address: str) -> list[str]:
    wrong = []
    for words, (target, has) in SEARCHES.items():
        page.goto(f"{address}/index.html")
        page.click("label[for=__search]") if not page.is_visible(".md-search__input") else None
        page.fill(".md-search__input", words)
        with contextlib.suppress(Exception):
            page.wait_for_selector(
                f".md-search-result__link[href*='{target}']", state="attached", timeout=20_000
            )
        found = page.eval_on_selector_all(
            ".md-search-result__link", "all => all.map(e => e.getAttribute('href'))"
        )
        if not any(target in link for link in found):
            wrong.append(f"searching {words!r} does not find {target}: {found[:4]}")
        page.goto(f"{address}/{target}")
        if has not in page.inner_text("main"):
            wrong.append(f"{target}, which searching {words!r} finds, does not tell of {has!r}")
    return wrong


def _check_menu(page: Any, address: str) -> list[str]:
    page.goto(f"{address}/index.html")
    links = page.eval_on_selector_all(
        ".md-nav--primary a", "all => all.map(e => e.getAttribute('href'))"
    )
    return [f"the menu has no {name}" for name in MENU if f"{name}.html" not in links]


def _check_copy(page: Any, address: str) -> list[str]:
    page.goto(f"{address}/tutorial.html")
    block = page.locator(".highlight", has=page.locator("code")).nth(1)
    block.hover()
    block.locator(".md-code__button, .md-clipboard").first.click()
    copied = page.evaluate("navigator.clipboard.readText()")
    return [] if "import" in copied else [f"a block of code is copied as {copied[:60]!r}"]


def main() -> int:
    """Returns the exit code."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        print("could not look at the site: there is no Chromium on the path", file=sys.stderr)
        return 2
    PICTURES.mkdir(parents=True, exist_ok=True)
    with _served() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        wrong = _check_pages(browser, address)
        context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
        page = context.new_page()
        wrong += _check_search(page, address) + _check_menu(page, address)
        wrong += _check_copy(page, address)
        browser.close()
    print("\n".join(wrong) or f"all pages fit, in {len(WIDTHS)} widths; pictures are in {PICTURES}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
