"""What became of mail, told over the API by whoever carries it."""

import json
from typing import Any

import pytest

from goniec.core.tokens import bounce
from tests.e2e.api.client import Api, pointers
from tests.flow.mails import ANNA, KEYS, sent


async def tell(api: Api, *events: dict[str, Any], **request: Any) -> Any:
    return await api.post("/mail/feedback", {"events": events}, scope="ingest", **request)


async def test_a_bounce_is_on_disk_and_told_once(api: Api) -> None:
    delivery = await sent(api.shop)
    message_id = f"<{delivery.id.lower()}.{bounce(KEYS, delivery.id)}@example.com>"
    event = {"type": "bounce", "messageId": message_id, "code": "5.1.1", "reason": "550 5.1.1 no such user"}
    answer = await tell(api, event, event)
    assert answer.status_code == 202
    taken = answer.json()
    assert (taken["accepted"], taken["duplicates"], taken["refused"]) == (1, 1, [])
    assert taken["ids"][0] == taken["ids"][1]
    told = (await api.get(f"/events/{taken['ids'][0]}")).json()
    assert (told["type"], told["source"], told["sourceKey"]) == ("email.bounced", "tracking", "key-ingest")
    assert (told["data"]["kind"], told["data"]["email"]) == ("hard", ANNA)


async def test_each_is_taken_or_refused_by_itself(api: Api) -> None:
    contact = await api.contact(email=ANNA)
    answer = await tell(
        api,
        {"type": "complaint", "email": ANNA},
        {"type": "complaint", "email": ANNA},
        {"type": "delivered", "email": ANNA},
        {"type": "bounce", "email": "nobody@example.com"},
        {"type": "bounce", "messageId": "<1@provider.example>"},
        {"type": "bounce", "code": "x", "email": ANNA},
    )
    assert answer.status_code == 202
    taken = answer.json()
    assert taken["accepted"] == 3
    assert [(one["index"], one["pointer"], one["code"]) for one in taken["refused"]] == [
        (3, "", "unknownContact"),
        (4, "", "unknownContact"),
        (5, "/code", "invalid"),
    ]
    assert [one is not None for one in taken["ids"]] == [True, False, False, False, False, False]
    assert await api.event_types(contact["id"]) == ["contact.created", "contact.opted_out"]
    totals = await api.store.queries.totals()
    assert (totals["received"], totals["accepted"], totals["refused"]) == (6, 3, 3)


async def test_all_refused_is_an_error(api: Api) -> None:
    answer = await tell(api, {"type": "bounce"}, {"type": "bounce", "email": ANNA})
    assert answer.status_code == 422
    assert answer.json()["code"] == "nothingTaken"
    assert pointers(answer) == ["/events/0", "/events/1"]
    assert (await api.post("/mail/feedback", {"events": []}, scope="ingest")).status_code == 422
    assert (await api.post("/mail/feedback", {"events": []}, scope="read")).status_code == 403


async def test_asked_again_it_is_answered_again(api: Api) -> None:
    await api.contact(email=ANNA)
    event, key = {"type": "bounce", "email": ANNA}, {"idempotency-key": "k"}
    first = await tell(api, event, headers=key)
    again = await tell(api, event, headers=key)
    assert (first.json(), again.headers["idempotency-replayed"]) == (again.json(), "true")


async def test_a_provider_tells_in_its_own_words_and_is_never_asked_to_come_again(api: Api) -> None:
    contact = await api.contact(email=ANNA)
    message = {
        "notificationType": "Complaint",
        "complaint": {"complainedRecipients": [{"emailAddress": ANNA}, {"emailAddress": "nobody@example.com"}]},
    }
    body = json.dumps({"Type": "Notification", "Message": json.dumps(message)})
    # as SNS sends it: text/plain, and the key in the URL
    answer = await api.http.post(
        "mail/feedback?format=ses",
        content=body,
        headers={"content-type": "text/plain; charset=UTF-8"},
        auth=("goniec", api.keys["ingest"]),
    )
    assert answer.status_code == 202, answer.text
    taken = answer.json()
    assert (taken["accepted"], [one["code"] for one in taken["refused"]]) == (1, ["unknownContact"])
    assert await api.event_types(contact["id"]) == ["contact.created", "contact.opted_out"]
    other = await api.post("/mail/feedback?format=postmark", {"RecordType": "Open"}, scope="ingest")
    assert (other.status_code, other.json()["ids"]) == (202, [])
    assert (await api.post("/mail/feedback?format=carrier-pigeon", {}, scope="ingest")).status_code == 400
    assert (await api.raw("/mail/feedback?format=mailgun", b"event=failed", "text/plain")).status_code == 400


def complained(of: int) -> dict[str, Any]:
    """What SES says where many people call a mail spam."""
    recipients = [{"emailAddress": f"{n}@example.com"} for n in range(of)]
    return {"notificationType": "Complaint", "complaint": {"complainedRecipients": recipients}}


async def test_a_provider_may_tell_of_thousands_and_hears_what_is_too_much(api: Api) -> None:
    last = await api.contact(email="1199@example.com")
    told = complained(1_200)
    answer = await api.post("/mail/feedback?format=ses", told, scope="ingest")
    assert (answer.status_code, answer.json()["accepted"], len(answer.json()["ids"])) == (202, 1, 1_200)
    assert await api.event_types(last["id"]) == ["contact.created", "contact.opted_out"]
    again = await api.post("/mail/feedback?format=ses", told, scope="ingest", headers={"idempotency-key": "k"})
    assert len(again.json()["refused"]) == 1_199
    answer = await api.post("/mail/feedback?format=ses", complained(20_000), scope="ingest")
    assert answer.status_code == 422
    assert "more than 5,000 mails" in answer.text


@pytest.mark.parametrize("credentials", ["Basic", "Basic ****", "Basic Og==", "Basic Z29uaWVjOg==", "Digest x"])
async def test_credentials_that_hold_no_key(api: Api, credentials: str) -> None:
    answer = await api.http.post("mail/feedback", headers={"authorization": credentials})
    assert (answer.status_code, answer.json()["code"]) == (401, "keyMissing")
    assert answer.headers.get_list("www-authenticate") == [
        'Bearer realm="goniec"',
        'Basic realm="goniec", charset="UTF-8"',
    ]


async def test_a_key_is_a_password_nowhere_else(api: Api) -> None:
    answer = await api.http.post("events", json={}, auth=("goniec", api.keys["ingest"]))
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="goniec"')


async def test_a_bounce_can_be_lifted(api: Api) -> None:
    contact = await api.contact(email=ANNA)
    await tell(api, {"type": "bounce", "kind": "hard", "email": ANNA})
    assert (await api.get(f"/contacts/{contact['id']}")).json()["bounced"] == ANNA
    for events in (1, 0):
        before = (await api.get(f"/contacts/{contact['id']}")).json()["seq"]
        answer = await api.delete(f"/contacts/{contact['id']}/bounce")
        assert (answer.status_code, answer.json()["bounced"], answer.json()["seq"] - before) == (200, None, events)
    (lifted,) = (await api.get(f"/events?contactId={contact['id']}&type=contact.bounce_lifted")).json()["items"]
    assert (lifted["source"], lifted["data"]) == ("api", {"email": ANNA})
    assert (await api.delete("/contacts/nobody/bounce")).status_code == 404
