"""What an editor does to a contact on its page: tags, score, stage, details, consents, notes, a rule by hand; erasing.

Each button posts to the contact's own page with what to `do`; a form that cannot be taken comes back opened, with what
was typed and what is wrong with it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Final, cast, get_args

from msgspec import Struct
from msgspec.structs import replace

from goniec.core import labels
from goniec.core.actions import AddNote, AddTag, RemoveTag
from goniec.core.changes import Change, LiftBounce
from goniec.core.decide import Call
from goniec.core.identity import Refusal
from goniec.core.model import Channel, Contact, DetailValue
from goniec.core.problems import Invalid
from goniec.core.text import email_key, read_number
from goniec.flow.batch import Recorded
from goniec.flow.configure import Conflict
from goniec.flow.contact import (
    TEXT_LIMIT,
    Faults,
    Funnels,
    ScoreIn,
    consents,
    details,
    score,
    stage,
    subscriptions,
    tags,
)
from goniec.flow.erase import erase
from goniec.flow.merge import Refused
from goniec.flow.testing import asked_run
from goniec.web.panel.page import Visit, page
from goniec.web.panel.people import called
from goniec.web.panel.recording import Later, change, load_contact, origin, outcome_of, record, stages_of
from goniec.web.panel.showing import visible
from goniec.web.panel.views.contact import contact_page
from goniec.web.panel.wording import brief
from goniec.web.problems import Fault, missing
from goniec.web.reply import Reply

_WHOLE: Final = re.compile(r"[-+\N{MINUS SIGN}]?\d{1,18}")


class Wish(Struct, frozen=True):
    """What a button asks for: the changes, what to say when they are done, and the form that it stands in.

    `problem` says why it cannot be done.
    """

    changes: Sequence[Change]
    note: str
    form: str
    problem: str = ""


Reader = Callable[[Visit, Contact, Funnels, Faults], Wish]


@page("POST", "/contacts/{id}", role="editor")
async def act(visit: Visit, id: str) -> Reply:
    """Do what a button says."""
    contact = await load_contact(visit, id)
    what = visit.form.get("do")
    if what == "run":
        return await _run(visit, contact)
    reader = _READERS.get(what)
    if reader is None:
        raise Fault(400, visit.say("This button is unknown. Reload the page and try again."))
    faults = Faults()
    wish = reader(visit, contact, await stages_of(visit), faults)
    if wish.problem or faults.found:
        problem = wish.problem or next(iter(visit.told(Invalid(*faults.found)).values()))
        return await _back(visit, contact, wish.form, problem)
    match await change(visit, contact, wish.changes):
        case Recorded(events=events):
            note = wish.note if events else visit.say("Nothing to change: it is already like that.")
            return visit.go(f"/contacts/{contact.id}", note=note)
        case Refusal("unknownContact"):
            raise missing("contact")
        case Refusal(detail=detail):
            return await _back(visit, contact, wish.form, visit.hint(detail))
        case Later():
            return await _back(visit, contact, wish.form, later=True)


async def _back(visit: Visit, contact: Contact, form: str, problem: str = "", *, later: bool = False) -> Reply:
    """Show the page again, with the form opened as it was sent."""
    typed = {name: visit.form.get(name) for name in visit.form.names() if not name.startswith("_")}
    problems = {form: problem} if problem else {}
    status = 503 if later else 422
    return await contact_page(visit, contact, opened=form, typed=typed, problems=problems, later=later, status=status)


# --- what the forms mean ----------------------------------------------------------------------------------------------


def _add_tags(visit: Visit, _contact: Contact, _funnels: Funnels, faults: Faults) -> Wish:
    given = [one.strip() for one in visit.form.get("tag").split(",")]
    changes = tags([one for one in given if one] or [""], AddTag, faults, "/tag")
    names = ", ".join(change.tag for change in changes if isinstance(change, AddTag))
    return Wish(changes, visit.say("Tag added: %(tag)s", tag=brief(names)), "tag")


def _remove_tag(visit: Visit, _contact: Contact, _funnels: Funnels, faults: Faults) -> Wish:
    changes = tags([visit.form.get("tag")], RemoveTag, faults, "/tag")
    return Wish(changes, visit.say("Tag removed: %(tag)s", tag=brief(visit.form.get("tag"))), "tag")


def _score(visit: Visit, _contact: Contact, _funnels: Funnels, faults: Faults) -> Wish:
    text = visit.form.text("points")
    if _WHOLE.fullmatch(text) is None:
        return Wish((), "", "score", visit.say("Enter a whole number, such as 10 or -5."))
    points = int(text.replace("\N{MINUS SIGN}", "-"))
    given = ScoreIn(set=points) if visit.form.get("how") == "set" else ScoreIn(add=points)
    return Wish(score(given, faults, ""), visit.say("Score changed."), "score")


def _set_detail(visit: Visit, _contact: Contact, _funnels: Funnels, faults: Faults) -> Wish:
    name = visit.form.text("name")
    form = "detail" if visit.form.get("new") else f"detail:{name}"
    value = _value(visit.form.get("value"), visit.form.get("kind"))
    match value:
        case None if visit.form.get("kind") == "number":
            return Wish((), "", form, visit.say("Enter a number, such as 10 or 2.5."))
        case None:
            return Wish((), "", form, visit.say("Choose yes or no."))
        case str() if not value.strip():
            return Wish((), "", form, visit.say("Enter a value, or remove the detail."))
        case _:
            changes = details({name: value}, faults, "/details")
            return Wish(changes, visit.say("Detail saved: %(name)s", name=brief(name)), form)


def _value(text: str, kind: str) -> DetailValue | None:
    """Read a value as the kind that was chosen; None: it is none of that kind."""
    match kind:
        case "number":
            number = read_number(text.strip().replace(",", ".").replace("\N{MINUS SIGN}", "-"))
            if number is None or isinstance(number, int):
                return number
            return float(number) if isfinite(float(number)) else None
        case "truth":
            return _TRUTH.get(text.strip().lower())
        case _:
            return text


_TRUTH: Final = {
    "tak": True,
    "yes": True,
    "true": True,
    "1": True,
    "nie": False,
    "no": False,
    "false": False,
    "0": False,
}


def _remove_detail(visit: Visit, _contact: Contact, _funnels: Funnels, faults: Faults) -> Wish:
    name = visit.form.get("name")
    note = visit.say("Detail removed: %(name)s", name=brief(name))
    return Wish(details({name: None}, faults, "/details"), note, f"detail:{name}")


def _stage(visit: Visit, contact: Contact, funnels: Funnels, faults: Faults) -> Wish:
    """The place is a funnel and one of its stages, or the funnel alone: out of it."""
    funnel, mark, wanted = visit.form.get("place").partition("\n")
    if not mark and funnel not in contact.stages and funnel not in funnels:
        return Wish((), "", "stage", visit.say("Choose a stage."))
    changes = stage(funnel, wanted if mark else None, funnels, faults, "/place")
    note = visit.say("Moved to the stage %(stage)s.", stage=brief(wanted))
    return Wish(
        changes, note if mark else visit.say("Removed from the funnel %(funnel)s.", funnel=brief(funnel)), "stage"
    )


def _note(visit: Visit, _contact: Contact, _funnels: Funnels, faults: Faults) -> Wish:
    text = faults.named("/text", visit.form.get("text"), TEXT_LIMIT, multiline=True)
    return Wish([] if text is None else [AddNote(text)], visit.say("Note added."), "note")


def _consent(visit: Visit, _contact: Contact, _funnels: Funnels, faults: Faults) -> Wish:
    name, granted = visit.form.text("consent"), visit.form.get("granted") == "1"
    note = visit.say("Consent granted: %(name)s", name=brief(name))
    if not granted:
        note = visit.say("Consent withdrawn: %(name)s", name=brief(name))
    return Wish(consents({name: granted}, faults, "/consent"), note, "consent")


def _subscription(visit: Visit, _contact: Contact, _funnels: Funnels, _faults: Faults) -> Wish:
    channel = visit.form.get("channel")
    if channel not in get_args(Channel):
        return Wish((), "", "consent", visit.say("Choose a channel."))
    wanted = visit.form.get("wanted") == "1"
    word = visit.words.named(labels.CHANNELS, channel)
    note = visit.say("Subscribed: %(channel)s", channel=word)
    if not wanted:
        note = visit.say("Unsubscribed: %(channel)s", channel=word)
    return Wish(subscriptions({cast("Channel", channel): wanted}), note, "consent")


def _lift_bounce(visit: Visit, _contact: Contact, _funnels: Funnels, _faults: Faults) -> Wish:
    return Wish((LiftBounce(),), visit.say("Mail may go to this address again."), "bounce")


_READERS: Final[Mapping[str, Reader]] = {
    "addTag": _add_tags,
    "removeTag": _remove_tag,
    "score": _score,
    "setDetail": _set_detail,
    "removeDetail": _remove_detail,
    "stage": _stage,
    "note": _note,
    "consent": _consent,
    "subscription": _subscription,
    "liftBounce": _lift_bounce,
}


# --- a rule by hand ---------------------------------------------------------------------------------------------------


async def _run(visit: Visit, contact: Contact) -> Reply:
    """Run a rule for this contact and say what came of it."""
    queries = visit.context.store.queries
    rule_id = visit.form.get("rule")
    asked = await asked_run(queries, rule_id, contact.id, visit.by)
    if not isinstance(asked, Call):
        detail = asked.detail if isinstance(asked, Conflict) else ""
        refusal = visit.hint(detail) if detail else visit.say("This rule no longer exists.")
        return await contact_page(visit, contact, refusal=refusal, status=409)
    match await record(visit, replace(asked, source="panel")):
        case Recorded(happened=(event_id,)):
            came = await outcome_of(visit, event_id, rule_id)
            rule = await queries.rule(rule_id)
            name = brief(rule.name, 100) if rule is not None else rule_id
            if came is None:
                return visit.go(f"/contacts/{contact.id}", note=visit.say("Rule queued to run: %(name)s", name=name))
            word = visit.words.named(labels.OUTCOMES, came.outcome.value)
            return visit.go(f"/contacts/{contact.id}", note=f"{name}: {word}")
        case Later():
            return await contact_page(visit, contact, later=True, status=503)
        case _:
            raise missing("contact")


# --- erasing ----------------------------------------------------------------------------------------------------------


@page("GET", "/contacts/{id}/erase", role="editor")
async def ask_to_erase(visit: Visit, id: str) -> Reply:
    """Say what goes and what stays, and ask for the e-mail address."""
    contact = await load_contact(visit, id)
    if contact.id != id:
        return visit.go(f"/contacts/{contact.id}/erase")
    return _asked(visit, contact)


@page("POST", "/contacts/{id}/erase", role="editor")
async def erase_contact(visit: Visit, id: str) -> Reply:
    """Erase a contact, once its e-mail address was typed."""
    contact = await load_contact(visit, id)
    if not _confirmed(visit, contact):
        return _asked(visit, contact, {"confirm": visit.say("That does not match. Type it exactly as shown.")}, 422)
    context = visit.context
    try:
        done = await erase(context.recorder, context.store, origin(visit), contact.id, None)
    except Refused:
        raise missing("contact") from None
    for endpoint_id in done.result.endpoints:
        context.notice.changed(endpoint_id)
    return visit.go("/contacts", note=visit.say("The contact's data is erased."))


def _asked(visit: Visit, contact: Contact, problems: Mapping[str, str] | None = None, status: int = 200) -> Reply:
    return visit.page(
        "contact_erase.html",
        status=status,
        contact=contact,
        name=called(contact, visit.words),
        word=_word(visit, contact),
        problems=problems or {},
        typed=visit.form.get("confirm"),
        visible=visible,
    )


def _word(visit: Visit, contact: Contact) -> str:
    """What has to be typed: the e-mail address, or a word where there is none."""
    return contact.email or visit.say("ERASE")


def _confirmed(visit: Visit, contact: Contact) -> bool:
    given = visit.form.text("confirm")
    if contact.email is None:
        return given.casefold() == visit.say("ERASE").casefold()
    try:
        return email_key(given)[1] == email_key(contact.email)[1]
    except ValueError:
        return False
