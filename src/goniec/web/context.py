"""What the web floor is given: the ports, the recorder, and a few values of the settings. `app` builds one of these."""

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from goniec.core.letters import Language
from goniec.core.times import Millis
from goniec.flow.configure import Outside
from goniec.flow.gate import Gate
from goniec.flow.leases import workers
from goniec.flow.record import Recorder
from goniec.flow.testing import TryOut, Workbench
from goniec.flow.tracking import Tracking
from goniec.ports import Clock, Dice, Guard, Notice, Store, Vault
from goniec.send.networks import Networks


def _always() -> str | None:
    return None


def _none() -> Millis:
    return 0


class Reached(Struct, frozen=True):
    """A server of mail as a page may name it: `where` is its host and port, `tls` how talking to it is kept secret."""

    where: str
    tls: Literal["implicit", "required", "auto", "never"]


class MailSetup(Struct, frozen=True, kw_only=True):
    """What the operator has set for mail, without users and passwords; None: not set.

    `server` takes mail, `sender` is whom it is from unless a message says otherwise, `bounces` where it comes back to,
    `mailbox` where that is read.
    """

    server: Reached | None = None
    sender: str | None = None
    bounces: str | None = None
    mailbox: Reached | None = None


class ApiContext(Struct, frozen=True, kw_only=True):
    """The parts that handlers lean on.

    `country` is where phone numbers without a prefix are at home, `zone` the IANA name of the zone in which days are
    counted. `ready` says why this process cannot work just now (it is stopping, say), or None; what the store says is
    asked beside it. `ahead` says by how much this machine's own clock is ahead of `clock`. `role` is what this process
    does, and `owner` how the others know it that share its database; empty: it has that to itself, and delivers to all.
    """

    store: Store
    recorder: Recorder
    clock: Clock
    dice: Dice
    vault: Vault
    guard: Guard
    notice: Notice
    try_out: TryOut
    tracking: Tracking
    version: str
    country: str
    zone: str
    public_url: str
    language: Language
    gate: Gate
    mail_setup: MailSetup = MailSetup()
    role: str = "all"
    owner: str = ""
    trusted_proxies: Networks = ()
    ready: Callable[[], str | None] = _always
    ahead: Callable[[], Millis] = _none

    @property
    def mail(self) -> bool:
        """Whether there is a mail server: else no rule may send mail, and no owner of an endpoint is told anything."""
        return self.mail_setup.server is not None

    async def workers(self) -> dict[str, int] | None:
        """Tell of each process that delivers how many endpoints it has just now; None: there is only this one.

        Raises:
            Unavailable: the database cannot be read.

        """
        return workers(await self.store.queries.leases(self.clock.now())) if self.owner else None

    @property
    def outside(self) -> Outside:
        """The ports that configuring leans on."""
        return Outside(self.store, self.vault, self.clock, self.dice, self.guard, self.notice, mail=self.mail)

    @property
    def bench(self) -> Workbench:
        """The ports of test sends."""
        return Workbench(self.store, self.vault, self.clock, self.dice, self.try_out)
