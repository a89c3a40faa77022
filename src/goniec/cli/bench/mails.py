"""The row about mails: from the events of contacts, by a rule that sends a message, into a mail server.

The server takes all and drops it. What the engine has to do for a mail, to put the contact's values into its text, to
make the message and to hand it in, costs far more than taking in the event, so events come only as quickly as mails go.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct

from goniec.cli.bench.letter import LINKS, SENDER, message
from goniec.cli.bench.load import Load, order
from goniec.cli.bench.machine import loop_nanoseconds
from goniec.cli.bench.processes import bare, engine, office
from goniec.cli.bench.rows import Plan, Row, detail_of, past_of, room
from goniec.cli.bench.sink import ADDRESS
from goniec.cli.bench.stage import Stage, database

BATCH: Final = 20
AHEAD: Final = 200
"""So many mails may be on their way: more than are handed in at a time, so that nothing stands still."""
RATE: Final = 200
"""Events that fall due in a second: each mail is one that came in, and one that says it was sent."""
GOAL: Final = 100
"""Mails a second: more than mail servers take from one sender."""


class _Made(Struct):
    id: str


async def mails(plan: Plan) -> list[Row]:
    """Row "mails": beside the bare client before and after it."""
    loop = loop_nanoseconds()
    past = past_of(plan, RATE)
    async with office() as server:
        before = await bare(server.smtp, plan.seconds / 4, "bare_mail")
        with room(plan) as folder:
            key = await database(folder, past)
            settings = {"smtp_url": f"smtp://{ADDRESS}:{server.smtp}?starttls=never", "mail_from": SENDER}
            async with engine(folder, settings) as running:
                made = await order(running.port, key, "/messages", message())
                await order(running.port, key, "/rules", _rule(msgspec.json.decode(made, type=_Made).id))
                load = Load(running.port, key, past.contacts, 1)
                one = Stage(running, server, load, key, [], 0)
                try:
                    await one.keep_up(BATCH, AHEAD, plan.warm_up)
                    cost = await one.keep_up(BATCH, AHEAD, plan.seconds)
                    peak = running.peak()
                finally:
                    load.close()
        after = await bare(server.smtp, plan.seconds / 4, "bare_mail")
    alone = (before.sent + after.sent) / (before.seconds + after.seconds)
    return [
        Row(
            row="mails",
            what=f"mails taken a second, of {len(message()['html']) / 1000:.0f} KB of HTML with {LINKS} links",
            figure=cost.rate,
            unit="/s",
            goal=f"≥ {GOAL}/s",
            met=cost.rate >= GOAL,
            loop_nanos=loop,
            ratio=cost.rate / alone,
            ratio_to="the bare client",
            cpu_micros=cost.micros,
            peak_mib=peak,
            detail=detail_of(cost)
            | {
                "bare": {
                    "perSecond": round(alone),
                    "cpuMicros": round((before.cpu + after.cpu) / (before.sent + after.sent) * 1e6, 1),
                }
            },
        )
    ]


def _rule(message_id: str) -> dict[str, Any]:
    return {
        "name": "Oferta",
        "active": True,
        "triggers": [{"type": "page.visited"}],
        "actions": [{"type": "sendEmail", "message": message_id}],
    }
