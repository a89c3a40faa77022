"""The body of a webhook: seven keys and nothing else, as the receivers were promised.

`decide` makes a body once, from the working state at its action's place; every attempt, resend and test send carries
these bytes. Other formats that an action may choose get a function each, beside this one, and a version of their own.
"""

from typing import Final

import msgspec
from msgspec import Struct


class _Body(Struct, frozen=True, gc=False, rename={"contact_id": "contactId"}):
    """The keys as they appear, in their order."""

    id: str
    name: str
    contact_id: str
    description: str
    email: str | None
    phone: str | None
    company: str | None


_ENCODER: Final = msgspec.json.Encoder()


def body(  # noqa: PLR0913, PLR0917 -- the seven values of the seven keys, in their order
    rule_id: str,
    rule_name: str,
    contact_id: str,
    description: str,
    email: str | None,
    phone: str | None,
    company: str | None,
) -> bytes:
    """Give the JSON of one webhook: UTF-8, no white space between tokens, escaped only where RFC 8259 demands it.

    That (section 7) is the quotation mark, the backslash and U+0000 to U+001F. A rule without a comment has `""` as its
    description.

    Raises:
        UnicodeEncodeError: a text with half of a surrogate pair, which `text.clean` does not let in.

    """
    return _ENCODER.encode(_Body(rule_id, rule_name, contact_id, description, email, phone, company))
