"""A `Resolver` that knows by heart: a dictionary of names in place of DNS."""

import asyncio

from goniec.send.resolve import Resolution, Unresolved


class Names:
    """Names and their addresses; what is not in it does not exist. A name that is None is never answered."""

    def __init__(self, **names: str | Unresolved | None) -> None:
        """Take `name="127.0.0.1 ::1"` with `__` in place of each dot of the name."""
        self._names: dict[str, Resolution | None] = {}
        self.asked: list[str] = []
        for name, addresses in names.items():
            self.set(name.replace("__", "."), addresses)

    def set(self, name: str, addresses: str | Unresolved | None) -> None:
        self._names[name] = tuple(addresses.split()) if isinstance(addresses, str) else addresses

    async def resolve(self, host: str, limit: float) -> Resolution:
        self.asked.append(host)
        found = self._names.get(host, Unresolved(f"{host} does not exist."))
        if found is not None:
            return found
        await asyncio.sleep(limit)
        return Unresolved(f"{host} was not answered for.")
