"""Passwords of users: another one for one's own account, and one that is made for somebody.

Called by the panel. For one's own account the present one is asked for, so that a browser that somebody left open is
not the account given away; wrong ones count like wrong ones at the door.
"""

from typing import Final

from goniec.core.model import User
from goniec.core.text import email_key
from goniec.flow.configure import Conflict, Missing, Outside, Stale
from goniec.flow.gate import Gate
from goniec.flow.users import RAW_MAX, Denied, Throttled, change_user, typed
from goniec.ports import Dice

LETTERS: Final = "abcdefghijkmnpqrstuvwxyz23456789"
"""Those of a password that is made: 32, of which none is taken for another when it is read out."""

GROUPS: Final = 5
GROUP: Final = 4
"""So many groups of so many letters: 100 bits."""

_BITS: Final = 5


def made_password(dice: Dice) -> str:
    """Make a password that nobody chose, such as k7mw-2xq9-…, to be shown once and typed."""
    return "-".join("".join(LETTERS[dice.bits(_BITS)] for _ in range(GROUP)) for _ in range(GROUPS))


async def change_own_password(  # noqa: PLR0913 - who asks, from where, what is and what is to be
    outside: Outside, gate: Gate, user: User, *, present: str, password: str, address: str, keep: bytes
) -> User | Throttled | Denied | Conflict | Missing | Stale:
    """Give a user another password, who knows the present one; of the sessions only that with the digest `keep` stays.

    `address` is where the request came from. While there is something to wait for, nothing is looked at.

    Raises:
        Invalid: the new password is none that can be taken.

    """
    key = email_key(user.email)[1]
    wait = gate.wait(key, address)
    if wait:
        return Throttled(wait)
    gate.failed(key, address)
    if len(present) > RAW_MAX or not await gate.passwords.fits(typed(present), user.password):
        return Denied()
    gate.passed(key, address)
    return await change_user(outside.store, outside.clock, gate.passwords, user.id, {"password": password}, keep=keep)
