"""What the site has beside the pages of docs/: the README as its first page, the API, and links that leave docs/."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from mkdocs.structure.files import File, Files

ROOT: Final = Path(__file__).resolve().parents[2]
#: The pages of the API by the modules that each has, which are what users import.
API: Final = {
    "connecting": ("e6data_adbc", "e6data_adbc.dbapi", "e6data_adbc.aio"),
    "frames": ("e6data_adbc.polars", "e6data_adbc.pandas", "e6data_adbc.types"),
    "sqlalchemy": ("e6data_adbc.sqlalchemy",),
    "distributed": (
        "e6data_adbc.distributed",
        "e6data_adbc.distributed.spark",
        "e6data_adbc.distributed.ray",
        "e6data_adbc.distributed.dask",
        "e6data_adbc.distributed.daft",
    ),
    "loading": ("e6data_adbc.etl", "e6data_adbc.testing"),
    "errors-options": ("e6data_adbc.errors", "e6data_adbc.options"),
    "engines": ("e6data_adbc.cluster", "e6data_adbc.local", "e6data_adbc.snapshot"),
}
_LINK: Final = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)#\s]+)(#[^)\s]*)?\)")
_DOCS: Final = ROOT / "docs"


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages and the style that are in no file of docs/."""
    for page in [file for file in files if file.src_uri == "README.md"]:
        files.remove(page)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    texts = {
        "index.md": readme.replace("](docs/", "]("),
        "site.css": (Path(__file__).parent / "site.css").read_text(encoding="utf-8"),
    }
    for name, modules in API.items():
        heading = ", ".join(modules)
        members = "\n\n".join(f"::: {module}" for module in modules)
        texts[f"api/{name}.md"] = f"# {heading}\n\n{members}\n"
    for name, text in texts.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Writes links to files that are not on the site as their paths in the project."""
    del config
    folder = (_DOCS / page.file.src_uri).parent

    def written(found: re.Match[str]) -> str:
        text, target, anchor = found.groups()
        if "://" in target or target.startswith("mailto:"):
            return found[0]
        path = (folder / target).resolve()
        if path.is_dir() and (path / "README.md").exists():
            path = path / "README.md"
            target = target.rstrip("/") + "/README.md"
        inside = path.is_relative_to(_DOCS) and path.relative_to(_DOCS).as_posix()
        if inside == "README.md":
            return f"[{text}]({'../' * page.file.src_uri.count('/')}index.md)"
        if inside and files.get_file_from_path(inside) is not None:
            return f"[{text}]({target}{anchor or ''})"
        shown = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else target
        return f"{text}" if shown in text else f"{text} (`{shown}`)"

    return _LINK.sub(written, markdown)
