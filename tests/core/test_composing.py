"""How a mail is made of a message, and how a notice is made for a user."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from goniec.core.composing import About, Colleague, Composer, Unwritable
from goniec.core.mailing import UNSUBSCRIBE
from goniec.core.messages import Message
from goniec.core.model import Contact, Event, Stage, Tag
from tests.core.build import NOW, contact

OLA = Colleague("usr_1", "Ola@firma.example", "pl")


def message(**fields: Any) -> Message:
    return Message(
        **{
            "id": "msg_1", "version": 4, "name": "Welcome", "subject": "Hi {{ contact.name }}", "html": "<p>Hi</p>",
            "created_at": NOW, "updated_at": NOW, **fields,
        }
    )  # fmt: skip


def about(**fields: Any) -> About:
    event = Event(
        id="evt_1", type="contact.tagged", contact_id="c1", seq=2, occurred_at=NOW, received_at=NOW, source="api",
        data={"tag": "VIP"},
    )  # fmt: skip
    return About(contact(**{"name": "Jan", **fields}), event, ("rul_1", "My rule", "why"))


def test_a_mail_has_the_texts_of_its_message() -> None:
    html = (
        "{{ contact.details.size }} {{ contact.tags | join: ',' }} {{ contact.stages.Sales }} {{ event.data.tag }}"
        " {{ event.occurredAt }} {{ rule.name }} {{ contact.nothing }}"
    )
    spoken = about(details={"size": 38}, tags={"VIP": Tag(1), "A": Tag(1)}, stages={"Sales": Stage("Lead", 1)})
    made = Composer([message(html=html, transactional=True, sender="a@b.example")]).mail("msg_1", spoken, "jan@x.pl")
    assert made.html == "38 A,VIP Lead VIP 2025-11-25T03:36:00.000Z My rule "
    assert (made.to, made.sender, made.subject) == ("jan@x.pl", "a@b.example", "Hi Jan")
    assert (made.message, made.version, made.marketing, made.tracked) == ("msg_1", 4, False, True)


def test_a_value_is_text_and_never_html() -> None:
    made = Composer([message(html="<p>{{ contact.name }}</p>", transactional=True)])
    assert made.mail("msg_1", about(name="<b>&"), "jan@x.pl").html == "<p>&lt;b&gt;&amp;</p>"


def test_a_subject_is_one_line_whatever_is_in_it() -> None:
    made = Composer([message()]).mail("msg_1", about(name="Jan\r\nBcc: eve@x.pl\x07"), "jan@x.pl")
    assert made.subject == "Hi Jan Bcc: eve@x.pl"


@pytest.mark.parametrize(
    ("language", "words"), [("pl", "Nie chcę więcej"), ("en-GB", "Unsubscribe"), (None, "Nie chcę")]
)
def test_marketing_has_a_way_out_in_the_contact_s_language(language: str | None, words: str) -> None:
    composer = Composer([message(html="<html><body>x</body></html>", text="x\n")], language="pl")
    made = composer.mail("msg_1", about(language=language), "jan@x.pl")
    assert made.marketing
    assert made.html is not None
    assert made.html.endswith("</a></p></body></html>")
    assert f'href="{UNSUBSCRIBE}"' in made.html
    assert words in made.html
    assert made.text is not None
    assert made.text.startswith("x\n\n-- \n")
    assert made.text.endswith(f": {UNSUBSCRIBE}\n")


def test_a_way_out_that_the_author_made_is_the_only_one() -> None:
    composer = Composer([message(html='<a href="{{ unsubscribeUrl }}">bye</a>', text="{{ unsubscribeUrl }}")])
    made = composer.mail("msg_1", about(), "jan@x.pl")
    assert (made.html, made.text) == (f'<a href="{UNSUBSCRIBE}">bye</a>', UNSUBSCRIBE)


@pytest.mark.parametrize(
    "html",
    [
        f"<A\nclass=x HREF = '{UNSUBSCRIBE}'>bye</A>",
        f'<p><a class="x"href={UNSUBSCRIBE}>bye</a>',
        f'<!-- <p> --><style>p{{}}</style><map><area href=" {UNSUBSCRIBE} "></map>',
    ],
)
def test_a_way_out_is_any_link_to_it(html: str) -> None:
    assert Composer([message(html=html)]).mail("msg_1", about(), "jan@x.pl").html == html


@pytest.mark.parametrize(
    "html",
    [
        f"<p>{UNSUBSCRIBE}</p>",
        f'<!-- <a href="{UNSUBSCRIBE}">bye</a> --><p>Hi</p>',
        f"<style>a:after{{content:'<a href=\"{UNSUBSCRIBE}\">'}}</style><p>Hi</p>",
        f'<p title="{UNSUBSCRIBE}"><a data-href="{UNSUBSCRIBE}">Hi</a></p>',
        f'<img src="{UNSUBSCRIBE}"><a href="{UNSUBSCRIBE}d">Hi</a>',
        "<p>{{ contact.name }}</p>",
    ],
)
def test_what_only_looks_like_a_way_out_is_none(html: str) -> None:
    made = Composer([message(html=html)]).mail("msg_1", about(name=f'<a href="{UNSUBSCRIBE}">'), "jan@x.pl")
    assert made.html is not None
    assert made.html.endswith(f'<a href="{UNSUBSCRIBE}">Unsubscribe</a></p>')


@pytest.mark.parametrize("end", ["</body></html>", "</BODY\n></html>"])
def test_the_way_out_stands_before_the_end_of_the_body_whatever_is_before_it(end: str) -> None:
    composer = Composer([message(html="<body>{{ contact.name }}" + end)])
    made = composer.mail("msg_1", about(name="İİ"), "jan@x.pl")
    assert made.html is not None
    assert made.html.startswith("<body>İİ<p ")
    assert made.html.endswith("</a></p>" + end)


def test_without_a_body_the_way_out_stands_at_the_end() -> None:
    made = Composer([message()]).mail("msg_1", about(), "jan@x.pl")
    assert made.html is not None
    assert made.html.startswith("<p>Hi</p><p ")
    assert made.text is None


def test_what_cannot_be_made_says_why_and_where() -> None:
    composer = Composer([message(html="<p>\n{{ contact.score | divided_by: 0 }}")])
    with pytest.raises(Unwritable, match="its html, line "):
        composer.mail("msg_1", about(), "jan@x.pl")


@pytest.mark.parametrize("user", ["usr_1", "ola@FIRMA.example", "owner"])
def test_a_notice_is_for_a_user_or_for_the_contact_s_owner(user: str) -> None:
    made = Composer(users=[OLA]).notice(
        user, "New: {{ contact.name }}", "Call <{{ contact.phone }}>", about(owner="usr_1")
    )
    assert made is not None
    assert (made.to, made.subject, made.text) == ("Ola@firma.example", "New: Jan", "Call <>")
    assert (made.message, made.marketing, made.tracked, made.language) == ("", False, False, "pl")


@pytest.mark.parametrize(("user", "owner"), [("usr_2", None), ("owner", None), ("owner", "somebody"), ("owner", "")])
def test_a_notice_for_nobody_is_none(user: str, owner: str | None) -> None:
    assert Composer(users=[OLA]).notice(user, "x", "y", about(owner=owner)) is None


def test_a_user_without_a_language_reads_the_workspace_s() -> None:
    made = Composer(users=[Colleague("usr_1", "a@b.example")], language="pl").notice("usr_1", "x", "y", about())
    assert made is not None
    assert made.language == "pl"


@pytest.mark.parametrize(("language", "spoken"), [("de", "pl"), ("EN", "en"), ("pl-PL", "pl"), (None, "pl")])
def test_of_languages_that_nobody_wrote_in_the_workspace_s_is_spoken(language: str | None, spoken: str) -> None:
    person: Contact = contact(language=language)
    assert Composer(language="pl").language_of(person) == spoken


def test_times_are_those_of_the_zone() -> None:
    composer = Composer([message(html="{{ event.occurredAt | date: '%H:%M' }}", transactional=True)])
    assert composer.mail("msg_1", replace(about(), zone=ZoneInfo("Europe/Warsaw")), "jan@x.pl").html == "04:36"
