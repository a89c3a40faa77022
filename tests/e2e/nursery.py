"""Engines that are born quickly, for there are a thousand of them: a process has read the program and waits to fork.

What it bears is a process like any other, but for the second of work that reading the program is; it is told folder,
environment, log, and what is different about its machine. Here we are its client, `MOTHER` is the process itself.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

MOTHER: Final = """
import gc, json, os, select, signal, sys, time, traceback
import goniec.app, goniec.cli.serve, goniec.store.postgres, goniec.store.sqlite
from goniec.__main__ import main

def live(told):
    for end in (signal.set_wakeup_fd(-1), heard):
        os.close(end)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(told["folder"])
    os.environ.clear()
    os.environ.update(told["environment"])
    time.tzset()
    log = os.open(told["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for there, here in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(there, here)
    exec(told["machine"], {})
    sys.argv = ["goniec", "serve"]
    main()

def bear(told):
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        live(told)
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)

heard, rings = os.pipe()
for end in (heard, rings):
    os.set_blocking(end, False)
signal.set_wakeup_fd(rings)
signal.signal(signal.SIGCHLD, lambda *_: None)
gc.freeze()
asked = b""
while True:
    ready, _, _ = select.select([0, heard], [], [])
    if heard in ready:
        os.read(heard, 1000)
        while True:
            try:
                child, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if not child:
                break
            print(json.dumps({"gone": child, "code": os.waitstatus_to_exitcode(status)}), flush=True)
    if 0 in ready:
        more = os.read(0, 65536)
        if not more:
            break
        *lines, asked = (asked + more).split(b"\\n")
        for line in lines:
            print(json.dumps({"born": bear(json.loads(line))}), flush=True)
"""


class Nursery:
    """A mother who waits to bear."""

    def __init__(self) -> None:
        self._mother = subprocess.Popen(
            [sys.executable, "-c", MOTHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/"
        )
        self._codes: dict[int, int] = {}
        self._said = b""

    def bear(self, folder: Path, environment: Mapping[str, str], log: Path, machine: str) -> "Child":
        """Start an engine."""
        assert self._mother.stdin is not None
        told = {"folder": str(folder), "environment": dict(environment), "log": str(log), "machine": machine}
        self._mother.stdin.write(json.dumps(told).encode() + b"\n")
        self._mother.stdin.flush()
        while (born := self._listen(wait=True)) is None:
            pass
        self._codes.pop(born, None)  # numbers come round again in a long run
        return Child(self, born)

    def code(self, pid: int) -> int | None:
        """The exit code of a child that has ended."""
        self._listen(wait=False)
        return self._codes.get(pid)

    def close(self) -> None:
        """Let her go."""
        self._mother.communicate(b"")

    def _listen(self, *, wait: bool) -> int | None:
        """Take in what she says; gives who was born."""
        assert self._mother.stdout is not None
        end = self._mother.stdout.fileno()
        os.set_blocking(end, wait)
        born = None
        try:
            more = os.read(end, 65_536)
        except BlockingIOError:
            return None
        assert more, "the mother has died"
        *lines, self._said = (self._said + more).split(b"\n")
        for line in lines:
            said = json.loads(line)
            born = said.get("born", born)
            if "gone" in said:
                self._codes[said["gone"]] = said["code"]
        return born


class Child:
    """An engine that was born; it is used like `subprocess.Popen`."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self.pid = pid
        self._nursery = nursery

    def poll(self) -> int | None:
        return self._nursery.code(self.pid)

    def wait(self) -> int:
        while (code := self.poll()) is None:
            time.sleep(0.002)
        return code

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


@cache
def nursery() -> Nursery:
    """The one of this run."""
    made = Nursery()
    atexit.register(made.close)
    return made
