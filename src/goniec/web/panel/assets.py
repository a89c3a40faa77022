"""The panel's own files: stylesheet, script, icons, fonts. All are ours or vendored; nothing comes from elsewhere.

A file's address carries a digest of its bytes, so a browser may keep it for ever. Called by `drawing` for addresses and
by `serve` for the files themselves.
"""

import gzip
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from typing import Final

from goniec.web.problems import missing
from goniec.web.reply import Reply

TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "woff2": "font/woff2",
    "txt": "text/plain; charset=utf-8",
}

_FOR_EVER: Final = (("cache-control", "public, max-age=31536000, immutable"), ("vary", "accept-encoding"))


def address(name: str) -> str:
    """Where a file is."""
    return f"/assets/{version()}/{name}"


@cache
def version() -> str:
    """A digest of all files: the stylesheet names fonts beside it, so all change their addresses together."""
    mark = blake2b(digest_size=6)
    for file in sorted((files("goniec.web.panel") / "static").iterdir(), key=lambda one: one.name):
        mark.update(file.name.encode() + b"\0" + file.read_bytes())
    return mark.hexdigest()


def asset(name: str, accepted: bytes) -> Reply:
    """Answer with a file; raises a `Fault` of 404."""
    ending = name.rpartition(".")[2]
    content = _content(name) if ending in TYPES else None
    if content is None:
        raise missing("file")
    plain, packed = content
    if packed is not None and b"gzip" in accepted:
        return Reply(200, packed, (*_FOR_EVER, ("content-encoding", "gzip")), TYPES[ending])
    return Reply(200, plain, _FOR_EVER, TYPES[ending])


@cache
def _content(name: str) -> tuple[bytes, bytes | None] | None:
    if name not in _names():
        return None
    plain = (files("goniec.web.panel") / "static" / name).read_bytes()
    return plain, None if name.endswith(".woff2") else gzip.compress(plain, 9, mtime=0)


@cache
def _names() -> frozenset[str]:
    return frozenset(file.name for file in (files("goniec.web.panel") / "static").iterdir())
