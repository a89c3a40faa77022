"""Running the commands as a person does.

Processes of their own, on folders of their own, with no settings but those given.
"""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

GONIEC = (sys.executable, "-m", "goniec")


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """Give what a process sees: nothing of ours but the way to Python."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG"}}
    return {**kept, "HOME": str(folder), **{f"GONIEC_{name.upper()}": value for name, value in settings.items()}}


def goniec(
    folder: Path, *arguments: str, stdin: str | None = None, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*GONIEC, *arguments],
        cwd=folder,
        env=environment(folder, **settings),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@contextmanager
def running(folder: Path, *arguments: str, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command that goes on; it is ended with the block, if it has not ended by itself."""
    process = subprocess.Popen(
        [*GONIEC, *arguments],
        cwd=folder,
        env=environment(folder, **settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def line_with(stream: IO[str] | None, text: str) -> str:
    """Read lines until one holds `text`."""
    assert stream is not None
    read = []
    for line in stream:
        if text in line:
            return line
        read.append(line)
    raise AssertionError(f"no line with {text!r} in {read}")


@contextmanager
def serving(folder: Path, *arguments: str, **settings: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a server on a free port; gives its process and its address."""
    with running(folder, "serve", *arguments, **{"port": "0", "log_format": "json", **settings}) as process:
        yield process, json.loads(line_with(process.stderr, '"ready"'))["url"]


def call(url: str, key: str, method: str, path: str, body: object = None) -> Any:
    """Ask the API."""
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{url}/api/v1{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - our own server
        content = response.read()
    return json.loads(content) if content else None
