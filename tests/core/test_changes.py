"""Every kind of change comes to the events that the catalogue promises, and events fold and undo."""

from typing import Any

import pytest

from goniec.core import actions as a
from goniec.core.changes import Change, Join, LiftBounce, SetConsent, SetFields, fold, propose, undo
from goniec.core.events import EVENT_TYPES
from goniec.core.model import COMPLAINED, SCORE_MAX, SCORE_MIN, Contact, Event, Stage, Tag
from tests.core.build import NOW, blank, contact

FULL = contact(
    tags={"VIP": Tag(5, 3)},
    details={"rozmiar": 38},
    stages={"Sprzedaż": Stage("Lead", 7, 2)},
    consents={"rodo": True},
    subscriptions={"email": True},
    owner="ola",
    score=10,
    name="Jan",
)


def event(before: Contact, kind: str, data: dict[str, Any], **fields: Any) -> Event:
    given = {
        "id": "evt_2", "type": kind, "contact_id": before.id, "seq": before.seq + 1, "occurred_at": NOW, "received_at": NOW,
        "source": "api", "data": data, "previous": before.last_event, **fields,
    }  # fmt: skip
    return Event(**given)


COMPLAINT = {"message": "msg_1", "delivery": "dlv_1", "complaint": True, "first": True}
CHANGES: list[tuple[Change, list[tuple[str, dict[str, Any]]]]] = [
    (a.AddTag("Nowy klient"), [("contact.tagged", {"tag": "NOWY_KLIENT", "tagScore": 0})]),
    (a.AddTag(" vip "), []),
    (a.RemoveTag("vip"), [("contact.untagged", {"tag": "VIP", "tagScore": 3, "addedAt": 5})]),
    (a.RemoveTag("inny"), []),
    (a.AddScore(-4), [("contact.score_changed", {"old": 10, "new": 6, "scope": "contact"})]),
    (a.AddScore(0), []),
    (a.AddScore(SCORE_MAX), [("contact.score_changed", {"old": 10, "new": SCORE_MAX, "scope": "contact"})]),
    (a.SetScore(SCORE_MIN - 1), [("contact.score_changed", {"old": 10, "new": SCORE_MIN, "scope": "contact"})]),
    (a.SetDetail("rozmiar", 38), []),
    (a.SetDetail("rozmiar", "38"), [("contact.detail_changed", {"name": "rozmiar", "old": 38, "new": "38"})]),
    (a.SetDetail("rozmiar", 38.0), [("contact.detail_changed", {"name": "rozmiar", "old": 38, "new": 38.0})]),
    (a.SetDetail("kolor", value=True), [("contact.detail_added", {"name": "kolor", "old": None, "new": True})]),
    (a.RemoveDetail("rozmiar"), [("contact.detail_removed", {"name": "rozmiar", "old": 38, "new": None})]),
    (a.RemoveDetail("kolor"), []),
    (a.SetField("name", "Ala"), [("contact.changed", {"changes": [{"field": "name", "old": "Jan", "new": "Ala"}]})]),
    (
        SetFields({"name": "Jan", "company": "X", "phone": None}),
        [("contact.changed", {"changes": [{"field": "company", "old": None, "new": "X"}]})],
    ),
    (SetFields({}), []),
    (a.SetState("CUSTOMER"), [("contact.state_changed", {"old": "UNKNOWN", "new": "CUSTOMER"})]),
    (a.SetState("UNKNOWN"), []),
    (a.SetOwner(None), [("contact.owner_changed", {"old": "ola", "new": None})]),
    (a.SetOwner("ola"), []),
    (
        a.MoveToStage("Sprzedaż", "Oferta"),
        [
            ("contact.stage_left", {"funnel": "Sprzedaż", "stage": "Lead", "stageScore": 2, "since": 7}),
            ("contact.stage_entered", {"funnel": "Sprzedaż", "stage": "Oferta", "from": "Lead"}),
        ],
    ),
    (a.MoveToStage("Sprzedaż", "Lead"), []),
    (a.MoveToStage("Serwis", "Nowe"), [("contact.stage_entered", {"funnel": "Serwis", "stage": "Nowe", "from": None})]),
    (
        a.RemoveFromFunnel("Sprzedaż"),
        [("contact.stage_left", {"funnel": "Sprzedaż", "stage": "Lead", "stageScore": 2, "since": 7})],
    ),
    (a.RemoveFromFunnel("Serwis"), []),
    (a.AddNote("zadzwonić"), [("contact.note_added", {"text": "zadzwonić"})]),
    (a.OptIn("email"), []),
    (a.OptIn("phone"), [("contact.opted_in", {"channel": "phone", "old": None})]),
    (a.OptOut("email"), [("contact.opted_out", {"channel": "email", "old": True})]),
    (
        a.LeaveByMail("msg_1", "dlv_1", complaint=True),
        [("contact.opted_out", {"channel": "email", "old": True, **COMPLAINT})],
    ),
    (SetConsent("rodo", granted=True), []),
    (SetConsent("rodo", granted=False), [("consent.assigned", {"consent": "rodo", "granted": False, "old": True})]),
    (SetConsent("sms", granted=True), [("consent.assigned", {"consent": "sms", "granted": True, "old": None})]),
]


