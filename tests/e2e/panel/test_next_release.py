"""What the next release has written, which runs beside this one for a while, is shown by its code."""

import sqlite3
from contextlib import closing

from tests.contract.send.receivers import Receiver, answer
from tests.e2e.engine import Engine
from tests.e2e.panel.client import SignIn
from tests.e2e.panel.test_delivery import sent

UNKNOWN = (
    "UPDATE deliveries SET status = 'parked'",
    "UPDATE balances SET delivered = 0",
    "UPDATE totals SET name = 'deliveries.parked' WHERE name = 'deliveries.delivered'",
    "UPDATE runs SET outcome = 'postponed'",
    "UPDATE events SET doc = CAST(replace(CAST(doc AS TEXT), '\"api\"', '\"calendar\"') AS BLOB)",
)
STANDING = {
    "pl": "Ta wersja Gońca nie zna tego statusu (kod parked)",
    "en": "does not know how it stands (code parked)",
}
CAME = {
    "pl": "Ta wersja Gońca nie zna tego wyniku (kod postponed)",
    "en": "does not know what came of it (code postponed)",
}


async def test_codes_that_only_the_next_release_knows(engine: Engine, sign_in: SignIn) -> None:
    async with Receiver(answer(200)) as receiver:
        rule, one = await sent(engine, receiver.url("/hook"))
        await engine.quiet()
    with closing(sqlite3.connect(engine.folder / "goniec.db", timeout=60)) as db, db:
        for statement in UNKNOWN:
            db.execute(statement)
    id, contact, endpoint = one["id"], one["contactId"], one["endpointId"]
    assert [each["status"] for each in await engine.deliveries()] == ["parked"]
    (run,) = await engine.everything(f"/rules/{rule['id']}/runs")
    assert run["outcome"] == "postponed"
    assert {each["source"] for each in await engine.everything("/events")} == {"calendar"}
    for language in ("pl", "en"):
        ala = await sign_in("editor", language)
        for path, texts in (
            ("/", ()),
            ("/deliveries", ("parked",)),
            (f"/deliveries/{id}", ("parked", STANDING[language])),
            (f"/contacts/{contact}", ("parked", "postponed", "calendar")),
            (f"/contacts/{contact}/why?rule={rule['id']}", ("parked", "postponed", CAME[language])),
            (f"/rules/{rule['id']}/runs", ("parked", "postponed")),
            (f"/endpoints/{endpoint}", ()),
        ):
            page = await ala.get(path)
            assert page.status == 200, path
            for text in texts:
                assert text in page.text, (path, text, page.text)
    assert await engine.doctor() == []
