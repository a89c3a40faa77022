"""Jobs on many deliveries: a range sent again after an outage, all that match cancelled, and how far that has come."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

from goniec.core.endpoint import Endpoint
from goniec.core.jobs import RATE, RESENDABLE, Job, JobKind, JobState
from goniec.core.labels import Label
from goniec.core.model import Status
from goniec.core.problems import Invalid
from goniec.core.times import DAY, Millis
from goniec.flow.configure import Conflict, Missing
from goniec.flow.jobs import Begun, Range, cancel_range, resend_range, stop_job
from goniec.web.panel.delivery_words import STATUSES
from goniec.web.panel.mailbox import Wanted, read_wanted
from goniec.web.panel.page import PAGE_HEADERS, Visit, page
from goniec.web.panel.people import called
from goniec.web.panel.showing import visible
from goniec.web.panel.views.deliveries import address, cancellable, running_jobs
from goniec.web.panel.views.endpoints import load, rules_of
from goniec.web.problems import missing
from goniec.web.refusals import fault
from goniec.web.reply import Reply

STATES: Final = {
    JobState.RUNNING: ("wait", "clock", Label("W toku", "Running")),
    JobState.DONE: ("ok", "circle-check", Label("Zakończone", "Done")),
    JobState.CANCELLED: ("", "ban", Label("Zatrzymane", "Stopped")),
    JobState.FAILED: ("bad", "alert-circle", Label("Przerwane", "Broken off")),
}
"""Tone, icon and word of each state."""

_MINUTES: Final = "%Y-%m-%dT%H:%M"


@page("GET", "/endpoints/{id}/resend", role="editor")
async def resending(visit: Visit, id: str) -> Reply:
    """Ask which range is to be sent again."""
    found = await load(visit, id)
    begin = visit.times.local(visit.now - DAY).strftime(_MINUTES)
    fields = {"since": begin, "until": "", "rate": f"{RATE:g}"}
    return await _form(visit, found, fields, frozenset({Status.FAILED.value}))


@page("POST", "/endpoints/{id}/resend", role="editor")
async def resend(visit: Visit, id: str) -> Reply:
    """Begin to send a range again, or say what is wrong with it."""
    found = await load(visit, id)
    fields = {name: visit.form.text(name) for name in ("since", "until", "rate")}
    chosen = frozenset(visit.form.all("status"))
    problems: dict[str, str] = {}
    times: dict[str, Millis | None] = {}
    for name in ("since", "until"):
        times[name] = _instant(visit, fields[name])
        if fields[name] and times[name] is None:
            problems[name] = visit.say("Enter a day and a time.")
    rate = _number(fields["rate"])
    if fields["rate"] and rate is None:
        problems["rate"] = visit.say("Enter a number, such as 10 or 0.5, or leave it empty.")
    if problems:
        return await _form(visit, found, fields, chosen, problems, status=422)
    wanted = Range(since=times["since"], until=times["until"], endpoint_id=id)
    statuses = tuple(status for status in RESENDABLE if status.value in chosen)
    try:
        done = await resend_range(visit.context.outside, wanted, statuses, rate, visit.by)
    except Invalid as invalid:
        return await _form(visit, found, fields, chosen, visit.told(invalid), status=422)
    match done:
        case Begun(job=job, fresh=True):
            return visit.go(f"/jobs/{job.id}", visit.say("Resending has begun."))
        case Begun(job=job):
            return visit.go(f"/jobs/{job.id}", visit.say("This range is already being resent."))
        case Conflict():
            return await _form(visit, found, fields, chosen, status=409)
        case _:
            raise fault(done)


@page("GET", "/deliveries/cancelling", role="editor")
async def cancelling(visit: Visit) -> Reply:
    """Ask whether all pending deliveries that match are to be cancelled."""
    wanted = read_wanted(visit.query, visit.now, visit.zone)
    asked = {name: value for name, value in address(visit.query).items() if name not in dict(wanted.unknown)}
    return await _cancelling(visit, wanted, asked)


@page("POST", "/deliveries/cancelling", role="editor")
async def cancel(visit: Visit) -> Reply:
    """Begin to cancel them."""
    wanted = read_wanted(visit.form, visit.now, visit.zone)
    asked = address(visit.form)
    if not cancellable(wanted):
        return await _cancelling(visit, wanted, asked, status=422)
    meant = Range(
        since=wanted.since,
        until=wanted.until,
        endpoint_id=wanted.endpoint,
        rule_id=wanted.rule,
        contact_id=wanted.contact,
    )
    try:
        done = await cancel_range(visit.context.outside, meant, visit.by)
    except Invalid:
        return await _cancelling(visit, wanted, asked, status=422)
    if not isinstance(done, Begun):
        raise fault(done)
    return visit.go(f"/jobs/{done.job.id}", visit.say("Cancelling has begun."))


@page("GET", "/jobs/{id}", role="viewer")
async def job(visit: Visit, id: str) -> Reply:
    """Show a job; while it runs, its page asks by itself how far it has come."""
    found = await visit.context.store.queries.job(id)
    if found is None:
        raise missing("job")
    if visit.htmx and found.state is not JobState.RUNNING:
        return Reply(204, None, (*PAGE_HEADERS, ("hx-refresh", "true")))
    return visit.page(
        "job_live.html" if visit.htmx else "job.html",
        job=found,
        states=STATES,
        statuses=STATUSES,
        waits=await _waits(visit, found),
        resends=found.kind is JobKind.RESEND,
        **await _whose(visit, found.endpoint_id, found.rule_id, found.contact_id),
    )


@page("POST", "/jobs/{id}/stop", role="editor")
async def stop(visit: Visit, id: str) -> Reply:
    """Let a job do no more."""
    done = await stop_job(visit.context.outside, id)
    if isinstance(done, Missing):
        raise missing("job")
    return visit.go(f"/jobs/{id}", visit.say("Stopped. What was done stays done."))


async def _form(
    visit: Visit,
    found: Endpoint,
    fields: Mapping[str, str],
    chosen: frozenset[str],
    problems: Mapping[str, str] | None = None,
    status: int = 200,
) -> Reply:
    jobs = await running_jobs(visit, found.id)
    running = next((one for one in jobs if one.kind is JobKind.RESEND), None)
    return visit.page(
        "endpoint_resend.html",
        status=status,
        endpoint=found,
        fields=fields,
        chosen=chosen,
        choices=[(one.value, STATUSES[one].many) for one in RESENDABLE],
        problems=problems or {},
        running=running,
        rules=await rules_of(visit, found.id),
    )


async def _cancelling(visit: Visit, wanted: Wanted, asked: Mapping[str, object], status: int = 200) -> Reply:
    return visit.page(
        "deliveries_cancelling.html",
        status=status,
        wanted=wanted,
        asked=asked,
        possible=cancellable(wanted),
        **await _whose(visit, wanted.endpoint, wanted.rule, wanted.contact),
    )


async def _whose(visit: Visit, endpoint: str | None, rule: str | None, contact: str | None) -> dict[str, Any]:
    """Names of what a range was narrowed to, None where it was not."""
    queries = visit.context.store.queries
    host = title = who = None
    if endpoint is not None:
        sent = await queries.endpoint(endpoint)
        host = visit.say("Deleted endpoint") if sent is None else visit.receiver(sent)
    if rule is not None:
        made = await queries.rule(rule)
        title = visit.say("Deleted rule") if made is None else visible(made.name)
    if contact is not None:
        who = called(await queries.contact(contact), visit.words)
    return {"host": host, "rule_name": title, "who": who}


async def _waits(visit: Visit, job: Job) -> bool:
    """Say whether a job waits for its endpoint."""
    if job.kind is not JobKind.RESEND or job.state is not JobState.RUNNING or job.endpoint_id is None:
        return False
    endpoint = await visit.context.store.queries.endpoint(job.endpoint_id)
    return endpoint is not None and (endpoint.paused is not None or (endpoint.held_until or 0) > visit.now)


def _instant(visit: Visit, text: str) -> Millis | None:
    """Read a day and a time of the viewer's zone."""
    with suppress(ValueError, OverflowError):
        found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            return round(found.replace(tzinfo=visit.zone).astimezone(UTC).timestamp() * 1000)
    return None


def _number(text: str) -> float | None:
    with suppress(ValueError):
        return float(text.replace(",", "."))
    return None