@pytest.mark.parametrize(("change", "events"), CHANGES, ids=str)
def test_a_change_comes_to_its_events_or_to_none(change: Change, events: list[tuple[str, dict[str, Any]]]) -> None:
    assert propose(FULL, change) == events


@pytest.mark.parametrize(("change", "events"), CHANGES, ids=str)
def test_events_of_a_change_fold_so_that_it_changes_nothing_more_and_undo_to_what_was(
    change: Change, events: list[tuple[str, dict[str, Any]]]
) -> None:
    states = [FULL]
    happened = []
    for kind, data in events:
        happened.append(event(states[-1], kind, data, id=f"evt_{len(states) + 1}"))
        states.append(fold(states[-1], happened[-1]))
    if not isinstance(change, a.AddScore | a.AddNote):
        assert propose(states[-1], change) == []
    back = states[-1]
    for it in reversed(happened):
        back = undo(back, it)
    assert back.updated_at == (NOW if any(kind != "contact.note_added" for kind, _ in events) else FULL.updated_at)
    assert {**_plain(back), "updated_at": None} == {**_plain(FULL), "updated_at": None}


def _plain(it: Contact) -> dict[str, Any]:
    return {name: getattr(it, name) for name in it.__struct_fields__}


SCORES = [
    ({"old": 3, "new": 4, "scope": "tag", "tag": "VIP"}, {"tags": {"VIP": Tag(5, 4)}}),
    (
        {"old": 2, "new": 9, "scope": "stage", "funnel": "Sprzedaż", "stage": "Lead"},
        {"stages": {"Sprzedaż": Stage("Lead", 7, 9)}},
    ),
]


@pytest.mark.parametrize(("data", "changed"), SCORES)
def test_scores_of_tags_and_stages_fold_and_undo(data: dict[str, Any], changed: dict[str, Any]) -> None:
    made = event(FULL, "contact.score_changed", data)
    after = fold(FULL, made)
    assert {name: getattr(after, name) for name in changed} == changed
    assert {name: getattr(undo(after, made), name) for name in changed} == {n: getattr(FULL, n) for n in changed}


def test_creation_and_merging_fold_and_undo() -> None:
    made = event(blank(), "contact.created", {"source": "api", "fields": {"email": "a@b.pl", "externalId": "7"}})
    after = fold(blank(), made)
    assert (after.email, after.external_id, after.seq, after.last_event) == ("a@b.pl", "7", 1, "evt_2")
    assert undo(after, made) == blank()
    merged = event(after, "contact.merged", {"from": "c0"})
    assert fold(after, merged).merged == ("c0",)
    assert undo(fold(after, merged), merged).merged == ()


def test_behaviour_moves_the_last_activity_only_forward_and_changes_nothing_else() -> None:
    seen = fold(FULL, event(FULL, "page.visited", {"url": "u"}, occurred_at=NOW - 1))
    older = fold(seen, event(seen, "page.visited", {"url": "u"}, occurred_at=NOW - 2))
    assert (seen.last_activity_at, older.last_activity_at) == (NOW - 1, NOW - 1)
    assert (older.updated_at, older.seq) == (FULL.updated_at, FULL.seq + 2)
    mail = fold(FULL, event(FULL, "email.sent", {"message": "m"}))
    assert mail.last_activity_at is None


def test_every_type_of_event_can_be_folded() -> None:
    for name in EVENT_TYPES:
        if name.startswith(("email.", "page.", "form.", "external_event.", "date.", "webhook.", "rule.")):
            assert fold(FULL, event(FULL, name, {})).tags == FULL.tags


