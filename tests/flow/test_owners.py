"""Owners are told by a real mail server: once an hour, after a crash, and when the server was away."""

import asyncio
from collections.abc import Iterator
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from goniec.core.decide import Happening
from goniec.core.endpoint import Endpoint, Pause
from goniec.core.letters import Manner
from goniec.core.model import Failure
from goniec.core.times import DAY, HOUR, MINUTE, Millis
from goniec.flow import owners
from goniec.flow.owners import Owners
from goniec.ports import Tx, Unavailable
from goniec.send.mail import SmtpMailer, parse_server
from goniec.store.address import Postgres
from goniec.store.postgres import open_store
from tests.flow.workshop import Workshop, email, failing
from tests.postbox import Postbox, free_port, postbox
from tests.postgres import database

MANNER = Manner("en", ZoneInfo("Europe/Warsaw"), "https://goniec.example")


@pytest.fixture
def box() -> Iterator[Postbox]:
    with postbox() as opened:
        yield opened


def teller(shop: Workshop, port: int) -> Owners:
    mailer = SmtpMailer(parse_server(f"smtp://127.0.0.1:{port}?starttls=never"), "Goniec <goniec@example.com>")
    return Owners(shop.store, shop.clock, mailer, MANNER)


async def owned(shop: Workshop, **policy: object) -> Endpoint:
    """An endpoint with an owner, whose deliveries fail with their first attempt."""
    made = await shop.endpoint(policy={"owner": "jan@example.com", "schedule": [], "breaker": False, **policy})
    await shop.rule(actions=[{"type": "webhook", "endpointId": "end_1"}])
    shop.sender.script = lambda _: failing()
    return made


async def visits(shop: Workshop, n: int) -> None:
    for one in range(n):
        call = email(f"{one}@example.pl", happenings=(Happening("page.visited", {"url": "https://a.example"}),))
        await shop.record(call)
    await shop.settle()


async def test_who_owns_an_endpoint_is_told_once_an_hour(shop: Workshop, box: Postbox) -> None:
    await owned(shop)
    await visits(shop, 2)
    telling = teller(shop, box.port)
    await telling.look()
    (letter,) = box.letters
    assert box.to == [["jan@example.com"]]
    assert letter["Subject"] == "Goniec: 2 deliveries to end_1.example have failed"
    assert letter["From"] == "Goniec <goniec@example.com>"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert "https://goniec.example/endpoints/end_1" in letter.get_content()
    await visits(shop, 3)
    shop.clock.at += HOUR - MINUTE
    await telling.look()
    assert len(box.letters) == 1
    shop.clock.at += MINUTE
    await telling.look()
    assert "Since the last message 3 more" in box.letters[1].get_content()
    shop.clock.at += HOUR
    await telling.look()
    assert len(box.letters) == 2
    assert await kept(shop) == b"{}"


async def kept(shop: Workshop) -> bytes | None:
    return await shop.store.transact(lambda tx: tx.mark(owners.MARK))


async def test_a_pause_is_told_unless_it_is_over(shop: Workshop, box: Postbox) -> None:
    made = await owned(shop)
    shop.sender.script = lambda _: failing(410, Failure.GONE)
    await visits(shop, 1)
    telling = teller(shop, box.port)
    await telling.look()
    assert box.letters[0]["Subject"] == "Goniec: end_1.example is paused"
    assert "1 delivery is waiting" in box.letters[0].get_content()
    shop.clock.at += HOUR
    await shop.store.transact(lambda tx: tx.put_endpoint(replace(made, version=9)))
    shop.deliverer.changed("end_1")
    await shop.poll()
    await shop.settle()
    await shop.store.transact(lambda tx: tx.put_endpoint(replace(made, version=11)))
    await telling.look()
    assert len(box.letters) == 1


async def test_five_days_of_failing_are_told(shop: Workshop, box: Postbox) -> None:
    await owned(shop, breaker=True, schedule=[3600] * 50)
    await visits(shop, 5)
    for _ in range(6):
        shop.clock.at += DAY
        await shop.poll()
        await shop.settle()
    await teller(shop, box.port).look()
    assert "in five days of trying" in box.letters[0].get_content()
    assert "5 deliveries are waiting" in box.letters[0].get_content()


