"""The id of a database is made once, and stays."""

from goniec.flow.instance import INSTANCE, instance
from tests.flow.workshop import Workshop


async def test_the_first_who_asks_makes_it_and_everybody_gets_it(shop: Workshop) -> None:
    made = await instance(shop.store, shop.dice)
    assert len(made) == 32
    assert await instance(shop.store, shop.dice) == made
    assert await shop.store.transact(lambda tx: tx.mark(INSTANCE)) == bytes.fromhex(made)
