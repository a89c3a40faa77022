"""The shop's rules, and what they have to lead to: the demo's own arithmetic, against which the engine is held.

Called by the demo alone.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from goniec.cli.demo.visitors import ADDED, CART, OPENED, PURCHASE, Step
from goniec.core.actions import BasicAuth, Webhook
from goniec.core.templates import TEMPLATES, from_template
from goniec.core.triggers import Tagged

USER: Final = "goniec"
TAG: Final = "KLIENT"
FUNNEL: Final = "Sprzedaż"
BASKET: Final = "Koszyk"
BOUGHT: Final = "Klient"
POINTS: Final = {OPENED: 10, CART: 5, PURCHASE: 50}
REACHED: Final = 100

PATHS: Final = {
    "crm": "/crm/kontakty",
    "opened": "/powiadomienia/otwarcia",
    "stage": "/crm/lejek",
    "score": "/sprzedaz/scoring",
    "tag": "/segmenty",
}
"""Where the receiver gets which of the five webhooks, by template."""


def funnel() -> dict[str, Any]:
    """Give the funnel, as `POST /funnels` takes it."""
    return {"name": FUNNEL, "stages": [BASKET, BOUGHT]}


def rules(receiver: str, password: str) -> Iterator[dict[str, Any]]:
    """Give the rules, as `POST /rules` takes them: three that keep contacts in order, five that tell the receiver."""
    yield _rule(
        "Zakup → klient",
        {"type": ADDED, "kinds": [PURCHASE]},
        {"type": "addTag", "tag": TAG},
        {"type": "addScore", "points": POINTS[PURCHASE]},
        {"type": "moveToStage", "funnel": FUNNEL, "stage": BOUGHT},
    )
    yield _rule(
        "Koszyk → punkty",
        {"type": ADDED, "kinds": [CART]},
        {"type": "addScore", "points": POINTS[CART]},
    )
    not_bought = {"type": "not", "of": [{"type": "inStage", "funnel": FUNNEL, "stages": [BOUGHT]}]}
    yield _rule(
        "Koszyk → lejek",
        {"type": ADDED, "kinds": [CART]},
        {"type": "moveToStage", "funnel": FUNNEL, "stage": BASKET},
    ) | {"conditions": not_bought}
    yield _rule("Otwarcie → punkty", {"type": OPENED}, {"type": "addScore", "points": POINTS[OPENED]})
    for name, path in PATHS.items():
        template = TEMPLATES[name]
        webhook = Webhook(url=receiver + path, basic_auth=BasicAuth(USER, password))
        draft = replace(from_template(template, "pl", webhook), active=True)
        if name == "tag":
            draft = replace(draft, description=f"kontakt otrzymał tag {TAG}", triggers=(Tagged(tags=(TAG,)),))
        given = msgspec.json.decode(msgspec.json.encode(draft))
        yield {key: value for key, value in given.items() if value is not None}


def expected(steps: Iterable[Step]) -> Counter[str]:
    """Count the webhooks that have to arrive, by the path that they go to."""
    webhooks: Counter[str] = Counter()
    score: Counter[str] = Counter()
    stage: dict[str, str] = {}
    known = set()
    for step in steps:
        who, before = step.visitor, score[step.visitor]
        score[who] += POINTS.get(step.kind, 0)
        wanted = _stage(step.kind, stage.get(who))
        happened = {
            "crm": who not in known,
            "opened": step.kind == OPENED,
            "stage": wanted is not None and wanted != stage.get(who),
            "score": before < REACHED <= score[who],
            "tag": step.kind == PURCHASE and stage.get(who) != BOUGHT,
        }
        webhooks.update(PATHS[use] for use, is_so in happened.items() if is_so)
        known.add(who)
        if wanted is not None:
            stage[who] = wanted
    return webhooks


def _rule(name: str, trigger: dict[str, Any], *actions: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "active": True, "triggers": [trigger], "actions": [*actions]}


def _stage(kind: str, before: str | None) -> str | None:
    if kind == PURCHASE:
        return BOUGHT
    return BASKET if kind == CART and before != BOUGHT else None
