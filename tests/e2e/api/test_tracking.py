"""What mails lead back to: pixels, links, and the page on which a person opts out."""

import asyncio
import re
from typing import Any

import httpx
import pytest
from markupsafe import escape
from msgspec.structs import replace

from goniec.core.identity import Refusal
from goniec.core.ids import DELIVERY, MESSAGE, of_number
from goniec.core.model import Event
from goniec.core.tokens import PURPOSE, leave, link, seen
from goniec.observe import counters
from goniec.ports import EventFilter, Page, Unavailable
from goniec.web import create_app
from goniec.web.tracking import seen as room
from goniec.web.tracking.leaving import masked
from goniec.web.tracking.location import location
from tests.e2e.api.client import Api

D, M = of_number(DELIVERY, 7), of_number(MESSAGE, 9)
BROWSER = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"}
ONE_CLICK = b"List-Unsubscribe=One-Click"
FORM = {"content-type": "application/x-www-form-urlencoded"}
SHOP = "https://sklep.example/buty?kolor=czerwony&u=http%3A%2F%2Fx.example%2F#rozmiar[42]"


class Mail:
    """A mail to a contact, and what its reader does."""

    def __init__(self, api: Api, contact_id: str) -> None:
        self.api = api
        self.contact_id = contact_id
        self.keys = api.context.vault.derived(PURPOSE)
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(api.app), base_url="http://goniec.test", headers=BROWSER
        )

    @property
    def pixel(self) -> str:
        return f"/t/o/{seen(self.keys, D, self.contact_id, M)}.gif"

    @property
    def leave(self) -> str:
        return f"/t/u/{leave(self.keys, D, self.contact_id, M)}"

    def link(self, url: str = SHOP) -> str:
        return f"/t/c/{link(self.keys, D, self.contact_id, M, url)}"

    async def get(self, path: str, **request: Any) -> httpx.Response:
        return await self.http.get(path, **request)

    async def click(self, content: bytes = ONE_CLICK, **headers: str) -> httpx.Response:
        return await self.http.post(self.leave, content=content, headers={**FORM, **headers})

    async def events(self, kind: str) -> list[Event]:
        await self.api.spool.empty.wait()
        found = await self.api.store.queries.events(EventFilter(contact_id=self.contact_id, type=kind), Page(500))
        return list(found)

    async def opted(self) -> bool | None:
        contact = await self.api.store.queries.contact(self.contact_id)
        assert contact is not None
        return contact.subscriptions.get("email")


@pytest.fixture
async def mail(api: Api) -> Mail:
    contact = await api.contact(email="jan.nowak@example.com", language="pl")
    return Mail(api, contact["id"])


def not_there(answer: httpx.Response) -> bool:
    return answer.status_code == 404 and "text/html" in answer.headers["content-type"]


# --- openings and clicks ----------------------------------------------------------------------------------------------


async def test_a_pixel_is_seen_each_time_it_is_loaded(mail: Mail) -> None:
    for _ in range(3):
        answer = await mail.get(mail.pixel)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
        assert answer.content.startswith(b"GIF89a")
        assert len(answer.content) == 42
        assert answer.headers["cache-control"] == "no-store, no-cache, must-revalidate, max-age=0, private"
        assert (answer.headers["pragma"], answer.headers["expires"]) == ("no-cache", "0")
        assert "set-cookie" not in answer.headers
    opened = await mail.events("email.opened")
    data = {"delivery": D, "machine": False, "message": M}
    assert [event.data for event in opened] == [data | {"first": first} for first in (True, False, False)]
    assert {event.source for event in opened} == {"tracking"}


async def test_a_link_leads_where_its_author_wrote(mail: Mail) -> None:
    answer = await mail.get(mail.link())
    assert (answer.status_code, answer.headers["location"]) == (302, SHOP)
    assert "no-store" in answer.headers["cache-control"]
    assert answer.headers["x-robots-tag"] == "noindex"
    (clicked,) = await mail.events("email.clicked")
    assert clicked.data == {"delivery": D, "machine": False, "message": M, "url": SHOP, "first": True}


