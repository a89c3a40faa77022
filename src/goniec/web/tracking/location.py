"""Where a link leads, as it stands in the header of a redirect."""

import re
from typing import Final

import idna

_IGNORED: Final = re.compile(r"[\t\r\n]")
_PARTS: Final = re.compile(r"(https?://)([^/?#\\]*)(.*)", re.IGNORECASE | re.DOTALL)
_OUTSIDE: Final = re.compile(r"[^!-~]+")
_HOST: Final = re.compile(r"([^@]*@)?(.*?)(:\d*)?")


def location(url: str) -> str | None:
    """Give a URL as browsers ask for it (URL Standard, section 4.4), in ASCII; None: no address of the web.

    What is around it and line ends in it are left out, what is no visible ASCII is percent-encoded as UTF-8, a host in
    another alphabet is written as DNS has it. All else stays as its author wrote it.
    """
    parts = _PARTS.fullmatch(_IGNORED.sub("", url.strip("".join(map(chr, range(0x21))))))
    if parts is None:
        return None
    scheme, authority, rest = parts.groups()
    return scheme + _encoded(authority if authority.isascii() else _in_dns(authority)) + _encoded(rest)


def _in_dns(authority: str) -> str:
    parts = _HOST.fullmatch(authority)
    assert parts is not None, "anything fits"  # noqa: S101 - tells the type checker
    user, host, port = parts.groups(default="")
    try:
        return user + idna.encode(host, uts46=True).decode() + port
    except idna.IDNAError:
        return authority


def _encoded(text: str) -> str:
    return _OUTSIDE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode(errors="replace")), text)
