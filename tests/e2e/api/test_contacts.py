"""Contacts over the API: identity, fields, single changes, conditional requests."""

from tests.e2e.api.client import Api, pointers


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
    assert (await api.event_types(contact["id"])) == ["contact.created", "contact.tagged", "contact.changed"]
