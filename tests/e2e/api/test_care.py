"""Care of single contacts over the API: merging, erasing, exporting."""

from pathlib import Path

from goniec.core.model import Status
from tests.e2e.api.client import Api, pointers
from tests.e2e.api.configured import on_disk
from tests.flow.workshop import failing

STATES = ("CUSTOMER", "UNKNOWN", "PARTNER")


async def test_a_merge_takes_over_what_is_missing_and_nothing_else(api: Api) -> None:
    await api.shop.funnel("Sales", "New", "Won")
    await api.shop.funnel("Care", "Open")
    kept = await api.contact(
        email="kept@example.pl",
        name="Kept",
        tags=["A"],
        details={"x": 1},
        score={"add": 3},
        stages={"Sales": "Won"},
        consents={"rodo": True, "ads": True},
        subscriptions={"email": True},
    )
    gone = await api.contact(
        email="gone@example.pl",
        externalId="C-9",
        phone="600 100 200",
        name="Gone",
        owner="ola",
        state="PARTNER",
        tags=["A", "B"],
        details={"x": 2, "y": 3},
        score={"add": 4},
        stages={"Sales": "New", "Care": "Open"},
        consents={"rodo": False, "ads": True, "news": True},
        subscriptions={"email": False, "phone": True},
    )
    answer = await api.post(f"/contacts/{kept['id']}/merge", {"from": gone["id"]})
    assert answer.status_code == 200, answer.text
    merged = answer.json()
    assert (merged["email"], merged["name"], merged["externalId"]) == ("kept@example.pl", "Kept", "C-9")
    assert (merged["phone"], merged["owner"], merged["state"]) == ("600 100 200", "ola", "PARTNER")
    assert {tag["tag"] for tag in merged["tags"]} == {"A", "B"}
    assert (merged["details"], merged["score"]) == ({"x": 1, "y": 3}, 7)
    assert {stage["funnel"]: stage["stage"] for stage in merged["stages"]} == {"Sales": "Won", "Care": "Open"}
    assert merged["consents"] == {"rodo": False, "ads": True, "news": True}, "what was withdrawn stays withdrawn"
    assert merged["subscriptions"] == {"email": False, "phone": True}
    assert merged["merged"] == [gone["id"]]
    assert answer.headers["etag"] == f'"{merged["seq"]}"'
    # the old id and keys lead to the kept one, for reading and writing
    assert (await api.get(f"/contacts/{gone['id']}")).json() == merged
    by_old_id = await api.patch(f"/contacts/{gone['id']}", {"company": "Żabka"})
    assert by_old_id.json()["id"] == kept["id"]
    by_old_address = await api.post("/contacts", {"email": "gone@example.pl", "language": "pl"})
    assert (by_old_address.status_code, by_old_address.json()["id"]) == (200, kept["id"])
    assert by_old_address.json()["email"] == "kept@example.pl", "naming an old key does not change the contact's own"
    own = await api.patch(f"/contacts/{kept['id']}", {"email": "gone@example.pl"})
    assert (own.status_code, own.json()["email"]) == (200, "gone@example.pl")
    types = await api.event_types(kept["id"])
    assert types.count("contact.created") == 2, "both histories are the kept one's"
    assert "contact.merged" in types


async def test_a_merge_runs_rules_and_is_done_once(api: Api) -> None:
    await api.shop.rule(triggers=[{"type": "contact.merged"}], actions=[{"type": "webhook", "endpointId": "end_1"}])
    kept, gone = await api.contact(email="kept@example.pl"), await api.contact(email="gone@example.pl")
    path, key = f"/contacts/{kept['id']}/merge", {"idempotency-key": "m-1"}
    first = await api.post(path, {"from": gone["id"]}, headers=key)
    again = await api.post(path, {"from": gone["id"]}, headers=key)
    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.headers["etag"], again.headers["content-type"]) == (first.headers["etag"], "application/json")
    without = await api.post(path, {"from": gone["id"]})
    assert (without.status_code, without.json()) == (200, first.json()), "what is merged already stays as it is"
    await api.shop.settle()
    assert len(api.shop.sender.sent) == 1


