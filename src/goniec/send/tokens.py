"""Access tokens of endpoints that ask for one: OAuth2 client credentials (RFC 6749, section 4.4; RFC 6750).

`http` asks here before such a request and tells the answer afterwards; a token is asked for by a request like any other
of its own: the same guard, time-outs and caps. A token is kept in memory until shortly before it runs out, and dropped
when the receiver answers 401 to it. Repeats nothing: a second request after a 401 is an attempt of its own, and the
flow's. Neither a token nor a client's secret is in any of the sentences here.
"""

import asyncio
import math
import re
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import quote_plus, urlencode

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from goniec.core.masking import masked, masked_text, spellings
from goniec.core.model import Failure
from goniec.core.wire import Grant, Headers
from goniec.ports import Answer, Outgoing

HOLDERS_MAX: Final = 4096
"""Endpoints whose tokens are kept, until others take their place."""

TOKEN_MAX: Final = 16_384
"""Characters of a token; a receiver would hardly take a header that is longer."""

LIFE_UNTOLD: Final = 300
LIFE_MAX: Final = 86_400
"""Seconds for which a token is kept that does not say for how long it holds, and any other at most."""

EARLY: Final = 30
EARLY_PART: Final = 10
"""A token is renewed so many seconds before it runs out, or by such a part of its life where that is less."""

UNAUTHORIZED: Final = 401
FORBIDDEN: Final = 403
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
_ERROR: Final = re.compile(r"[a-z_]{1,40}")
_NUMBER: Final = re.compile(r"[0-9]{1,9}")

Ask = Callable[[Outgoing], Awaitable[Answer]]


class Token(Struct, eq=False):
    """A token, until when it is used (monotonic seconds), and whether a receiver has ever taken it.

    `hidden` are the spellings of it that are kept out of what a receiver answered.
    """

    grant: Grant
    text: str
    until: float
    hidden: tuple[bytes, ...] = ()
    worked: bool = False


class Missed(Struct, frozen=True):
    """There is no token, and an English sentence that says why and what to do."""

    failure: Failure
    detail: str


