"""A disk that can be filled up and emptied again: a small file system of its own, or a limit on the size of files.

Mounting wants root; without it the limit has to stand for it. The kernel says something else then (EFBIG, not ENOSPC),
and the engine has to live with either.
"""

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tests.e2e.engine import Engine

MIB = 1024 * 1024


class Disk(Protocol):
    """Where an engine has its folder."""

    folder: Path

    def fill(self) -> None:
        """Leave no room."""
        ...

    def free(self) -> None:
        """Make room again."""
        ...


class SmallDisk:
    """A file system of its own; a ballast fills it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        with self._ballast.open("ab", buffering=0) as ballast:
            for size in (MIB, 4096, 1):
                while _written(ballast.fileno(), bytes(size)):
                    pass

    def free(self) -> None:
        self._ballast.unlink()


class SmallFiles:
    """A process that may write no further into its files than `limit` says, its log included."""

    def __init__(self, folder: Path, limit: Callable[[Path], int]) -> None:
        self.folder = folder
        self.engine: Engine | None = None
        self._limit = limit

    def fill(self) -> None:
        self._set(self._limit(self.folder))

    def free(self) -> None:
        self._set(resource.RLIM_INFINITY)

    def _set(self, size: int) -> None:
        assert self.engine is not None
        _, hard = resource.prlimit(self.engine.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.engine.pid, resource.RLIMIT_FSIZE, (size, hard))


def largest(folder: Path) -> int:
    """What is there may be written over, and nothing may grow."""
    return max(file.stat().st_size for file in folder.glob("goniec.db*"))


def nothing(_folder: Path) -> int:
    """Not even what is there may be written over."""
    return 1


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """A file system of its own where that can be had, else a process that may write no more."""
    point = folder / "disk"
    point.mkdir()
    with mounted(point, 24) as small:
        yield SmallDisk(point) if small else SmallFiles(point, nothing)


@contextmanager
def mounted(point: Path, size: int) -> Iterator[bool]:
    """A file system of its own there, of so many MiB; False: that cannot be had."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}m", "goniec-test", str(point)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", "--lazy", str(point)], check=True)


def _written(file: int, data: bytes) -> bool:
    try:
        return os.write(file, data) == len(data)
    except OSError:
        return False
