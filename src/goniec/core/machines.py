"""Whether it is a machine that opens a mail or follows a link: a scanner of links, a proxy that loads ahead, a program.

Known by what it says of itself, and by nothing else: a scanner that calls itself Chrome counts as a person. The proxies
through which the large mail services show pictures ask when a person opens a mail, so they stand for one. Called by
`web.tracking` for each request.
"""

import re
from typing import Final

_GMAIL_AHEAD: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135"
    " Safari/537.36 Edge/12.246 Mozilla/5.0"
)
"""Gmail, when a mail arrives."""

BARE: Final = frozenset({"", "Mozilla/4.0", "Mozilla/5.0", _GMAIL_AHEAD})
"""The whole of what some machines say; Apple's Mail Privacy Protection that it is Mozilla/5.0."""

_PROXIES: Final = re.compile(r"googleimageproxy|ggpht\.com|yahoomailproxy|outlookimageproxy")

_LOADERS: Final = re.compile(r"^(?:okhttp/[\d.]+|dart/[\d.]+ \(dart:io\))$")
"""With what apps on phones load pictures by themselves. A link they leave to a browser."""

_MACHINES: Final = re.compile(
    r"""
    # whoever says so; a Cubot is a phone
    (?<!cu)bot(?!any) | crawl | spider | slurp | scanner | preview | prefetch | prerender | monitor | headless
    | phantomjs | selenium | puppeteer | playwright | lighthouse | archiver | validator | externalhit | \bfetch
    # scanners of mail and of links
    | barracuda | proofpoint | urldefense | mimecast | google-?safety | safebrowsing | google-read-aloud
    | google-inspectiontool | apis-google | ironport | cisco\ ?secure | trend\ ?micro | \btmes\b | sophos | symantec
    | messagelabs | forcepoint | fortiguard | fortinet | fireeye | trellix | mcafee | zscaler | netcraft | virustotal
    | url\ ?scan | phishtank | check\ ?point | avanan | hornetsecurity | mailmarshal | trustwave | spamtitan
    | vade\ ?secure | cloudmark | f-secure | withsecure | bitdefender | spamhaus | safelinks
    | office\ (?:existence|protocol)\ discovery
    # programs, and what they are written with
    | ^(?:curl|wget|httpie|libwww-perl|lwp|ruby|php|perl|python|pycurl|aiohttp|java|jakarta|go|got|node|axios|undici
        |deno|bun|dart|okhttp|reqwest|rust|postmanruntime|insomnia|whatsapp)\b
    | \b(?:curl|wget|python|aiohttp|httpx|java|okhttp|axios)/ | python-(?:requests|urllib|httpx) | scrapy | node-fetch
    | go-http-client | http_?client | guzzlehttp | faraday | libwww | winhttp | urllib
    """,
    re.VERBOSE,
)

LONGEST: Final = 1_000
"""So much is looked at of what somebody says of itself."""


def from_machine(method: str, agent: str, purpose: str = "", *, picture: bool = False) -> bool:
    """Tell whether a request comes from a machine.

    `agent` is its User-Agent, `purpose` what Sec-Purpose, Purpose, X-Purpose and X-Moz say; whether it asks for a
    `picture` or follows a link.
    """
    if method == "HEAD" or any(word in purpose.lower() for word in ("prefetch", "prerender", "preview")):
        return True
    agent = agent.strip()[:LONGEST]
    if agent in BARE:
        return True
    agent = agent.lower()
    if picture and _LOADERS.search(agent) is not None:
        return False
    return _PROXIES.search(agent) is None and _MACHINES.search(agent) is not None
