"""A delivery as it goes over the wire, written out for a person: the request line by line, and as a cURL command.

Called by `views.delivery`. What is secret is not here: it comes as None from `flow.credentials`, and leaves as a word.
"""

from typing import Final

from markupsafe import Markup
from msgspec import Struct

from goniec.core.endpoint import Endpoint
from goniec.flow.credentials import Shown
from goniec.web.panel.showing import visible
from goniec.web.panel.words import Words

_SIGNATURE: Final = "webhook-signature"
_TIMESTAMP: Final = "webhook-timestamp"
_AUTHORIZATION: Final = "authorization"
_LN: Final = Markup('<span class="ln">{}</span>')
_HEADER: Final = Markup('<span class="ln"><span class="hk">{}:</span> {}</span>')
_UNTOLD: Final = Markup('<span class="n">{}</span>')


class Target(Struct, frozen=True):
    """The URL of an endpoint taken apart; the built-in receiver has no host to name."""

    url: str
    path: str
    host: str | None


def target_of(endpoint: Endpoint) -> Target:
    """Take a stored URL apart."""
    _, found, rest = endpoint.url.partition("://")
    if not found:
        return Target(endpoint.url, endpoint.url, None)
    host, slash, path = rest.partition("/")
    return Target(endpoint.url, slash + path, host)


def request_lines(endpoint: Endpoint, shown: Shown, length: int | None, words: Words, *, sent: bool) -> Markup:
    """Give the head of a request in coloured lines, in the order of the wire; `length` None: the body is gone."""
    target = target_of(endpoint)
    start = Markup('<span class="k">POST</span> {} <span class="p">HTTP/1.1</span>').format(visible(target.path))
    lines = [_LN.format(start)]
    if target.host is not None:
        lines.append(_HEADER.format("Host", visible(target.host)))
    for name, value in shown:
        told = _untold(name, endpoint, words, sent=sent) if value is None else visible(value)
        lines.append(_HEADER.format(name, told))
    if length is not None:
        lines.append(_HEADER.format("Content-Length", length))
    return Markup("\n").join(lines)


def _untold(name: str, endpoint: Endpoint, words: Words, *, sent: bool) -> Markup:
    match name.lower():
        case "authorization" if endpoint.oauth2 is not None:
            return Markup("Bearer ") + _UNTOLD.format(words.say("hidden"))
        case "authorization":
            user = words.say("hidden (user: %(name)s)", name=visible(endpoint.username or ""))
            return Markup("Basic ") + _UNTOLD.format(user)
        case "webhook-signature" | "webhook-timestamp":
            return _UNTOLD.format(words.say("can no longer be known") if sent else words.say("set when it is sent"))
        case _:
            return _UNTOLD.format(words.say("hidden"))


def curl_command(endpoint: Endpoint, shown: Shown, body: bytes, words: Words) -> str | None:
    """Give the request as a command for a shell, with words in the place of secrets; None: cURL cannot send it."""
    target = target_of(endpoint)
    if target.host is None:
        return None
    parts = [f"curl -X POST {_quoted(target.url)}"]
    password, secret, token = words.say("PASSWORD"), words.say("SECRET"), words.say("TOKEN")
    if endpoint.username is not None:
        parts.append(f"-u {_quoted(f'{endpoint.username}:{password}')}")
    if endpoint.oauth2 is not None:
        parts.append(f"-H {_quoted(f'Authorization: Bearer {token}')}")
    for name, value in shown:
        if name.lower() == _AUTHORIZATION or (value is None and name.lower() in {_SIGNATURE, _TIMESTAMP}):
            continue
        told = secret if value is None else value
        # "name:" would take a header away; cURL's sign for an empty one is the semicolon
        parts.append(f"-H {_quoted(f'{name}: {told}' if told else f'{name};')}")
    parts.append(f"--data-binary {_quoted(body.decode('utf-8', 'backslashreplace'))}")
    return " \\\n  ".join(parts)


def curl_lines(command: str) -> Markup:
    """Give a command in coloured lines."""
    lines = []
    for line in command.split("\n"):
        before, quote, text = line.partition("'")
        word, space, rest = before.partition(" ")
        first = Markup('<span class="k">{}</span>').format(word) if word == "curl" else Markup("{}").format(word)
        body, end, after = text.rpartition("'")
        told = Markup('<span class="s">{}{}{}</span>{}').format(quote, visible(body), end, after)
        lines.append(_LN.format(first + space + rest + told))
    return Markup("\n").join(lines)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
