"""Settings of mail, an administrator's: the workspace's limits, and how this installation is set up to send and hear.

The limits are the panel's to change; all else is the operator's, so the page says what is set, and what to do where it
is not. What is secret is not in the context, and so on no page.
"""

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from goniec.core.endpoint import MAIL
from goniec.core.problems import Invalid
from goniec.core.quiet import MailLimits, QuietHours, limit_problems
from goniec.flow.workspace import change_mail_limits, mail_limits
from goniec.web.panel.page import Visit, page
from goniec.web.reply import Reply

PER_DAY_MOST: Final = 1_000

PROVIDERS: Final = {"ses": "Amazon SES", "mailgun": "Mailgun", "postmark": "Postmark", "sendgrid": "SendGrid"}
"""Whose words the address for reports understands."""


class Fields(Struct, frozen=True):
    """What stands in the form of the limits."""

    start: str = ""
    until: str = ""
    per_day: str = ""


@page("GET", "/settings/mail", role="admin")
async def settings(visit: Visit) -> Reply:
    """Show the limits, and what is set."""
    return await _settings(visit, _shown(await mail_limits(visit.context.store)))


@page("POST", "/settings/mail", role="admin")
async def change(visit: Visit) -> Reply:
    """Save the limits, for all rules."""
    form = visit.form
    fields = Fields(form.text("quietHours/from"), form.text("quietHours/until"), form.text("perDay"))
    problems = {}
    per_day = int(fields.per_day) if fields.per_day.isdecimal() and fields.per_day.isascii() else None
    if fields.per_day and not 1 <= (per_day or 0) <= PER_DAY_MOST:
        problems["perDay"] = visit.say("Enter a whole number from 1 to 1,000, or leave it empty.")
        per_day = None
    hours = QuietHours(fields.start, fields.until) if fields.start or fields.until else None
    limits = MailLimits(hours, per_day)
    problems |= visit.told(Invalid(*limit_problems(limits, "")))
    if problems:
        return await _settings(visit, fields, problems)
    await change_mail_limits(visit.context.outside, limits)
    return visit.go("/settings/mail", note=visit.say("Limits on mail saved."))


def _shown(limits: MailLimits) -> Fields:
    hours = limits.quiet_hours
    start, until = ("", "") if hours is None else (hours.start, hours.until)
    return Fields(start, until, "" if limits.per_day is None else str(limits.per_day))


async def _settings(visit: Visit, fields: Fields, problems: dict[str, str] | None = None) -> Reply:
    context = visit.context
    return visit.page(
        "mail_settings.html",
        status=422 if problems else 200,
        fields=fields,
        problems=problems or {},
        setup=context.mail_setup,
        endpoint=await context.store.queries.endpoint(MAIL),
        public_url=context.public_url,
        reached=_from_outside(context.public_url),
        providers=PROVIDERS,
    )


def _from_outside(url: str) -> bool:
    """Whether readers of mail could reach an address, as far as its host tells: a name may lead anywhere."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_global
    except ValueError:
        return host != "localhost" and "." in host
