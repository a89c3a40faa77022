"""`goniec serve`: runs the engine until it is told to stop."""

import errno
from typing import Annotated

import uvloop
from cyclopts import Parameter

from goniec import app
from goniec.cli.terminal import CommandError, settings_in_force
from goniec.observe import log
from goniec.settings import Settings


def serve(
    *,
    host: Annotated[str | None, Parameter(help="address to listen on, before GONIEC_HOST")] = None,
    port: Annotated[int | None, Parameter(help="port to listen on, before GONIEC_PORT; 0 takes any free one")] = None,
    database: Annotated[str | None, Parameter(help="such as sqlite:///goniec.db, before GONIEC_DATABASE")] = None,
    role: Annotated[
        str | None, Parameter(help="what this process does: all, web or worker; before GONIEC_ROLE")
    ] = None,
) -> int:
    """Run the engine until SIGTERM or Ctrl-C."""
    settings = settings_in_force({"host": host, "port": port, "database": database, "role": role})
    log.configure(settings.log_format, settings.log_level)
    try:
        uvloop.run(app.serve(settings))
    except OSError as error:
        reason = _reason(settings, error)
        if reason is None:
            raise
        raise CommandError(reason) from None
    return 0


def _reason(settings: Settings, error: OSError) -> str | None:
    """Say why the port cannot be had; None: it is about something else."""
    place = f"{settings.host} port {settings.port}"
    match error.errno:
        case errno.EADDRINUSE:
            return f"{place} is in use by another program: stop that one, or choose another port with --port"
        case errno.EACCES | errno.EPERM:
            return f"{place} may not be used by this user: choose a port above 1023 with --port"
        case errno.EADDRNOTAVAIL:
            return f"{place} cannot be listened on: this machine does not have that address; see --host"
        case _ if isinstance(error, OSError) and error.errno is not None and error.errno < 0:
            return f"{place} cannot be listened on: {error.strerror}; see --host"
        case _:
            return None
