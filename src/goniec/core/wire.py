"""The headers of a webhook: all that we tell besides the seven keys of the body.

Called by `sending` for every attempt, test sends too; the values are the endpoint's at the time of the attempt.
"""

from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from goniec.core.model import Delivery
from goniec.core.signing import sign
from goniec.core.times import Millis

CONTENT_TYPE: Final = "application/json; charset=utf-8"

Headers = tuple[tuple[str, str], ...]

_OURS: Final = frozenset(
    {
        "content-type",
        "user-agent",
        "authorization",
        "traceparent",
        "tracestate",
        # not set, and that says something too: the body is as it is, and so the answer shall be
        "content-encoding",
        "accept-encoding",
    }
)
_OUR_PREFIXES: Final = ("webhook-", "goniec-")


class Grant(Struct, frozen=True):
    """What an endpoint's access token is asked for with; `holder` is the endpoint's id, no secret: none is stored."""

    holder: str
    token_url: str
    client_id: str
    secret: str | None
    scope: str | None = None
    audience: str | None = None
    auth: Literal["basic", "body"] = "basic"


class Credentials(Struct, frozen=True):
    """An endpoint's secrets, opened.

    The signing secret, the one before while it still signs beside it, `Authorization`, own headers, the
    client certificate with its key (PEM). With a `grant`, `authorization` is empty, and the sender's to fill. `hidden`
    are the spellings (`masking`) of what must not be written down where a receiver sends it back.
    """

    secret: bytes
    previous: bytes | None = None
    previous_until: Millis = 0
    authorization: str | None = None
    own: Headers = ()
    client: tuple[str, str] | None = None
    grant: Grant | None = None
    hidden: tuple[bytes, ...] = ()

    def signing(self, now: Millis) -> Sequence[bytes]:
        """The secrets that sign at `now`, the current one first."""
        return (self.secret,) if self.previous is None or now >= self.previous_until else (self.secret, self.previous)


def is_ours(name: str) -> bool:
    """Whether `headers` sets a header of this name, or means something by its absence: no endpoint's own may have it.

    Many a receiver is given names with `_` for `-` (RFC 3875, section 4.1.18), and cannot tell the two apart.
    """
    name = name.lower().replace("_", "-")
    return name in _OURS or name.startswith(_OUR_PREFIXES)


def headers(
    delivery: Delivery, number: int, credentials: Credentials, agent: str, now: Millis, traceparent: str | None = None
) -> Headers:
    """The headers of attempt `number` at `now`, in the order in which they go out."""
    at = now // 1000
    head = [("Content-Type", CONTENT_TYPE), ("User-Agent", agent)]
    if credentials.authorization is not None:
        head.append(("Authorization", credentials.authorization))
    head += [
        ("webhook-id", delivery.id),
        ("webhook-timestamp", str(at)),
        ("webhook-signature", sign(credentials.signing(now), delivery.id, at, delivery.body)),
        ("goniec-event-type", delivery.event_type),
        ("goniec-attempt", str(number)),
        ("goniec-sequence", str(delivery.seq)),
    ]
    if delivery.rule_id:
        head.append(("goniec-cause", delivery.run_id))
    if delivery.resend:
        head.append(("goniec-resend", "true"))
    if delivery.test:
        head.append(("goniec-test", "true"))
    if traceparent is not None:
        head.append(("traceparent", traceparent))
    return (*head, *credentials.own)