async def test_a_chain_of_merges_ends_at_one(api: Api) -> None:
    a, b, c = [
        await api.contact(email=f"{name}@example.pl", state=state) for name, state in zip("abc", STATES, strict=True)
    ]
    assert (await api.post(f"/contacts/{b['id']}/merge", {"from": c["id"]})).status_code == 200
    last = await api.post(f"/contacts/{a['id']}/merge", {"from": b["id"]})
    assert (last.json()["merged"], last.json()["state"]) == ([b["id"], c["id"]], "CUSTOMER")
    for one in (a, b, c):
        assert (await api.get(f"/contacts/{one['id']}")).json()["id"] == a["id"]
    back = await api.post(f"/contacts/{c['id']}/merge", {"from": a["id"]})
    assert back.json()["seq"] == last.json()["seq"]


async def test_what_cannot_be_merged(api: Api) -> None:
    kept, other = await api.contact(email="kept@example.pl"), await api.contact(email="other@example.pl")
    path = f"/contacts/{kept['id']}/merge"
    itself = await api.post(path, {"from": kept["id"]})
    assert (itself.status_code, pointers(itself)) == (422, ["/from"])
    unknown = await api.post(path, {"from": "nobody"})
    assert (unknown.status_code, pointers(unknown)) == (422, ["/from"])
    assert (await api.post("/contacts/nobody/merge", {"from": kept["id"]})).status_code == 404
    stale = await api.post(path, {"from": other["id"]}, headers={"if-match": '"99"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "preconditionFailed")
    for n, contact in enumerate((kept, other)):
        many = {f"{n}-{i}": "x" * 9_000 for i in range(20)}
        assert (await api.post(f"/contacts/{contact['id']}/details", {"details": many})).status_code == 200
    large = await api.post(path, {"from": other["id"]})
    assert (large.status_code, large.json()["code"]) == (422, "contactTooLarge")
    assert (await api.get(f"/contacts/{other['id']}")).json()["id"] == other["id"], "nothing of it happened"
    assert (await api.post(path, {"from": other["id"]}, scope="ingest")).status_code == 403


async def test_limits_of_rules_count_across_a_merge(api: Api) -> None:
    await api.shop.rule(
        triggers=[{"type": "page.visited"}], actions=[{"type": "webhook", "endpointId": "end_1"}], maxRuns=2
    )
    contacts = [await api.contact(email=f"{name}@example.pl") for name in "ab"]
    visits = [
        {"type": "page.visited", "contact": {"id": contact["id"]}, "data": {"url": "https://x.example/"}}
        for contact in contacts
    ]
    assert (await api.post("/events", {"events": visits})).json()["accepted"] == 2
    merged = await api.post(f"/contacts/{contacts[0]['id']}/merge", {"from": contacts[1]["id"]})
    assert merged.json()["lastActivityAt"] is not None
    assert (await api.post("/events", visits[1])).status_code == 202
    await api.shop.settle()
    assert len(api.shop.sender.sent) == 2


async def test_erasing_leaves_nothing_personal(api: Api) -> None:
    await api.shop.rule(triggers=[{"type": "contact.created"}], actions=[{"type": "webhook", "endpointId": "end_1"}])
    api.shop.sender.script = lambda _: failing()
    contact = await api.contact(email="secret@example.pl", name="Sekretny", notes=["tajne"])
    await api.shop.settle()
    answer = await api.delete(f"/contacts/{contact['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert api.context.notice.told == ["end_1"]  # type: ignore[attr-defined] # the test's own
    assert (await api.get(f"/contacts/{contact['id']}")).status_code == 404
    assert (await api.delete(f"/contacts/{contact['id']}")).status_code == 404
    events = (await api.get("/events")).json()["items"]
    assert [event["type"] for event in events] == ["contact.created", "contact.note_added", "contact.erased"]
    assert all(event["data"] == {} for event in events)
    assert [event["seq"] for event in events] == [1, 2, 3]
    assert events[-1]["fired"] is False
    (delivery,) = await api.shop.deliveries()
    assert (delivery.status, delivery.body) == (Status.CANCELLED, b"")
    fresh = await api.post("/contacts", {"email": "secret@example.pl"})
    assert fresh.status_code == 201
    assert fresh.json()["id"] != contact["id"]


async def test_an_address_in_an_idempotency_key_is_kept_nowhere(api: Api, tmp_path: Path) -> None:
    key = {"idempotency-key": "new-secret@example.pl"}
    made = await api.post("/contacts", {"email": "secret@example.pl"}, headers=key)
    again = await api.post("/contacts", {"email": "secret@example.pl"}, headers=key)
    assert (again.headers["idempotency-replayed"], again.json()) == ("true", made.json())
    assert b"secret@example.pl" in on_disk(tmp_path)
    await api.delete(f"/contacts/{made.json()['id']}")
    assert b"secret@example.pl" not in on_disk(tmp_path)


async def test_an_answer_that_was_erased_is_told_as_such_and_nothing_happens_again(api: Api) -> None:
    key = {"idempotency-key": "one"}
    made = (await api.post("/contacts", {"email": "secret@example.pl"}, headers=key)).json()
    await api.delete(f"/contacts/{made['id']}")
    again = await api.post("/contacts", {"email": "secret@example.pl"}, headers=key)
    assert (again.status_code, again.json()["code"]) == (409, "answerErased")
    assert (await api.get("/contacts")).json()["items"] == []


async def test_erasing_minds_the_version_and_the_scope(api: Api) -> None:
    contact = await api.contact()
    assert (await api.delete(f"/contacts/{contact['id']}", headers={"if-match": '"9"'})).status_code == 412
    assert (await api.delete(f"/contacts/{contact['id']}", scope="read")).status_code == 403
    assert (await api.delete(f"/contacts/{contact['id']}", headers={"if-match": '"1"'})).status_code == 204


async def test_an_export_has_everything(api: Api) -> None:
    await api.shop.rule(triggers=[{"type": "contact.created"}], actions=[{"type": "webhook", "endpointId": "end_1"}])
    await api.shop.rule(
        "rul_2",
        triggers=[{"type": "contact.created"}],
        conditions={"type": "score", "op": "gt", "value": 5},
        actions=[{"type": "webhook", "endpointId": "end_1"}],
    )
    await api.shop.rule(
        "rul_3",
        triggers=[{"type": "contact.created"}],
        actions=[{"type": "webhook", "endpointId": "end_1"}],
        validTo="2020-01-01T00:00:00Z",
    )
    contact = await api.contact(name="Jan", tags=["VIP"])
    await api.shop.settle()
    answer = await api.get(f"/contacts/{contact['id']}/export")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == f'attachment; filename="contact-{contact["id"]}.json"'
    export = answer.json()
    assert export["contact"] == contact
    assert [entry["event"]["type"] for entry in export["timeline"]] == ["contact.tagged", "contact.created"]
    created = export["timeline"][1]
    assert [(run["ruleId"], run["outcome"]) for run in created["runs"]] == [("rul_1", "fired")]
    assert [(miss["ruleId"], miss["outcome"]) for miss in created["misses"]] == [
        ("rul_2", "conditionsFailed"),
        ("rul_3", "outsideValidity"),
    ]
    assert created["misses"][0]["trace"][0]["value"] == 0
    (delivery,) = created["deliveries"]
    assert delivery["status"] == "delivered"
    assert '"email":"jan@example.pl"' in delivery["body"]
    assert [(one["number"], one["status"], one["body"]) for one in delivery["attempts"]] == [(1, 200, "ok")]
    assert (await api.get(f"/contacts/{contact['id']}/export", scope="ingest")).status_code == 403
