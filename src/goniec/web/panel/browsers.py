"""What a browser calls itself, in words that its owner knows it by: Firefox, Windows. Called by the account's page."""

import re
from typing import Final

from goniec.web.panel.showing import visible

SHOWN: Final = 60
"""Characters of a name that nobody knows."""

_BROWSERS: Final = (
    (re.compile(r"\bEdg(?:e|A|iOS)?/"), "Edge"),
    (re.compile(r"\bOPR/|\bOpera\b"), "Opera"),
    (re.compile(r"\bVivaldi/"), "Vivaldi"),
    (re.compile(r"\bSamsungBrowser/"), "Samsung Internet"),
    (re.compile(r"\b(?:Firefox|FxiOS)/"), "Firefox"),
    (re.compile(r"\b(?:Headless)?Chrom(?:e|ium)/|\bCriOS/"), "Chrome"),
    (re.compile(r"\bVersion/[\d.]+ .*Safari/"), "Safari"),
)
_SYSTEMS: Final = (
    (re.compile(r"\bWindows\b"), "Windows"),
    (re.compile(r"\bAndroid\b"), "Android"),
    (re.compile(r"\b(?:iPhone|iPod)\b"), "iPhone"),
    (re.compile(r"\biPad\b"), "iPad"),
    (re.compile(r"\bCrOS\b"), "ChromeOS"),
    (re.compile(r"\bMac OS X\b|\bMacintosh\b"), "macOS"),
    (re.compile(r"\bLinux\b"), "Linux"),
)


def browser_name(agent: str) -> str:
    """Name browser and system, as far as they are known; nothing where the browser says nothing of itself."""
    known = [next((name for pattern, name in kinds if pattern.search(agent)), "") for kinds in (_BROWSERS, _SYSTEMS)]
    if known[0]:
        return ", ".join(filter(None, known))
    text = visible(" ".join(agent.split()))
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
