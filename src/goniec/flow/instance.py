"""Which database a server works on: a random id that is kept in it, told at `/readyz`.

So that `goniec doctor` can see whether what answers at its port is the server of its own database. It stands for
nothing else, and a copy of the database has the same.
"""

from typing import Final

from goniec.ports import Dice, Store, Tx

INSTANCE: Final = "instance"
"""The mark that holds it."""

INSTANCE_BYTES: Final = 16


async def instance(store: Store, dice: Dice) -> str:
    """Give the id in hexadecimal digits; the first who asks makes it.

    Raises:
        Unavailable: the database cannot be written just now.

    """

    async def read(tx: Tx) -> bytes:
        known = await tx.mark(INSTANCE)
        if known is None:
            known = dice.bits(8 * INSTANCE_BYTES).to_bytes(INSTANCE_BYTES)
            await tx.put_mark(INSTANCE, known)
        return known

    return (await store.transact(read)).hex()
