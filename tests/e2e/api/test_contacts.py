"""Contacts over the API: who is meant, what is kept and cleared, single changes, versions."""

import asyncio

import pytest

from tests.e2e.api.client import Api, pointers

CRAFTY = 'M&M <Żabka> "Łódź" 😱 \'s'


async def test_an_upsert_makes_a_contact_and_then_knows_it(api: Api) -> None:
    made = await api.post("/contacts", {"email": "Jan@Example.pl", "name": "Jan", "tags": ["vip"]})
    assert made.status_code == 201
    contact = made.json()
    assert made.headers["location"] == f"/api/v1/contacts/{contact['id']}"
    assert made.headers["etag"] == f'"{contact["seq"]}"'
    assert contact["email"] == "Jan@Example.pl"
    assert [tag["tag"] for tag in contact["tags"]] == ["VIP"]
    known = await api.post("/contacts", {"email": "jan@example.PL", "company": "Żabka"})
    assert known.status_code == 200
    assert known.json()["id"] == contact["id"]
    assert known.json()["name"] == "Jan"
    assert known.json()["email"] == "Jan@Example.pl", "another case is no other address"
    assert await api.event_types(contact["id"]) == ["contact.created", "contact.tagged", "contact.changed"]


async def test_a_contact_shows_everything_and_nothing_of_the_inside(api: Api) -> None:
    await api.shop.funnel("Sales", "New", "Won")
    contact = await api.contact(
        phone="600 100 200",
        externalId="C-1",
        language="pl",
        timezone="Europe/Warsaw",
        state="CUSTOMER",
        owner="ola@firma.pl",
        details={"shoe size": 42, "since": "2020-02-29", "vip": True, "rate": 0.5},
        score={"add": 7},
        stages={"Sales": "New"},
        consents={"marketing": True},
        subscriptions={"email": True, "phone": False},
        notes=["first"],
    )
    read = (await api.get(f"/contacts/{contact['id']}")).json()
    assert read == contact
    assert "fired" not in read
    assert read["details"] == {"shoe size": 42, "since": "2020-02-29", "vip": True, "rate": 0.5}
    assert read["stages"][0] | {"since": ""} == {"funnel": "Sales", "stage": "New", "score": 0, "since": ""}
    assert (read["score"], read["consents"]) == (7, {"marketing": True})
    assert read["subscriptions"] == {"email": True, "phone": False}
    assert read["createdAt"].endswith("Z")
    assert await api.event_types(contact["id"]) == [
        "contact.created",
        "contact.owner_changed",
        "contact.state_changed",
        *["contact.detail_added"] * 4,
        "contact.score_changed",
        "contact.stage_entered",
        "consent.assigned",
        "contact.opted_in",
        "contact.opted_out",
        "contact.note_added",
    ]


async def test_a01_three_spellings_of_a_tag_are_one_event_one_run_one_webhook(api: Api) -> None:
    await api.shop.rule(
        triggers=[{"type": "contact.tagged", "tags": ["VIP"]}], actions=[{"type": "webhook", "endpointId": "end_1"}]
    )
    contact = await api.contact(tags=["VIP", "vip", " Vip "])
    await api.shop.settle()
    assert (await api.event_types(contact["id"])).count("contact.tagged") == 1
    assert len(api.shop.sender.sent) == 1


async def test_a08_what_a_receiver_writes_back_unchanged_is_no_event(api: Api) -> None:
    await api.shop.rule(
        triggers=[{"type": "contact.changed"}],
        conditions={"type": "not", "of": [{"type": "eventSource", "keys": ["key-ingest"]}]},
        actions=[{"type": "webhook", "endpointId": "end_1"}],
    )
    contact = await api.contact(name="Jan")
    before = contact["seq"]
    same = await api.contact(name="Jan", tags=[], details={})
    assert same["seq"] == before
    await api.contact(name="Janek")
    await api.shop.settle()
    assert len(api.shop.sender.sent) == 1
    await api.post("/contacts", {"email": "jan@example.pl", "name": "Jasiek"}, scope="ingest")
    await api.shop.settle()
    assert len(api.shop.sender.sent) == 1, "the integrator's own writes can be left out"


