"""What lies around the database file: who holds it, on which file system, and the journal of erased contacts.

Nothing here opens the database file itself: closing it in this process, by whatever way, would drop SQLite's locks on
it.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from goniec.store import Refused

NETWORK: Final = frozenset({"afs", "cifs", "fuse.sshfs", "nfs", "nfs4", "smb3", "smbfs"})
"""File systems whose locks cannot be trusted."""

MOUNTS: Final = Path("/proc/mounts")


class Lock:
    """One server for one file. The lock goes with the process, however it ends; the file stays and tells who has it."""

    def __init__(self, database: Path) -> None:
        self.path = beside(database, ".lock")
        self._file: int | None = None

    def take(self) -> None:
        """Take it.

        Raises:
            Refused: another process has it, or the folder takes no file.

        """
        try:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Refused(f"{self.path} cannot be made: {error.strerror}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(file, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(file)
            raise Refused(
                f"{self.path.with_suffix('')} is in use by process {pid}, and only one may have it: stop that one first"
            ) from None
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        self._file = file

    def release(self) -> None:
        """Give it back; more than once does no harm."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


class Erasures:
    """The contacts that were erased, one a line, beside the database: `restore` erases them again in an older copy."""

    def __init__(self, database: Path) -> None:
        self.path = beside(database, ".erased")

    def add(self, ids: Iterable[str]) -> None:
        """Append ids, on disk when it returns."""
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, "".join(f"{id}\n" for id in ids).encode())
            os.fsync(file)
        finally:
            os.close(file)

    def __iter__(self) -> Iterator[str]:
        try:
            lines = self.path.read_text().splitlines()
        except FileNotFoundError:
            return
        yield from filter(None, map(str.strip, lines))


def beside(database: Path, suffix: str) -> Path:
    """The file of the same name with one more suffix."""
    return database.with_name(database.name + suffix)


def refuse_network(path: Path, mounts: Path = MOUNTS) -> None:
    """Refuse a file system that is shared over a network, as far as the machine tells.

    Raises:
        Refused: it is one.

    """
    kind = file_system(path.resolve(), mounts)
    if kind in NETWORK:
        raise Refused(
            f"{path} lies on a network file system ({kind}), where SQLite loses data: put it on a local disk,"
            " or use PostgreSQL"
        )


def file_system(path: Path, mounts: Path) -> str | None:
    """The kind of file system that a path lies on, None where nothing tells."""
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return None
    kind, depth = None, -1
    for line in lines:
        point, name = line.split(" ")[1:3]
        # blanks in a mount point are written as \040
        mounted = Path(point.encode("latin-1", "surrogateescape").decode("unicode_escape"))
        if len(mounted.parts) >= depth and (mounted == path or mounted in path.parents):
            kind, depth = name, len(mounted.parts)
    return kind


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on disk."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