@pytest.mark.parametrize(
    ("url", "leads"),
    [
        ("HTTPS://Sklep.Example", "HTTPS://Sklep.Example"),
        ("http://x.example:8080/a?b=c#d", "http://x.example:8080/a?b=c#d"),
        ("https://x.example/a?b=[1]&c={2}|'\"<>`\\^~", "https://x.example/a?b=[1]&c={2}|'\"<>`\\^~"),
        ("https://x.example/?u=https://y.example/?z=1%20&amp;", "https://x.example/?u=https://y.example/?z=1%20&amp;"),
        ("  https://x.example/a\r\n\tb\n", "https://x.example/ab"),
        ("https://x.example/\r\nset-cookie: a=b", "https://x.example/set-cookie:%20a=b"),
        ("https://x.example/a b\0\x7f", "https://x.example/a%20b%00%7F"),
        ("https://x.example/żółć?ś=ć#ą", "https://x.example/%C5%BC%C3%B3%C5%82%C4%87?%C5%9B=%C4%87#%C4%85"),
        ("https://user:pa@żółw.example:444/", "https://user:pa@xn--w-uga1v8h.example:444/"),
        ("https://ż" + "a" * 80 + "/", "https://%C5%BC" + "a" * 80 + "/"),
        ("https://x.example/\ud800", "https://x.example/%3F"),
        ("javascript:alert(1)", None),
        ("java\nscript:alert(1)", None),
        ("ftp://x.example/", None),
        ("//x.example/", None),
        ("https:x.example", None),
        ("", None),
    ],
)
def test_where_links_lead(url: str, leads: str | None) -> None:
    assert location(url) == leads


async def test_what_is_no_address_of_the_web_leads_nowhere(mail: Mail) -> None:
    assert not_there(await mail.get(mail.link("javascript:alert(1)")))
    assert await mail.events("email.clicked") == []


async def test_a_changed_or_forged_token_is_not_there_and_no_event(mail: Mail, api: Api) -> None:
    pixel, link_, leave_ = mail.pixel, mail.link(), mail.leave
    swapped = [pixel.replace("/o/", "/c/").removesuffix(".gif"), link_.replace("/c/", "/o/") + ".gif", pixel[:-4]]
    changed = [path[:20] + ("A" if path[20] != "A" else "B") + path[21:] for path in (pixel, link_, leave_)]
    nothing = ["/t/", "/t/o/", "/t/o/.gif", "/t/c/", "/t/u/", "/t/x/abc", "/t/c/" + "A" * 40_000, "/t/c/%F0%9F%92%A9"]
    for path in (*swapped, *changed, *nothing):
        answer = await mail.get(path)
        assert not_there(answer), path
        assert "Tu nic nie ma" in answer.text
    assert not_there(await mail.http.post(changed[2], content=ONE_CLICK, headers=FORM))
    assert await mail.opted() is None
    assert await mail.events("email.opened") == await mail.events("email.clicked") == []


@pytest.mark.parametrize(
    "headers",
    [{"user-agent": "Mozilla/5.0"}, {"user-agent": ""}, {"sec-purpose": "prefetch;prerender"}, {"x-moz": "prefetch"},
     {"purpose": "prefetch"}],
)  # fmt: skip
async def test_machines_are_told_from_people(mail: Mail, headers: dict[str, str]) -> None:
    await mail.get(mail.pixel, headers=headers)
    await mail.get(mail.link(), headers=headers)
    await mail.http.head(mail.link())
    events = [*await mail.events("email.opened"), *await mail.events("email.clicked")]
    assert [event.data["machine"] for event in events] == [True] * 3


