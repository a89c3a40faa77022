"""Wiping what SQLite leaves behind on its pages, so that erased means gone from the file.

`secure_delete` overwrites what is deleted, but not the copies that stay behind when a page is rebuilt: between the
page's list of cells and its first cell there may be bytes of rows that have moved elsewhere (seen: of one contact in
thirty, after a few hundred updates). No statement reaches them, so they are overwritten in the file itself. Nothing
ever reads these bytes; `keeper` calls this with the write lock held and nothing left in the log that could be moved
over them.

The file is opened through SQLite's own layer: closed in any other way, it would take SQLite's locks along.
"""

from pathlib import Path
from typing import Final

import apsw

PAGE: Final = 4096

_MOST: Final = 0x0200_0000
"""With more pages (137 GB) an overflow page, which begins with a page number, could be taken for one of cells."""

_HEADERS: Final = {0x02: 12, 0x05: 12, 0x0A: 8, 0x0D: 8}
"""The kinds of pages that hold cells, and the sizes of their headers (file format, section 1.6)."""
_FILE_HEADER: Final = 100


class Wiper:
    """Wipes the unused space of pages, from the first one to the last."""

    def __init__(self, path: Path) -> None:
        self._file = apsw.VFSFile("", str(path), [apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READWRITE, 0])
        self._next = 0

    @property
    def pages(self) -> int:
        """How many pages are still to be looked at; none in a file that is too large to be sure."""
        pages = self._file.xFileSize() // PAGE
        return max(0, pages - self._next) if pages < _MOST else 0

    def wipe(self, count: int) -> int:
        """Wipe the next `count` pages; tell how many had something left."""
        first, last = self._next, self._next + min(count, self.pages)
        block = self._file.xRead((last - first) * PAGE, first * PAGE)
        wiped = 0
        for at in range(0, len(block), PAGE):
            start, end = gap(block, at, _FILE_HEADER if first == at == 0 else 0)
            if block.count(0, start, end) != end - start:
                self._file.xWrite(bytes(end - start), first * PAGE + start)
                wiped += 1
        if wiped:
            self._file.xSync(apsw.SQLITE_SYNC_NORMAL)
        self._next = last
        return wiped

    def close(self) -> None:
        """Close the file."""
        self._file.xClose()


def gap(block: bytes, at: int, offset: int) -> tuple[int, int]:
    """Where the unused space of the page that begins `at` lies in the block; in one without cells, nowhere."""
    header = at + offset
    size = _HEADERS.get(block[header])
    if size is None:
        return at, at
    cells = int.from_bytes(block[header + 3 : header + 5], "big")
    content = int.from_bytes(block[header + 5 : header + 7], "big")
    start, end = header + size + 2 * cells, at + content
    return (start, end) if start <= end <= at + PAGE else (at, at)
