"""Driver manifests: the files by which an ADBC driver manager, in any language, finds this driver by its name."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Final

from e6data_adbc._version import VERSION
from e6data_adbc.cli.exits import UsageError

__all__ = ["NAMES", "install", "uninstall", "user_folder", "venv_folder"]

#: The names under which the driver can be asked for.
NAMES: Final = ("e6data", "adbc_driver_e6data")

_OWNER: Final = 'publisher = "e6data_adbc"'
_ENTRYPOINT: Final = "AdbcDriverE6dataInit"


def venv_folder() -> Path | None:
    """Returns where the driver manager of this virtual environment looks, or None outside of one."""
    return Path(sys.prefix, "etc", "adbc", "drivers") if sys.prefix != sys.base_prefix else None


def user_folder() -> Path:
    """Returns where driver managers look for the drivers of this user."""
    if sys.platform == "win32":
        return Path(
            os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"), "ADBC", "Drivers"
        )
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "ADBC" / "Drivers"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config", "adbc", "drivers")


def install(folder: Path, library: Path | None = None) -> list[Path]:
    """Writes a manifest for each name into *folder*, which is made if need be; returns the files.

    Args:
        folder: A folder that driver managers search.
        library: The native library; by default that of this package.

    Raises:
        UsageError: A file of that name belongs to another driver.
        OSError: A file cannot be written.
    """
    text = _manifest(library or _library())
    files = [folder / f"{name}.toml" for name in NAMES]
    for file in files:
        if file.exists() and not _is_ours(file):
            raise UsageError(f"could not write {str(file)!r}: it belongs to another driver")
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        _replace(file, text)
    return files


def uninstall(folder: Path) -> list[Path]:
    """Removes our manifests from *folder*; returns the files that were there.

    Raises:
        OSError: A file cannot be removed.
    """
    files = [folder / f"{name}.toml" for name in NAMES]
    ours = [file for file in files if file.exists() and _is_ours(file)]
    for file in ours:
        file.unlink()
    return ours


def _library() -> Path:
    from e6data_adbc import _native

    return Path(_native.__file__).resolve()


def _manifest(library: Path) -> str:
    return f"""\
# Written by `e6data-adbc install-manifest`. The path holds for this installation of the package only.
manifest_version = 1
name = "e6data"
version = {_toml(VERSION)}
{_OWNER}
license = "Apache-2.0"

[ADBC]
version = "v1.1.0"

[Driver]
entrypoint = "{_ENTRYPOINT}"
shared = {_toml(str(library))}
"""


def _toml(text: str) -> str:
    """Returns *text* as a TOML basic string, whose escapes are among those of JSON; DEL alone is missing there."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _is_ours(file: Path) -> bool:
    return _OWNER in file.read_text(encoding="utf-8", errors="replace")


def _replace(file: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as sink:
            sink.write(text)
        partial.chmod(0o644)
        partial.replace(file)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
