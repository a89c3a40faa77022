"""What was measured on: figures of two runs can be compared only where these agree, and the loop says how much they do.

Virtual machines swing between fast and slow states, by more than most improvements bring. So the time of one fixed loop
stands beside every row.
"""

import os
import platform
import time
from pathlib import Path
from typing import Final

import apsw
import pycurl
from msgspec import Struct

from goniec import __version__

LOOP: Final = 1_000_000


class Machine(Struct, frozen=True, rename="camel"):
    """The parts that a figure depends on."""

    goniec: str
    python: str
    sqlite: str
    libcurl: str
    kernel: str
    cpu: str
    cores: int
    memory_gib: float
    filesystem: str


def machine(folder: Path) -> Machine:
    """Describe this one; `folder` is where the databases lie."""
    return Machine(
        goniec=__version__,
        python=platform.python_version(),
        sqlite=apsw.sqlite_lib_version(),
        libcurl=pycurl.version_info()[1],
        kernel=platform.release(),
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        filesystem=_filesystem(folder),
    )


def loop_nanoseconds() -> float:
    """Time one turn of a fixed loop: the best of three."""
    return min(_loop() for _ in range(3))


def _loop() -> float:
    started = time.perf_counter_ns()
    total = 0
    for n in range(LOOP):
        total += n
    return (time.perf_counter_ns() - started) / LOOP


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _filesystem(folder: Path) -> str:
    """The type of the file system that a folder is on: the longest mount point that it lies under."""
    found, best = "unknown", -1
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, point, kind, *_ = line.split()
        if folder.is_relative_to(point) and len(point) > best:
            found, best = kind, len(point)
    return found
