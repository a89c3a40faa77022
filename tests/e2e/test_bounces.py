"""What comes back to the mailbox reaches rules, through a whole engine and a kill in the middle."""

from pathlib import Path

from goniec.core.endpoint import MAIL
from goniec.core.ids import delivery_id
from goniec.core.mailing import Envelope, sealed
from goniec.core.model import Delivery, Status
from goniec.core.tokens import PURPOSE, bounce
from goniec.ports import Changes
from goniec.store.opening import open_store
from goniec.store.vault import open_vault
from tests.e2e.engine import Engine, until
from tests.flow.mails import ANNA, M
from tests.imapserver import PASSWORD, mailbox
from tests.returned import sample

KILLED = """
import os, signal
from goniec.send.imap import ImapMailbox
async def done(*_):
    os.kill(os.getpid(), signal.SIGKILL)
ImapMailbox.done = done
"""
"""A machine that fails when a bounce is recorded and its mail is not marked yet."""


async def test_a_bounce_is_recorded_once_though_it_is_killed_before_it_is_marked(tmp_path: Path) -> None:
    with mailbox() as box:
        one = Engine(tmp_path, imap_url=box.url, bounce_address="bounces@example.com")
        try:
            await one.start()
            actions = [{"type": "addScore", "points": 1}]
            await one.rule({"type": "email.bounced"}, actions=actions)
            contact = await one.contact(email=ANNA)
            token = await sent(tmp_path, contact["id"])
            assert await one.stop() == 0
            box.put(sample("exchange", token))
            one.machine = KILLED
            one.spawn()
            await one.gone()
            assert box.count("UNSEEN") == 1
            one.machine = ""
            await one.start()
            await until(lambda: box.count("UNSEEN") == box.count() == 0, "the mail is marked and moved")
            (event,) = await one.everything("/events", type="email.bounced")
            assert (event["contactId"], event["data"]["kind"]) == (contact["id"], "hard")
            assert (await one.get(f"/contacts/{contact['id']}"))["score"] == 1
            assert await one.stop() == 0
        finally:
            await one.close()
    log = (tmp_path / "serve.log").read_text()
    for secret in (PASSWORD, "p%40ss", ANNA, token):
        assert secret not in log


async def sent(folder: Path, contact_id: str) -> str:
    """Write a mail that went out; gives the token on its envelope."""
    store = open_store(folder / "goniec.db", server=False)
    try:
        (event,) = [event async for event, *_ in store.queries.timeline(contact_id)]
        delivery = Delivery(
            id=delivery_id(event.id, 1, "rul_1", "actions"),
            endpoint_id=MAIL,
            contact_id=contact_id,
            rule_id="rul_1",
            event_type=event.type,
            seq=event.seq,
            body=sealed(Envelope(to=ANNA, subject="Nowa dostawa", message=M)),
            created_at=event.received_at,
            status=Status.DELIVERED,
        )
        await store.transact(lambda tx: tx.save(Changes(deliveries=[delivery])))
        vault = await open_vault(store, folder / "goniec.key", [])
        return bounce(vault.derived(PURPOSE), delivery.id)
    finally:
        await store.close()