async def test_a_server_that_was_away_gets_it_later(shop: Workshop) -> None:
    await owned(shop)
    await visits(shop, 1)
    port = free_port()
    telling = teller(shop, port)
    await telling.look()
    with postbox(port) as box:
        await telling.look()
        assert box.letters == [], "it is not asked at once again"
        box.answer = "451 come later"
        shop.clock.at += MINUTE
        await telling.look()
        box.answer = "250 OK"
        shop.clock.at += 2 * MINUTE
        await teller(shop, port).look()
        assert len(box.letters) == 1


async def test_what_a_dead_process_had_in_hand_is_sent_by_the_next(shop: Workshop, box: Postbox) -> None:
    await owned(shop)
    await visits(shop, 1)
    await shop.store.transact(teller(shop, box.port)._take)
    await teller(shop, box.port).look()
    assert box.letters == []
    shop.clock.at += 5 * MINUTE
    await teller(shop, box.port).look()
    assert len(box.letters) == 1


async def put(endpoint: Endpoint, tx: Tx) -> None:
    await tx.put_endpoint(endpoint)


async def note(endpoint_id: str, now: Millis, tx: Tx) -> None:
    await owners.note_paused(tx, endpoint_id, Pause.GONE, now)


async def test_of_two_processes_at_one_database_one_tells(shop: Workshop, box: Postbox) -> None:
    made = [await shop.endpoint(id, policy={"owner": f"{id}@example.com"}) for id in ("end_2", "end_3")]
    async with database() as url:
        stores = [open_store(Postgres(url), server=False) for _ in range(2)]
        try:
            for one in made:
                await stores[0].transact(partial(put, replace(one, paused=Pause.GONE)))
            noting = (
                store.transact(partial(note, one.id, shop.clock.now())) for one, store in zip(made, stores, strict=True)
            )
            await asyncio.gather(*noting)
            telling = [Owners(store, shop.clock, teller(shop, box.port)._mailer, MANNER) for store in stores]
            await asyncio.gather(*(one.look() for one in telling))
        finally:
            for store in stores:
                await store.close()
    assert sorted(box.to) == [["end_2@example.com"], ["end_3@example.com"]]


async def test_an_address_that_does_not_exist_is_not_tried_for_ever(shop: Workshop, box: Postbox) -> None:
    await owned(shop)
    await visits(shop, 1)
    box.recipient = "550 no such user"
    await teller(shop, box.port).look()
    box.recipient = "250 OK"
    shop.clock.at += HOUR
    await teller(shop, box.port).look()
    assert box.letters == []
    assert await kept(shop) == b"{}"


@pytest.mark.parametrize("policy", [{"owner": None}, {}])
async def test_where_nobody_can_be_told_nothing_piles_up(shop: Workshop, policy: dict[str, None]) -> None:
    await owned(shop, **policy)
    await visits(shop, 1)
    silent = Owners(shop.store, shop.clock, None, MANNER) if not policy else teller(shop, free_port())
    await silent.look()
    assert await kept(shop) == b"{}"


async def test_a_store_that_is_away_ends_nothing(shop: Workshop, box: Postbox, monkeypatch: pytest.MonkeyPatch) -> None:
    await owned(shop)
    await visits(shop, 1)
    telling = teller(shop, box.port)

    async def away(*_: object) -> object:
        raise Unavailable("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(shop.store, "transact", away)
        await telling.look()
    monkeypatch.setattr(owners, "LOOK_SECONDS", 0.001)
    running = asyncio.create_task(telling.run())
    await shop.until(lambda: len(box.letters) == 1)
    await visits(shop, 1)
    shop.clock.at += HOUR
    await shop.until(lambda: len(box.letters) == 2)
    running.cancel()


async def test_a_pause_of_another_release_is_left_to_it(
    shop: Workshop, box: Postbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """It runs beside this one for a while, and pauses endpoints for reasons that nobody here has words for."""
    made = await owned(shop)
    noted = b'{"end_1":{"failed":1,"delivery":"dlv_1","paused":"quota","paused_at":5},"end_9":{"paused":"quota"}}'
    await shop.store.transact(lambda tx: tx.put_mark(owners.MARK, noted))
    await shop.store.transact(lambda tx: tx.put_endpoint(replace(made, version=2, paused=Pause.BY_HAND)))
    telling = teller(shop, box.port)
    for _ in range(2):
        await telling.look()
    assert await kept(shop) == noted
    assert not box.letters
    assert capsys.readouterr().err.count("owner.left") == 2
    # once resumed the pause is no news to anybody, but what failed is
    await shop.store.transact(lambda tx: tx.put_endpoint(replace(made, version=3)))
    await telling.look()
    assert box.letters[0]["Subject"] == "Goniec: 1 delivery to end_1.example has failed"