@pytest.mark.parametrize("cleared", [None, "", "  "])
async def test_a10_null_and_empty_clear_absent_keeps(api: Api, cleared: str | None) -> None:
    await api.shop.rule(triggers=[{"type": "contact.changed"}], actions=[{"type": "webhook", "endpointId": "end_1"}])
    contact = await api.contact(phone="600 100 200", tags=["VIP"], details={"X": 1, "Y": 2})
    kept = await api.patch(f"/contacts/{contact['id']}", {"name": "Jan", "tags": [], "details": {"X": None}})
    assert kept.json()["phone"] == "600 100 200"
    assert [tag["tag"] for tag in kept.json()["tags"]] == ["VIP"]
    assert kept.json()["details"] == {"Y": 2}
    gone = await api.patch(f"/contacts/{contact['id']}", {"phone": cleared})
    assert gone.json()["phone"] is None
    await api.shop.settle()
    assert b'"phone":null' in api.shop.sender.sent[-1].body


async def test_a11_a_new_address_stays_with_its_contact_and_a_taken_one_is_refused(api: Api) -> None:
    first = await api.contact(email="jan@example.pl", externalId="C-1")
    moved = await api.contact(email="jan.nowy@example.pl", externalId="C-1")
    assert (moved["id"], moved["email"]) == (first["id"], "jan.nowy@example.pl")
    other = await api.contact(email="ola@example.pl")
    taken = await api.post("/contacts", {"email": "OLA@example.pl", "externalId": "C-1", "name": "X"})
    assert taken.status_code == 409
    assert taken.json()["code"] == "conflict"
    assert taken.json()["contacts"] == [first["id"], other["id"]]
    assert pointers(taken) == ["/email"]
    assert (await api.get(f"/contacts/{first['id']}")).json() == moved
    by_path = await api.patch(f"/contacts/{first['id']}", {"email": "ola@example.pl"})
    assert (by_path.status_code, pointers(by_path)) == (409, ["/email"])


async def test_a12_details_never_shadow_the_contacts_own_fields(api: Api) -> None:
    names = ["source", "id", "email", "a.b", "e-mail z firmy", "__proto__", "fields", "ścieżka/~1"]
    contact = await api.contact(details=dict.fromkeys(names, "x"))
    read = (await api.get(f"/contacts/{contact['id']}")).json()
    assert read["details"] == dict.fromkeys(names, "x")
    assert (read["email"], read["id"]) == ("jan@example.pl", contact["id"])
    removed = await api.post(f"/contacts/{contact['id']}/details", {"details": {"__proto__": None, "a.b": ""}})
    assert sorted(removed.json()["details"]) == sorted(set(names) - {"__proto__", "a.b"})


async def test_a15_text_arrives_as_it_was_entered(api: Api) -> None:
    await api.shop.rule(
        triggers=[{"type": "contact.created"}],
        conditions={"type": "field", "field": "company", "op": "eq", "value": CRAFTY},
        actions=[{"type": "webhook", "endpointId": "end_1"}],
    )
    contact = await api.contact(company=CRAFTY)
    assert contact["company"] == CRAFTY
    await api.shop.settle()
    assert api.shop.sender.sent[0].body.decode().count('M&M <Żabka> \\"Łódź\\" 😱 \'s') == 1


async def test_a18_digits_of_other_scripts_are_text(api: Api) -> None:
    for op, value in (("eq", "12"), ("gt", 5)):
        await api.shop.rule(
            f"rul_{op}",
            triggers=[{"type": "contact.created"}],
            conditions={"type": "detail", "name": "number", "op": op, "value": value},
            actions=[{"type": "webhook", "endpointId": "end_1"}],
        )
    for n, digits in enumerate(("١٢", "\uff11\uff12")):
        contact = await api.contact(email=f"x{n}@example.pl", details={"number": digits}, phone=digits)
        assert (contact["details"]["number"], contact["phone"]) == (digits, digits)
    await api.shop.settle()
    assert not api.shop.sender.sent