def test_a_mail_that_was_read_folds_and_undoes_and_is_no_change_of_the_contact() -> None:
    data = {"message": "msg_1", "delivery": "dlv_1", "first": True, "machine": False}
    opened = event(FULL, "email.opened", data)
    after = fold(FULL, opened)
    clicked = event(after, "email.clicked", data)
    both = fold(after, clicked)
    assert (after.read, both.read) == ({"dlv_1": 1}, {"dlv_1": 3})
    assert (both.updated_at, both.last_activity_at) == (FULL.updated_at, NOW)
    assert undo(both, clicked).read == after.read
    assert undo(after, opened).read == {}
    again = event(both, "email.opened", data | {"first": False})
    assert undo(fold(both, again), again).read == both.read


def test_a_hard_bounce_folds_and_undoes() -> None:
    made = event(FULL, "email.bounced", {"message": "msg_1", "kind": "hard", "email": "jan@x.pl"})
    assert fold(FULL, made).bounced == "jan@x.pl"
    assert undo(fold(FULL, made), made).bounced is None
    again = event(FULL, "email.bounced", {"kind": "hard", "email": "jan@x.pl", "old": "jan@x.pl"})
    assert undo(fold(fold(FULL, made), again), again).bounced == "jan@x.pl"
    soft = event(FULL, "email.bounced", {"message": "msg_1", "kind": "soft", "email": "jan@x.pl"})
    assert fold(FULL, soft).bounced is None
    assert undo(fold(FULL, soft), soft).bounced is None


def test_a_complaint_of_who_has_left_already_is_told_once() -> None:
    left = contact(email="jan@x.pl", subscriptions={"email": False})
    complaint = a.LeaveByMail("msg_1", "dlv_1", complaint=True)
    (proposal,) = propose(left, complaint)
    assert proposal == ("contact.opted_out", {"channel": "email", "old": False, **COMPLAINT})
    made = event(left, *proposal)
    after = fold(left, made)
    assert (after.read, after.subscriptions) == ({"dlv_1": COMPLAINED}, {"email": False})
    assert undo(after, made).read == {}
    assert propose(after, complaint) == []
    assert propose(left, a.LeaveByMail("msg_1", "dlv_1")) == []
    (again,) = propose(contact(read=after.read), complaint)
    assert again[1]["first"] is False, "it leaves all the same"


def test_that_a_mail_came_back_folds_and_undoes() -> None:
    made = event(FULL, "email.bounced", {"delivery": "dlv_1", "kind": "soft", "first": True})
    after = fold(FULL, made)
    assert (after.read, after.updated_at) == ({"dlv_1": 4}, FULL.updated_at)
    assert undo(after, made).read == FULL.read


def test_of_another_address_nothing_is_kept_while_the_own_one_is_dead() -> None:
    other = event(FULL, "email.bounced", {"kind": "hard", "email": "old@x.pl"})
    for before, after in ((None, "old@x.pl"), ("older@x.pl", "old@x.pl"), ("jan@x.pl", "jan@x.pl")):
        assert fold(contact(email="Jan@X.pl", bounced=before), other).bounced == after
    assert fold(contact(email=None, bounced="jan@x.pl"), other).bounced == "old@x.pl"


def test_a_bounce_is_lifted_by_hand_or_by_who_opts_in_anew() -> None:
    dead = contact(email="Jan@X.pl", bounced="jan@x.pl")
    lifted = ("contact.bounce_lifted", {"email": "jan@x.pl"})
    assert propose(dead, LiftBounce()) == [lifted]
    assert propose(FULL, LiftBounce()) == []
    made = event(dead, *lifted)
    assert fold(dead, made).bounced is None
    assert undo(fold(dead, made), made).bounced == "jan@x.pl"
    joined = [("contact.opted_in", {"channel": "email", "old": None})]
    assert propose(dead, a.OptIn("email")) == [*joined, lifted]
    assert propose(contact(email="jan@x.pl", bounced="old@x.pl"), a.OptIn("email")) == joined
    assert propose(contact(email="jan@x.pl", bounced="jan@x.pl", subscriptions={"email": True}), a.OptIn("email")) == []
    assert len(propose(dead, a.OptIn("phone"))) == 1
    assert propose(dead, Join("email")) == joined
