"""What libraries of an environment take on the disk beyond what they use: symbols that nothing links to, and copies.

It runs on any Python from 3.6 on, as `tools/set_up.py`, which calls it.
"""

import filecmp
import os
import shutil
import subprocess
import sys

#: Bytes from which a library is worth a look.
LEAST = 1 << 20
#: Beside a library: it as it was, until it is known that the smaller one loads.
WHOLE = ".whole"


def slim(folder, python, modules):
    """Makes the libraries below *folder* smaller; they stay as they are where they would not load afterwards.

    Args:
        folder: Of installed packages.
        python: The Python that loads them.
        modules: Names whose import loads them.

    Returns:
        How many bytes were saved.
    """
    saved = link_copies(folder)
    strip = shutil.which("strip")
    # Libraries of other systems are signed, or have their symbols elsewhere.
    if strip is None or not sys.platform.startswith("linux"):
        return saved
    stripped = [path for path in libraries(folder) if strip_library(strip, path)]
    if not stripped:
        return saved
    loads = (
        subprocess.run(
            [python, "-c", "".join(f"import {name}\n" for name in modules)],
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ).returncode
        == 0
    )
    for path in stripped:
        if loads:
            saved += os.path.getsize(path + WHOLE) - os.path.getsize(path)
            os.remove(path + WHOLE)
        else:
            os.replace(path + WHOLE, path)
    return saved


def link_copies(folder):
    """Gives libraries of one folder with the same content one place on the disk; returns the bytes saved."""
    saved = 0
    known = {}
    for path in libraries(folder):
        key = (os.path.dirname(path), os.path.getsize(path))
        for other in known.setdefault(key, []):
            if not os.path.samefile(path, other) and filecmp.cmp(path, other, shallow=False):
                os.link(other, path + WHOLE)
                os.replace(path + WHOLE, path)
                saved += key[1]
                break
        else:
            known[key].append(path)
    return saved


def strip_library(strip, path):
    """Takes the symbols that nothing links to out of a library; tells whether that made it smaller.

    It is kept beside, with `WHOLE` after its name.
    """
    if os.stat(path).st_nlink > 1:  # the name of another one, too
        return False
    smaller = path + ".stripped"
    ended = subprocess.run(
        [strip, "--strip-unneeded", "-o", smaller, path],
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    if ended.returncode or os.path.getsize(smaller) >= os.path.getsize(path):
        if os.path.exists(smaller):
            os.remove(smaller)
        return False
    shutil.copymode(path, smaller)
    os.rename(path, path + WHOLE)
    os.rename(smaller, path)
    return True


def libraries(folder):
    """Returns the shared libraries below *folder* that are worth a look."""
    found = []
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            is_library = (name.endswith(".so") or ".so." in name) and not name.endswith(WHOLE)
            if is_library and not os.path.islink(path) and os.path.getsize(path) >= LEAST:
                found.append(path)
    return sorted(found)