async def test_the_phone_is_a_key_only_when_it_is_alone_and_unique(api: Api) -> None:
    first = await api.contact(email="a@example.pl", phone="+48 600 100 200")
    alone = await api.post("/contacts", {"phone": "600100200", "name": "Jan"})
    assert (alone.status_code, alone.json()["id"]) == (200, first["id"])
    assert alone.json()["phone"] == "+48 600 100 200", "finding by another spelling changes nothing"
    second = await api.contact(email="b@example.pl", phone="600-100-200")
    ambiguous = await api.post("/contacts", {"phone": "600 100 200"})
    assert (ambiguous.status_code, ambiguous.json()["code"]) == (409, "ambiguousPhone")
    assert ambiguous.json()["contacts"] == [first["id"], second["id"]]


async def test_many_first_sights_of_one_person_make_one_contact(api: Api) -> None:
    sights = [
        api.post("/contacts", {"email": "Jan@example.pl" if n % 2 else "jan@example.pl", "externalId": "C-1"})
        for n in range(40)
    ]
    answers = await asyncio.gather(*sights)
    assert sorted(answer.status_code for answer in answers) == [200] * 39 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert (await api.event_types(answers[0].json()["id"])) == ["contact.created"]


async def test_the_same_request_at_the_same_time_is_done_once(api: Api) -> None:
    contact = await api.contact()
    path, key = f"/contacts/{contact['id']}/score", {"idempotency-key": "ten"}
    answers = await asyncio.gather(*[api.post(path, {"add": 10}, headers=key) for _ in range(20)])
    assert {(answer.status_code, answer.json()["score"], answer.headers["etag"]) for answer in answers} == {
        (200, 10, '"2"')
    }
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 19


async def test_a_contact_needs_a_key(api: Api) -> None:
    none = await api.post("/contacts", {"name": "Jan"})
    assert (none.status_code, none.json()["code"]) == (422, "noKey")
    contact = await api.contact()
    last = await api.patch(f"/contacts/{contact['id']}", {"email": None})
    assert (last.status_code, last.json()["code"]) == (422, "noKey")
    unknown = await api.post("/contacts", {"id": "019ab6f0-5c1e-7cc2-9a55-3f1d2b7c8e90"})
    assert (unknown.status_code, pointers(unknown)) == (422, ["/id"])


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"name": "x" * 10_000}, "/name"),
        ({"company": "x\u0000y"}, "/company"),
        ({"email": "no address"}, "/email"),
        ({"email": "two@at@signs"}, "/email"),
        ({"phone": "1" * 201}, "/phone"),
        ({"externalId": "a\tb"}, "/externalId"),
        ({"language": "x" * 36}, "/language"),
        ({"timezone": "Europe/Kraków"}, "/timezone"),
        ({"state": "customer"}, "/state"),
        ({"owner": "x" * 201}, "/owner"),
        ({"tags": ["VIP", ""]}, "/tags/1"),
        ({"tags": "VIP"}, "/tags"),
        ({"tags": ["x"] * 1_001}, "/tags"),
        ({"details": {"": 1}}, "/details/"),
        ({"details": {"a": "x" * 10_001}}, "/details/a"),
        ({"details": {"a/b": 2**63}}, "/details/a~1b"),
        ({"details": {"a": [1]}}, "/details"),
        ({"details": {str(n): n for n in range(1_001)}}, "/details"),
        ({"score": {}}, "/score"),
        ({"score": {"add": 1, "set": 2}}, "/score"),
        ({"score": {"add": 2**31}}, "/score/add"),
        ({"score": {"set": -(2**31) - 1}}, "/score/set"),
        ({"score": 5}, "/score"),
        ({"stages": {"Sales": "Lost"}}, "/stages/Sales"),
        ({"stages": {"No/such": "Won"}}, "/stages/No~1such"),
        ({"consents": {"": True}}, "/consents/"),
        ({"consents": {"marketing": 1}}, "/consents"),
        ({"subscriptions": {"fax": True}}, "/subscriptions"),
        ({"notes": [" "]}, "/notes/0"),
        ({"notes": ["x" * 10_001]}, "/notes/0"),
        ({"nickname": "J"}, "/nickname"),
        ({"fired": {}}, "/fired"),
        ({"id": ""}, "/id"),
    ],
)
async def test_what_cannot_be_taken_is_named(api: Api, fields: dict[str, object], pointer: str) -> None:
    await api.shop.funnel("Sales", "New", "Won")
    answer = await api.post("/contacts", {"email": "jan@example.pl", **fields})
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert pointers(answer) == [pointer]
    assert (await api.get("/contacts")).json()["items"] == []


