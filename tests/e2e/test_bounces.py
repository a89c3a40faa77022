"""A mail that a rule sent comes back to the mailbox and reaches rules, through a whole engine and a kill in the middle."""

import re
from pathlib import Path

from tests.e2e.engine import Engine, until
from tests.flow.mails import ANNA
from tests.imapserver import PASSWORD, mailbox
from tests.postbox import postbox
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
    with mailbox() as box, postbox() as server:
        smtp = f"smtp://127.0.0.1:{server.port}?starttls=never"
        settings = {"smtp_url": smtp, "mail_from": "sklep@example.com", "bounce_address": "bounces@example.com"}
        one = Engine(tmp_path, imap_url=box.url, **settings)
        try:
            await one.start()
            message = await one.post("/messages", {"name": "M", "subject": "S", "html": "<p>Hi</p>"}, 201)
            send, score = {"type": "sendEmail", "message": message["id"]}, {"type": "addScore", "points": 1}
            await one.rule({"type": "page.visited"}, actions=[send])
            await one.rule({"type": "email.bounced"}, actions=[score, send])
            contact = await one.contact(email=ANNA)
            await one.visit({"email": ANNA})
            await until(lambda: bool(server.letters), "the mail goes out")
            await one.quiet()
            assert await one.stop() == 0
            found = re.fullmatch(r"bounces\+(\w+)@example\.com", server.senders[0])
            assert found is not None
            box.put(sample("exchange", found[1], server.letters[0]["Message-ID"].strip("<>").partition("@")[0]))
            one.machine = KILLED
            one.spawn()
            await one.gone()
            assert box.count("UNSEEN") == 1
            one.machine = ""
            await one.start()
            await until(lambda: box.count("UNSEEN") == box.count() == 0, "the mail is marked and moved")
            (event,) = await one.everything("/events", type="email.bounced")
            assert (event["contactId"], event["source"], event["depth"]) == (contact["id"], "tracking", 1)
            assert (event["data"]["kind"], event["data"]["email"], event["data"]["message"]) == (
                "hard",
                ANNA,
                message["id"],
            )
            assert (await one.get(f"/contacts/{contact['id']}"))["score"] == 1
            await one.quiet()
            assert len(server.letters) == 1, "nothing more goes to an address that is dead"
            assert await one.stop() == 0
        finally:
            await one.close()
    log = (tmp_path / "serve.log").read_text()
    for secret in (PASSWORD, "p%40ss", ANNA, found[1]):
        assert secret not in log
