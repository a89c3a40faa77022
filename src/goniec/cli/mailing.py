"""The checks of `goniec doctor` on mail: whether there is a server that takes it and a mailbox that it comes back to.

Called by `diagnosis`. It logs in and leaves; nothing is sent, and nothing is marked as read.
"""

from goniec.cli.finding import Finding
from goniec.core.endpoint import MAIL, Endpoint
from goniec.ports import Undelivered, Unread
from goniec.send.imap import ImapMailbox
from goniec.send.mail import SmtpMailer
from goniec.settings import Settings


async def mail(settings: Settings, endpoints: list[Endpoint]) -> Finding:
    """See whether rules can send mail, and owners be told."""
    owned = [endpoint.id for endpoint in endpoints if endpoint.policy.owner is not None]
    if settings.smtp_url is None or settings.mail_from is None:
        if any(endpoint.id == MAIL for endpoint in endpoints):
            told = "not set up, so that the mails of rules wait, and no owner is told"
            return Finding("mail", told, problem=True, advice="set GONIEC_SMTP_URL and GONIEC_MAIL_FROM")
        if not owned:
            return Finding("mail", "not set up, and no endpoint has an owner who would be told")
        told = f"not set up, so that nobody is told of {', '.join(owned)}"
        return Finding("mail", told, problem=True, advice="set GONIEC_SMTP_URL and GONIEC_MAIL_FROM")
    try:
        await SmtpMailer(settings.smtp_url, settings.mail_from, settings.ca_file).greet()
    except Undelivered as error:
        told = f"{settings.smtp_url} does not take mail from us: {error}"
        return Finding("mail", told, problem=True, advice="mend GONIEC_SMTP_URL; letters wait meanwhile")
    return Finding("mail", f"{settings.smtp_url} lets us in; endpoints with an owner: {len(owned)}")


async def mailbox(settings: Settings) -> Finding:
    """See whether bounces can be read."""
    if settings.imap_url is None:
        if settings.bounce_address is None:
            return Finding("mailbox", "not set up: what comes back of mail is only known where a provider tells it")
        return Finding("mailbox", f"what comes back to {settings.bounce_address} is read by nobody here")
    try:
        await ImapMailbox(settings.imap_url, settings.ca_file).greet()
    except Unread as error:
        told = f"{settings.imap_url} cannot be read: {error}"
        return Finding("mailbox", told, problem=True, advice="mend GONIEC_IMAP_URL; bounces wait meanwhile")
    return Finding("mailbox", f"{settings.imap_url} lets us in")
