"""Another password for one's own account: the present one is asked for, and wrong ones count. Passwords that are made."""

import pytest

from goniec.core.model import User
from goniec.core.problems import Invalid
from goniec.flow.configure import Conflict, Missing, Stale
from goniec.flow.gate import FREE
from goniec.flow.passwords import LETTERS, change_own_password, made_password
from goniec.flow.users import RAW_MAX, Denied, SignedIn, Throttled
from tests.flow.test_users import HERE, PASSWORD, Door
from tests.flow.workshop import Workshop

ANOTHER = "correct horse battery"

Answer = User | Throttled | Denied | Conflict | Missing | Stale


@pytest.fixture
async def door(shop: Workshop) -> Door:
    made = Door(shop)
    await made.added()
    return made


async def ask(door: Door, inside: SignedIn, present: str = PASSWORD, password: str = ANOTHER) -> Answer:
    return await change_own_password(
        door.outside,
        door.gate,
        inside.user,
        present=present,
        password=password,
        address=HERE,
        keep=inside.session.digest,
    )


async def test_who_knows_the_present_password_gets_another_and_stays_while_other_browsers_are_signed_out(
    door: Door,
) -> None:
    here, elsewhere = await door.enter(), await door.enter()
    assert isinstance(await ask(door, here), User)
    assert await door.inside(here)
    assert not await door.inside(elsewhere)
    assert isinstance(await door.knock(), Denied)
    await door.enter(password=ANOTHER)


@pytest.mark.parametrize("present", ["", "wrong password", PASSWORD + " ", "z" * (RAW_MAX + 1)], ids=len)
async def test_who_does_not_know_it_changes_nothing(door: Door, present: str) -> None:
    here = await door.enter()
    assert isinstance(await ask(door, here, present), Denied)
    await door.enter()


async def test_wrong_ones_count_as_those_at_the_door_do(door: Door) -> None:
    here = await door.enter()
    for _ in range(FREE + 1):
        assert isinstance(await ask(door, here, "wrong password"), Denied)
    asked = len(door.passwords.asked)
    assert await ask(door, here) == Throttled(1)
    assert isinstance(await door.knock(), Throttled)
    assert len(door.passwords.asked) == asked, "while there is something to wait for, nothing is looked at"


async def test_a_new_password_that_is_none_is_told_and_the_present_one_stays(door: Door) -> None:
    here = await door.enter()
    with pytest.raises(Invalid, match="at least 10 characters"):
        await ask(door, here, password="short")
    await door.enter()


async def test_one_who_was_removed_meanwhile_is_told(door: Door) -> None:
    here = await door.enter()
    await door.store.transact(lambda tx: tx.delete_user(here.user.id))
    assert isinstance(await ask(door, here), Missing)


async def test_one_that_is_made_can_be_typed_and_taken_and_is_never_the_same(door: Door) -> None:
    passwords = [made_password(door.shop.dice) for _ in range(50)]
    assert len(set(passwords)) == 50
    assert len(LETTERS) == len(set(LETTERS)) == 32
    assert all(set(one) <= {*LETTERS, "-"} and len(one) == 24 for one in passwords)
    await door.added("ola@x.pl", password=passwords[0])
    await door.enter("ola@x.pl", password=passwords[0])
