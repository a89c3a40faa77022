"""A guard that lets everything through: where webhooks go is no matter of these histories."""

from goniec.core.problems import Problem
from goniec.core.times import Millis
from goniec.ports import Forbidden, Identified
from goniec.send.certificates import read_authorities, read_client


class Lenient:
    """The `Guard` port, of somebody who minds nothing."""

    async def check(self, url: str) -> str | Forbidden:
        """Every address will do."""
        return url

    def check_header(self, _name: str, _value: str) -> str | None:
        """Every header will do."""
        return None

    def check_authorities(self, text: str) -> str | Forbidden:
        """The real one."""
        return read_authorities(text)

    def check_client(self, certificate: str, key: str | None, now: Millis) -> Identified | Problem:
        """The real one."""
        return read_client(certificate, key, now)
