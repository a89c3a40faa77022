"""Who is asking: API keys and what their scopes open.

`ingest` sends contacts and events and reads nothing, `read` reads everything and changes nothing, `admin` does all. A
key is found by its SHA-256 and remembered for a moment, so one that is revoked opens nothing more after
`REMEMBER_SECONDS`.
"""

from base64 import b64decode
from binascii import Error as BadBase64
from typing import Final, Literal

from goniec.core.model import ApiKey
from goniec.flow.keys import digest
from goniec.ports import Clock, Queries
from goniec.web.problems import Fault

Scope = Literal["ingest", "read", "admin"]

REMEMBER_SECONDS: Final = 2.0
REMEMBERED_KEYS: Final = 256

_CHALLENGE: Final = ("www-authenticate", 'Bearer realm="goniec"')
_BASIC: Final = ("www-authenticate", 'Basic realm="goniec", charset="UTF-8"')
_REFUSED: Final = ("www-authenticate", 'Bearer realm="goniec", error="invalid_token"')


class Keys:
    """Finds the key that a request carries."""

    def __init__(self, queries: Queries, clock: Clock) -> None:
        self._queries = queries
        self._clock = clock
        self._known: dict[bytes, tuple[ApiKey, float]] = {}

    async def admit(self, authorization: bytes | None, scope: Scope, *, basic: bool = False) -> ApiKey:
        """Give the key of a request that wants `scope`; raises a `Fault` of 401 or 403.

        With `basic` it may also come as the password of whatever user: some can only put it into a URL.
        """
        key = await self._find(_token(authorization, basic=basic))
        if key.scope not in {scope, "admin"}:
            detail = f"this key has the scope {key.scope}, and this call wants {scope} or admin"
            raise Fault(403, detail, code="scopeMissing")
        return key

    async def _find(self, token: str) -> ApiKey:
        sha = digest(token)
        known = self._known.get(sha)
        if known is not None and known[1] > self._clock.monotonic():
            return known[0]
        key = await self._queries.key(sha)
        if key is None or key.revoked_at is not None:
            self._known.pop(sha, None)
            raise Fault(401, "this key is unknown or revoked", code="keyUnknown", headers=(_REFUSED,))
        if len(self._known) >= REMEMBERED_KEYS:
            self._known.clear()
        self._known[sha] = (key, self._clock.monotonic() + REMEMBER_SECONDS)
        return key


def _token(authorization: bytes | None, *, basic: bool) -> str:
    challenges = (_CHALLENGE, _BASIC) if basic else (_CHALLENGE,)
    if authorization is None:
        raise Fault(401, "send an API key: Authorization: Bearer KEY", code="keyMissing", headers=challenges)
    scheme, _, token = authorization.partition(b" ")
    if basic and scheme.lower() == b"basic":
        token = _password(token.strip())
    elif scheme.lower() != b"bearer":
        token = b""
    if not token.strip():
        raise Fault(401, "the header Authorization has the form: Bearer KEY", code="keyMissing", headers=challenges)
    return token.strip().decode("latin-1")


def _password(credentials: bytes) -> bytes:
    try:
        return b64decode(credentials, validate=True).partition(b":")[2]
    except BadBase64:
        return b""