async def test_all_faults_of_a_contact_are_told_at_once(api: Api) -> None:
    answer = await api.post("/contacts", {"email": "x", "name": "\n", "company": "a\x01", "tags": ["!"]})
    assert pointers(answer) == ["/email", "/name", "/company", "/tags/0"]


async def test_single_changes(api: Api) -> None:
    await api.shop.funnel("Sales", "New", "Won")
    contact = await api.contact()
    path = f"/contacts/{contact['id']}"
    tagged = await api.post(f"{path}/tags", {"add": ["vip", "new"], "remove": ["new", "never had"]})
    assert [tag["tag"] for tag in tagged.json()["tags"]] == ["VIP"]
    assert (await api.post(f"{path}/score", {"add": 5})).json()["score"] == 5
    assert (await api.post(f"{path}/score", {"set": -3})).json()["score"] == -3
    staged = await api.post(f"{path}/stage", {"funnel": "Sales", "stage": "New"})
    assert staged.json()["stages"][0]["stage"] == "New"
    assert (await api.post(f"{path}/stage", {"funnel": "Sales", "stage": None})).json()["stages"] == []
    assert (await api.post(f"{path}/details", {"details": {"a": 1}})).json()["details"] == {"a": 1}
    noted = await api.post(f"{path}/notes", {"text": "one\nline\tmore"})
    assert noted.headers["etag"] == f'"{noted.json()["seq"]}"'
    wishes = await api.post(f"{path}/consents", {"consents": {"rodo": False}, "subscriptions": {"email": False}})
    assert (wishes.json()["consents"], wishes.json()["subscriptions"]) == ({"rodo": False}, {"email": False})
    event = (await api.get("/events", params={"contactId": contact["id"], "type": "contact.note_added"})).json()
    assert event["items"][0]["data"] == {"text": "one\nline\tmore"}
    assert (event["items"][0]["source"], event["items"][0]["sourceKey"]) == ("api", "key-admin")


@pytest.mark.parametrize(
    ("call", "body", "pointer"),
    [
        ("tags", {"add": [""]}, "/add/0"),
        ("tags", {"remove": ["?"]}, "/remove/0"),
        ("score", {"add": 1, "set": 1}, ""),
        ("score", {"add": 2**40}, "/add"),
        ("stage", {"funnel": "No", "stage": "Won"}, "/funnel"),
        ("stage", {"funnel": "Sales", "stage": "No"}, "/stage"),
        ("stage", {"funnel": "Sales"}, "/stage"),
        ("details", {"details": {" ": 1}}, "/details/ "),
        ("notes", {"text": ""}, "/text"),
        ("consents", {"consents": {"a\nb": True}}, "/consents/a\nb"),
    ],
)
async def test_what_a_single_change_cannot_take_is_named(
    api: Api, call: str, body: dict[str, object], pointer: str
) -> None:
    await api.shop.funnel("Sales", "Won")
    contact = await api.contact()
    answer = await api.post(f"/contacts/{contact['id']}/{call}", body)
    assert (answer.status_code, pointers(answer)) == (422, [pointer])