class Tokens:
    """Keeps one token for each endpoint. Belongs to one loop."""

    def __init__(self, ask: Ask, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._kept: dict[str, Token] = {}
        self._asked: dict[Grant, asyncio.Task[Token | Missed]] = {}

    async def get(self, grant: Grant, request: Outgoing) -> Token | Missed:
        """Give a token for a request, within its time-outs. Those who need the same one at once share one request."""
        kept = self._kept.get(grant.holder)
        if kept is not None and kept.grant == grant and self._clock() < kept.until:
            return kept
        asked = self._asked.get(grant)
        if asked is None:
            asked = self._asked[grant] = asyncio.create_task(self._fetch(grant, request))
            asked.add_done_callback(lambda _: self._asked.pop(grant, None))
        try:
            # whoever gives up must not take the token from the others
            return await asyncio.shield(asked)
        except asyncio.CancelledError:
            me = asyncio.current_task()
            if asked.cancelled() and not (me and me.cancelling()):
                return Missed(Failure.INTERNAL, "No access token was asked for: Goniec is stopping.")
            raise

    def heard(self, token: Token, answer: Answer, *, again: bool) -> Answer:
        """Learn from what a receiver answered to a token; `again` says that the request was a second one already."""
        answer = replace(
            answer,
            head=masked(answer.head, token.hidden),
            body=masked(answer.body, token.hidden),
            detail=masked_text(answer.detail, token.hidden),
        )
        if answer.status not in {UNAUTHORIZED, FORBIDDEN}:
            token.worked = token.worked or answer.status is not None
            return answer
        if answer.status == UNAUTHORIZED:
            if self._kept.get(token.grant.holder) is token:
                del self._kept[token.grant.holder]
            if token.worked and not again:
                detail = (
                    "The receiver answered 401 to an access token that it had taken before; a new one is asked for."
                )
                return replace(answer, failure=Failure.GRANT_EXPIRED, detail=detail)
        hint = "check the scope and audience that the token is asked for with"
        detail = f"The receiver answered {answer.status} to the access token: {hint}."
        return replace(answer, detail=detail)

    async def close(self) -> None:
        """Forget all tokens and give up what is being asked."""
        asked = list(self._asked.values())
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        self._kept.clear()

    async def _fetch(self, grant: Grant, request: Outgoing) -> Token | Missed:
        if grant.secret is None:
            detail = "No client secret is stored for the endpoint's OAuth2: enter it anew."
            return Missed(Failure.GRANT_REFUSED, detail)
        agent = tuple(header for header in request.headers if header[0] == "User-Agent")
        headers, body = _asking(grant, grant.secret)
        now = self._clock()
        answer = await self._ask(
            Outgoing(grant.token_url, (*headers, *agent), body, request.timeout, request.connect_timeout, fresh=True)
        )
        if answer.status is None:
            own = answer.failure in {Failure.INTERNAL, Failure.PROXY}
            failure = answer.failure if own and answer.failure else Failure.GRANT_UNREACHABLE
            return Missed(failure, f"No access token could be asked for. {answer.detail}")
        found = _read(answer)
        if isinstance(found, Missed):
            return found
        text, life = found
        token = Token(grant, text, now + life - min(EARLY, life / EARLY_PART), spellings((text,)))
        if grant.holder not in self._kept and len(self._kept) >= HOLDERS_MAX:
            del self._kept[next(iter(self._kept))]
        self._kept[grant.holder] = token
        return token


def _asking(grant: Grant, secret: str) -> tuple[Headers, bytes]:
    """The headers and the body that ask for a token (RFC 6749, sections 4.4.2 and 2.3.1)."""
    form = {"grant_type": "client_credentials"}
    headers: Headers = (("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json"))
    if grant.scope is not None:
        form["scope"] = grant.scope
    if grant.audience is not None:
        form["audience"] = grant.audience
    if grant.auth == "basic":
        # both are encoded by themselves first, so a colon may stand in either
        pair = f"{quote_plus(grant.client_id)}:{quote_plus(secret)}"
        headers = (("Authorization", "Basic " + b64encode(pair.encode()).decode()), *headers)
    else:
        form |= {"client_id": grant.client_id, "client_secret": secret}
    return headers, urlencode(form).encode()


def _read(answer: Answer) -> tuple[str, float] | Missed:
    """Give the token and for how many seconds it holds (RFC 6749, section 5)."""
    try:
        told = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        told = None
    told = told if isinstance(told, dict) else {}
    if answer.failure is not None:
        return Missed(Failure.GRANT_REFUSED, _refused(answer, told.get("error")))
    text, kind = told.get("access_token"), told.get("token_type", "bearer")
    if not isinstance(text, str) or len(text) > TOKEN_MAX or not _TOKEN.fullmatch(text):
        detail = "The token server answered 200 without an access token that could be used; check the token URL."
        return Missed(Failure.GRANT_REFUSED, detail)
    if not isinstance(kind, str) or kind.lower() != "bearer":
        detail = "The token server gives tokens of another kind than Bearer, which is the only one that can be sent."
        return Missed(Failure.GRANT_REFUSED, detail)
    return text, _life(told.get("expires_in"))


def _refused(answer: Answer, error: object) -> str:
    """What it said beyond its code of an error is left out: it may repeat what was sent."""
    known = isinstance(error, str) and _ERROR.fullmatch(error)
    said = f"{answer.status} ({error})" if known else str(answer.status)
    if answer.failure in {Failure.SERVER, Failure.BUSY}:
        hint = "the fault is on its side"
    elif answer.failure is Failure.REDIRECT:
        hint = "redirects are not followed; check the token URL"
    else:
        hint = "check the token URL, the client's id and secret, and the scope"
    return f"The token server answered {said}: {hint}."


def _life(told: object) -> float:
    """Seconds; some servers write them as text, and nonsense counts as untold."""
    if isinstance(told, str) and _NUMBER.fullmatch(told):
        told = int(told)
    if isinstance(told, bool) or not isinstance(told, int | float):
        return LIFE_UNTOLD
    # in this order: a whole number can be too large for `isfinite`
    life = min(max(told, 0), LIFE_MAX)
    return life if math.isfinite(life) else LIFE_UNTOLD
