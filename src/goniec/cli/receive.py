"""`goniec receive`: a receiver for trying things; prints what arrives, checks it, and misbehaves on demand."""

import asyncio
from errno import EADDRINUSE
from typing import Annotated

from cyclopts import Parameter

from goniec.cli.receiver import ADDRESS, Demands, Received, Receiver
from goniec.cli.terminal import USAGE, CommandError, printable, run_until_signal, say, shown_body, shown_header
from goniec.core.signing import basic, decode_secret
from goniec.core.times import format_instant
from goniec.settings import PORT_MAX


def receive(
    *,
    port: Annotated[int, Parameter(help="port on 127.0.0.1; 0 takes any free one")] = 9000,
    user: Annotated[str | None, Parameter(help="user name that Basic authorization has to give, else 401")] = None,
    password: Annotated[str | None, Parameter(help="its password")] = None,
    secret: Annotated[str | None, Parameter(help="whsec_…: check signatures with it, else 400")] = None,
    status: Annotated[str, Parameter(help="answers in turn, such as 500,200")] = "200",
    delay: Annotated[float, Parameter(help="seconds to wait before each answer")] = 0.0,
) -> int:
    """Print webhooks that arrive, check them, misbehave on demand."""
    demands = _demands(user, password, secret, status, delay)
    if not 0 <= port <= PORT_MAX:
        raise CommandError(f"--port goes from 0 to {PORT_MAX}", USAGE)
    return run_until_signal(lambda stop: _listen(demands, port, stop))


async def _listen(demands: Demands, port: int, stop: asyncio.Event) -> int:
    receiver = Receiver(demands, lambda received: print(shown(received), flush=True))
    try:
        bound = await receiver.start(port)
    except OSError as error:
        why = "is in use by another program" if error.errno == EADDRINUSE else f"cannot be had ({error.strerror})"
        raise CommandError(f"{ADDRESS} port {port} {why}; choose another with --port") from None
    say(f"Listening on http://{ADDRESS}:{bound}/ until Ctrl-C.")
    say("Goniec reaches this machine only when told to: GONIEC_ALLOW_NETWORKS=127.0.0.0/8 goniec serve")
    try:
        await stop.wait()
    finally:
        await receiver.close()
    return 0


def shown(received: Received) -> str:
    """Write a request out in full, but for the password in it."""
    verdict = f" ({received.fault})" if received.fault else ""
    request = printable(f"{received.method} {received.target}")
    lines = [f"{format_instant(received.at)}  {request} → {received.status}{verdict}"]
    lines += [shown_header(name, value) for name, value in received.headers]
    return "\n".join([*lines, "", shown_body(received.body), ""])


def _demands(user: str | None, password: str | None, secret: str | None, status: str, delay: float) -> Demands:
    if password is not None and user is None:
        raise CommandError("--password needs --user", USAGE)
    try:
        return Demands(
            authorization=None if user is None else basic(user, password or ""),
            secret=None if secret is None else decode_secret(secret),
            statuses=_statuses(status),
            delay=_seconds(delay),
        )
    except ValueError as error:
        raise CommandError(str(error), USAGE) from None


def _statuses(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and 200 <= int(part) <= 599 for part in parts):  # noqa: PLR2004 - HTTP's own range
        raise ValueError("--status takes codes from 200 to 599, separated by commas")
    return [int(part) for part in parts]


def _seconds(delay: float) -> float:
    if not 0 <= delay <= 3600:  # noqa: PLR2004 - an hour is long enough
        raise ValueError("--delay takes seconds from 0 to 3600")
    return delay
