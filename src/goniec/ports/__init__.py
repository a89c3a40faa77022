"""The outside: what the flow needs of databases, networks, clocks and chance, shaped by who uses it.

`flow` calls these, `store` and `send` fill them in, `app` joins the two; tests put fakes in their place. A log in front
of record will stand beside them. Everybody takes them from here, whichever room they stand in: `store` with `tx` for
writing (`changes` is what goes in) and `queries` for reading (`lists` and `figures` are what comes out), `leases` and
`signals` for several processes on one store, `spool` for what is kept before it is recorded, `sending` for what leaves,
`mailbox` for what comes back, `vault` for secrets, `clocks` for time and chance. Nothing here does anything but name.
"""

from goniec.ports.changes import Changes, Dedup, Emptied, Finished, Moment, Moved, Place, Pruned, Remembered
from goniec.ports.clocks import Clock, Dice, Timed
from goniec.ports.figures import DUE_MOST, Balance, Holder, Queue, Stuck, Subject, Sum
from goniec.ports.leases import WORKER, Lease, Taken
from goniec.ports.lists import FIRED, ContactFilter, DeliveryFilter, EventFilter, Page, Rows, RunFilter
from goniec.ports.mailbox import Mailbox, Unread
from goniec.ports.queries import Queries
from goniec.ports.sending import (
    Answer,
    Forbidden,
    Guard,
    Identified,
    Mail,
    Mailer,
    MailSender,
    Outgoing,
    Posting,
    Sender,
    Undelivered,
)
from goniec.ports.signals import Handover, Notice, Signal, Signals
from goniec.ports.spool import Spool
from goniec.ports.store import Store, Unavailable, Unsure
from goniec.ports.tx import Tx
from goniec.ports.vault import Passwords, Vault

__all__ = [
    "DUE_MOST",
    "FIRED",
    "WORKER",
    "Answer",
    "Balance",
    "Changes",
    "Clock",
    "ContactFilter",
    "Dedup",
    "DeliveryFilter",
    "Dice",
    "Emptied",
    "EventFilter",
    "Finished",
    "Forbidden",
    "Guard",
    "Handover",
    "Holder",
    "Identified",
    "Lease",
    "Mail",
    "MailSender",
    "Mailbox",
    "Mailer",
    "Moment",
    "Moved",
    "Notice",
    "Outgoing",
    "Page",
    "Passwords",
    "Place",
    "Posting",
    "Pruned",
    "Queries",
    "Queue",
    "Remembered",
    "Rows",
    "RunFilter",
    "Sender",
    "Signal",
    "Signals",
    "Spool",
    "Store",
    "Stuck",
    "Subject",
    "Sum",
    "Taken",
    "Timed",
    "Tx",
    "Unavailable",
    "Undelivered",
    "Unread",
    "Unsure",
    "Vault",
]