async def test_nothing_is_changed_about_a_contact_that_is_not_there(api: Api) -> None:
    for call, body in (("", {"name": "x"}), ("/tags", {"add": ["x"]}), ("/score", {"add": 1})):
        method = "POST" if call else "PATCH"
        answer = await api.ask(method, f"/contacts/019ab6f0-5c1e-7cc2-9a55-3f1d2b7c8e90{call}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "notFound")
    assert (await api.get("/contacts/nobody")).status_code == 404
    assert (await api.get("/contacts/nobody/export")).status_code == 404


async def test_a_patch_names_its_contact_in_the_path_alone(api: Api) -> None:
    contact = await api.contact()
    same = await api.patch(f"/contacts/{contact['id']}", {"id": contact["id"], "name": "x"})
    assert same.status_code == 200
    other = await api.patch(f"/contacts/{contact['id']}", {"id": "another"})
    assert (other.status_code, pointers(other)) == (422, ["/id"])


async def test_who_was_quicker_wins(api: Api) -> None:
    contact = await api.contact()
    path = f"/contacts/{contact['id']}"
    tag = (await api.get(path)).headers["etag"]
    first = await api.patch(path, {"name": "first"}, headers={"if-match": tag})
    assert first.status_code == 200
    second = await api.patch(path, {"name": "second"}, headers={"if-match": tag})
    assert (second.status_code, second.json()["code"]) == (412, "preconditionFailed")
    assert (await api.get(path)).json()["name"] == "first"
    weakened = await api.patch(path, {"name": "third"}, headers={"if-match": "W/" + first.headers["etag"]})
    assert weakened.status_code == 200, "a proxy that compresses weakens tags"
    assert (await api.patch(path, {"name": "any"}, headers={"if-match": "*"})).status_code == 200
    assert (await api.patch(path, {"name": "no"}, headers={"if-match": '"x"'})).status_code == 412
    assert (await api.patch(path, {"name": "no"}, headers={"if-match": "3"})).status_code == 400
    assert (await api.patch(path, {"name": "no"}, headers={"if-match": '"1", "2"'})).status_code == 400


async def test_a_new_contact_does_not_meet_a_version(api: Api) -> None:
    answer = await api.post("/contacts", {"email": "new@example.pl"}, headers={"if-match": '"3"'})
    assert answer.status_code == 412
    assert (await api.get("/contacts")).json()["items"] == []


async def test_rules_can_be_left_out(api: Api) -> None:
    await api.shop.rule(
        triggers=[{"type": "contact.created"}, {"type": "contact.readded"}, {"type": "contact.changed"}]
    )
    contact = await api.contact(fireEvents=False)
    await api.patch(f"/contacts/{contact['id']}", {"name": "x", "fireEvents": False})
    again = await api.contact(readd=True)
    events = (await api.get("/events", params={"contactId": contact["id"]})).json()["items"]
    assert [(event["type"], event["fired"]) for event in events] == [
        ("contact.created", False),
        ("contact.changed", False),
        ("contact.readded", True),
    ]
    assert again["seq"] == 3


async def test_a_key_that_only_sends_is_not_shown_what_it_did_not_send(api: Api) -> None:
    contact = await api.contact(name="Secret")
    answer = await api.post("/contacts", {"email": "jan@example.pl"}, scope="ingest")
    assert answer.json() == {"id": contact["id"], "seq": contact["seq"]}
    assert (await api.get(f"/contacts/{contact['id']}", scope="ingest")).status_code == 403


async def test_search(api: Api) -> None:
    jan = await api.contact(email="jan+vip@example.pl", phone="600 100 200", company="100% M_M", tags=["Żółw"])
    ola = await api.contact(email="ola@example.pl", externalId="C-2", name="Ola % _")

    async def found(query: str) -> list[str]:
        answer = await api.get(f"/contacts?{query}")
        assert answer.status_code == 200, answer.text
        return [contact["id"] for contact in answer.json()["items"]]

    assert await found("") == [jan["id"], ola["id"]]
    assert await found("email=JAN%2Bvip@example.pl") == [jan["id"]]
    assert await found("email=jan+vip@example.pl") == [jan["id"]], "a plus that nobody encoded"
    assert await found("email=jan") == []
    assert await found("phone=%2B48600100200") == [jan["id"]]
    assert await found("phone=+48600100200") == [jan["id"]]
    assert await found("phone=nonsense") == []
    assert await found("externalId=C-2") == [ola["id"]]
    assert await found("tag=zolw") == [jan["id"]]
    assert await found("tag=%3F") == []
    assert await found("q=%25") == [jan["id"], ola["id"]]
    assert await found("q=m_m") == [jan["id"]]
    assert await found("q=%2Bvip") == [jan["id"]]
    assert await found("q=jan&tag=zolw&phone=600100200") == [jan["id"]]
    assert (await api.get("/contacts?email=")).status_code == 400, "a variable that was never set finds nobody"
    assert (await api.get("/contacts", params={"q": "x" * 201})).status_code == 400
