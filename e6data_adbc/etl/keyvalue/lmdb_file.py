"""LMDB's file, looked at before it is mapped: what it lacks at its end would end the process that reads it (SIGBUS)."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

__all__ = ["CutShortError", "check_whole", "missing_from"]

_MAGIC: Final = 0xBEEFC0DE
_VERSION: Final = 1
#: Of a page, before what it has; its flags are at `_FLAGS`, the end of its list of nodes at `_LOWER`.
_HEADER: Final = 16
_FLAGS: Final = 10
_LOWER: Final = 12
#: Within the page of a state: magic and version; the size of pages; the root of the free pages; the last page and the
#: number of the transaction.
_META: Final = struct.Struct("=II")
_PAGE_SIZE: Final = struct.Struct("=I")
_NUMBER: Final = struct.Struct("=Q")
_LAST: Final = struct.Struct("=QQ")
_AT_META, _AT_PAGE_SIZE, _AT_ROOT, _AT_LAST = 16, 40, 80, 136
_END_OF_META: Final = _AT_LAST + _LAST.size
#: A node: two halves of a size or of a page, flags or the rest of the page, the size of its key.
_NODE: Final = struct.Struct("=HHHH")
_BRANCH: Final = 0x01
_IN_OTHER_PAGES: Final = 0x01
_NO_PAGE: Final = 2**64 - 1


class CutShortError(OSError):
    """The file lacks pages of its last commit."""


class _State(NamedTuple):
    """What a commit has left.

    Attributes:
        transaction: Its number.
        last_page: The highest page that was ever given out.
        free_root: The page at the root of the free ones.
        page_size: In bytes.
    """

    transaction: int
    last_page: int
    free_root: int
    page_size: int


def check_whole(path: Path) -> None:
    """Looks at an environment's file.

    Raises:
        CutShortError: It lacks pages. One that is not there, or is none of LMDB's, is left to LMDB.
    """
    if struct.calcsize("P") != 8:
        return  # where addresses are shorter, so are the numbers in the file
    try:
        file = path.open("rb")
    except OSError:
        return
    with file:
        missing = missing_from(file, _size_of(file))
    if missing:
        raise CutShortError(
            f"the file {str(path)!r} was cut short: at least {missing:,} bytes at its end are missing"
        )


def missing_from(file: BinaryIO, size: int) -> int:
    """Returns how many bytes are missing at the end of *file* if it has *size* bytes; 0 where it is whole.

    Free pages may be missing: LMDB writes none that a transaction took and gave back.
    """
    while True:
        state = _newest(file, size)
        if state is None:
            return 0
        pages = size // state.page_size
        short = (state.last_page + 1) * state.page_size - size
        if short <= 0:
            return 0
        try:
            free = _Free(file, pages, state.page_size).pages(state.free_root)
            is_whole = free.issuperset(range(pages, state.last_page + 1))
        except (LookupError, struct.error):
            is_whole = False
        if _newest(file, size) == state:  # else another process has committed meanwhile
            return 0 if is_whole else short
        size = _size_of(file)


def _size_of(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _newest(file: BinaryIO, size: int) -> _State | None:
    """Returns the later of the two states; None where LMDB itself would not read them."""
    first = _state(_read(file, 0, size))
    if first is None:
        return None
    second = _state(_read(file, first.page_size, size))
    return None if second is None else max(first, second)


def _state(page: bytes) -> _State | None:
    if len(page) < _END_OF_META or _META.unpack_from(page, _AT_META) != (_MAGIC, _VERSION):
        return None
    (page_size,) = _PAGE_SIZE.unpack_from(page, _AT_PAGE_SIZE)
    if page_size not in {2**power for power in range(8, 17)}:
        return None
    last_page, transaction = _LAST.unpack_from(page, _AT_LAST)
    (root,) = _NUMBER.unpack_from(page, _AT_ROOT)
    return _State(transaction, last_page, root, page_size)


def _read(file: BinaryIO, start: int, size: int) -> bytes:
    file.seek(start)
    return file.read(max(0, min(_END_OF_META, size - start)))


class _Free:
    """The tree of free pages: lists of them under the numbers of transactions."""

    def __init__(self, file: BinaryIO, pages: int, page_size: int) -> None:
        """Takes a file that has so many whole pages."""
        self._file, self._pages, self._page_size = file, pages, page_size
        self._seen: set[int] = set()

    def pages(self, root: int) -> set[int]:
        """Returns all free pages.

        Raises:
            LookupError: A page of the tree is missing.
            struct.error: It is no tree.
        """
        found: set[int] = set()
        left = [] if root == _NO_PAGE else [root]
        while left:
            page = self._page(left.pop())
            (flags,) = struct.unpack_from("=H", page, _FLAGS)
            (lower,) = struct.unpack_from("=H", page, _LOWER)
            for place in range(_HEADER, lower, 2):
                (start,) = struct.unpack_from("=H", page, place)
                low, high, more, key = _NODE.unpack_from(page, start)
                if flags & _BRANCH:
                    left.append(low | high << 16 | more << 32)
                    continue
                data = start + _NODE.size + key
                if more & _IN_OTHER_PAGES:
                    (first,) = _NUMBER.unpack_from(page, data)
                    numbers = self._page(first, _HEADER + (low | high << 16))[_HEADER:]
                else:
                    numbers = page[data : data + (low | high << 16)]
                (count,) = _NUMBER.unpack_from(numbers)
                found.update(struct.unpack_from(f"={count}Q", numbers, _NUMBER.size))
        return found

    def _page(self, number: int, size: int = 0) -> bytes:
        """Returns *size* bytes from the beginning of a page on, or a page; each once, so that no circle has no end."""
        size = max(size, self._page_size)
        if number in self._seen or number * self._page_size + size > self._pages * self._page_size:
            raise LookupError(number)
        self._seen.add(number)
        self._file.seek(number * self._page_size)
        return self._file.read(size)