async def test_nobody_waits_for_a_disk_that_does_not_take_it(
    mail: Mail, api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = counters.sightings["lost"]
    api.spool.broken = True
    assert (await mail.get(mail.link())).headers["location"] == SHOP
    api.spool.broken = False

    async def standing_still(_items: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(room, "PATIENCE_SECONDS", 0.001)
    monkeypatch.setattr(api.spool, "keep", standing_still)
    assert (await mail.get(mail.pixel)).status_code == 200
    assert counters.sightings["lost"] == lost + 2
    said = capsys.readouterr().err
    assert said.count("tracking.lost") == 2
    assert "sklep" not in said


async def test_nobody_waits_for_the_database(mail: Mail, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    record, transact = api.shop.recorder.record, api.store.transact

    async def away(*_: object, **__: object) -> None:
        raise Unavailable("away")

    monkeypatch.setattr(api.shop.recorder, "record", away)
    monkeypatch.setattr(api.store, "transact", away)
    assert (await mail.get(mail.pixel)).status_code == 200
    assert (await mail.get(mail.link())).status_code == 302
    assert len(api.spool.items) == 2
    monkeypatch.setattr(api.shop.recorder, "record", record)
    monkeypatch.setattr(api.store, "transact", transact)
    assert len(await mail.events("email.opened")) == len(await mail.events("email.clicked")) == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_other_methods_are_refused(mail: Mail, method: str) -> None:
    answer = await mail.http.request(method, mail.pixel)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    assert mail.pixel not in answer.text


# --- opting out -------------------------------------------------------------------------------------------------------


async def test_a63_only_the_post_opts_out(mail: Mail) -> None:
    for _ in range(2):
        looked = await mail.get(mail.leave)
        assert looked.status_code == 200
        assert "j…k@example.com" in looked.text
        assert "Tak, rezygnuję" in looked.text
        assert (await mail.http.head(mail.leave)).status_code == 200
    assert await mail.opted() is None
    clicked = await mail.click()
    assert clicked.status_code == 200
    assert "Rezygnacja zapisana" in clicked.text
    assert await mail.opted() is False
    assert (await mail.click()).status_code == 200
    (left,) = await mail.events("contact.opted_out")
    assert (left.source, left.data["channel"]) == ("tracking", "email")
    assert "Rezygnacja zapisana" in (await mail.get(mail.leave)).text


PART = b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n%s\r\nOne-Click\r\n--b--\r\n'


@pytest.mark.parametrize(
    ("content", "media"),
    [
        (ONE_CLICK, "application/x-www-form-urlencoded"),
        (b"List-Unsubscribe=One-Click&x=1", "application/x-www-form-urlencoded; charset=utf-8"),
        (PART % b"", "multipart/form-data; boundary=b"),
        (PART % b"Content-Type: text/plain\r\n", "multipart/form-data; boundary=b"),
        (b"do=leave", "application/x-www-form-urlencoded"),
    ],
)
async def test_both_kinds_of_forms_opt_out(mail: Mail, content: bytes, media: str) -> None:
    assert (await mail.click(content, **{"content-type": media})).status_code == 200
    assert await mail.opted() is False


async def test_a_person_may_undo_it(mail: Mail) -> None:
    await mail.click(b"do=leave")
    answer = await mail.click(b"do=return")
    assert "Rezygnacja cofnięta" in answer.text
    assert await mail.opted() is True


async def test_there_is_nothing_to_undo_for_who_left_elsewhere_or_never(mail: Mail, api: Api) -> None:
    assert "Tak, rezygnuję" in (await mail.click(b"do=return")).text
    assert await mail.opted() is None
    await api.patch(f"/contacts/{mail.contact_id}", {"subscriptions": {"email": False}})
    for answer in (await mail.get(mail.leave), await mail.click(), await mail.click(b"do=return")):
        assert "Rezygnacja zapisana" in answer.text
        assert "<button" not in answer.text
    assert await mail.opted() is False


@pytest.mark.parametrize(
    "content", [b"", b"do=something", b"\xff\xfe", b"a=b", b"List-Unsubscribe=No", b"List-Unsubscribe\n" * 900]
)
async def test_what_says_neither_changes_nothing(mail: Mail, content: bytes) -> None:
    answer = await mail.click(content)
    assert answer.status_code == 400
    assert "Nic się nie zmieniło" in answer.text
    assert await mail.opted() is None


async def test_a_body_that_is_too_large_is_refused(mail: Mail) -> None:
    assert (await mail.click(b"x" * 20_000)).status_code == 413


@pytest.mark.parametrize(
    ("language", "says"),
    [("pl", "Tak, rezygnuję"), ("en-GB", "Yes, unsubscribe"), ("de", "Tak, rezygnuję"), (None, "Tak, rezygnuję")],
)
async def test_the_page_is_in_the_language_of_the_contact(api: Api, language: str | None, says: str) -> None:
    contact = await api.contact(email="eva@example.com", language=language)
    answer = await Mail(api, contact["id"]).get(
        Mail(api, contact["id"]).leave, headers={"accept-language": "en", "cookie": "goniec_language=en"}
    )
    assert says in answer.text
    assert f'<html lang="{"en" if says.startswith("Yes") else "pl"}">' in answer.text


async def test_the_page_follows_nobody_and_runs_nothing(mail: Mail) -> None:
    answer = await mail.get(mail.leave)
    assert "script" not in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in answer.headers
    assert "<script" not in answer.text
    assert "jan.nowak" not in answer.text
    assert re.findall(r'(?:href|src|action)="([^"]*)"', answer.text) == [
        "data:,",
        *re.findall(r"/assets/\w+/panel\.css", answer.text),
        escape(mail.leave),
    ]
    assert (await mail.get(re.findall(r"/assets/\w+/panel\.css", answer.text)[0])).status_code == 200


async def test_a_store_that_is_away_lets_nobody_believe_it_was_done(
    mail: Mail, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object, **__: object) -> None:
        raise Unavailable("away")

    async def faulty(*_: object, **__: object) -> list[Refusal]:
        return [Refusal("internalError", "a fault")]

    await mail.click()
    for broken in (away, faulty):
        monkeypatch.setattr(api.shop.recorder, "record", broken)
        for content, again in ((ONE_CLICK, "leave"), (b"do=return", "return")):
            answer = await mail.click(content)
            assert answer.status_code == 503
            assert answer.headers["retry-after"]
            assert f'name="do" value="{again}"' in answer.text
            assert "Spróbuj ponownie" in answer.text
    monkeypatch.setattr(type(api.store.queries), "contact", away)
    looked = await mail.get(mail.leave)
    assert looked.status_code == 200
    assert "Tak, rezygnuję" in looked.text


async def test_an_erased_contact_is_told_that_nothing_is_sent(mail: Mail, api: Api) -> None:
    assert (await api.delete(f"/contacts/{mail.contact_id}")).status_code < 300
    for answer in (await mail.get(mail.leave), await mail.click()):
        assert answer.status_code == 200
        assert "Nie mamy już tego adresu" in answer.text
        assert "<button" not in answer.text


async def test_a_contact_that_was_merged_opts_out_as_the_one_that_was_kept(mail: Mail, api: Api) -> None:
    kept = await api.contact(email="j.nowak@example.com")
    merged = await api.post(f"/contacts/{kept['id']}/merge", {"from": mail.contact_id})
    assert merged.status_code == 200, merged.text
    assert (await mail.click()).status_code == 200
    contact = await api.store.queries.contact(kept["id"])
    assert contact is not None
    assert contact.subscriptions == {"email": False}


async def test_a59_the_page_follows_the_public_url_and_never_the_request(mail: Mail, api: Api) -> None:
    context = replace(api.context, public_url="https://goniec.example/app")
    transport = httpx.ASGITransport(create_app(context))
    odd = {"host": "evil.example", "x-forwarded-host": "evil.example", "x-forwarded-prefix": "/evil"}
    async with httpx.AsyncClient(transport=transport, base_url="http://goniec.test", headers=odd) as http:
        answer = await http.get(mail.leave)
    assert "evil" not in answer.text
    assert f'action="/app{mail.leave}"' in answer.text
    assert 'href="/app/assets/' in answer.text


@pytest.mark.parametrize(
    ("address", "shown"),
    [("jan@example.com", "j…n@example.com"), ("jo@example.com", "j…@example.com"), ("j@x.pl", "j…@x.pl")],
)
def test_an_address_is_known_by_its_owner_only(address: str, shown: str) -> None:
    assert masked(address) == shown
