"""A DNS server on the loopback, as far as a resolver asks it: A and AAAA, with TTLs, and names that it never answers."""

import asyncio
import ipaddress
import struct
from types import TracebackType
from typing import Self

from typing_extensions import override

A, AAAA = 1, 28
NO_SUCH_NAME, FAILED = 3, 2


class NameServer(asyncio.DatagramProtocol):
    """Knows `records`: name → (TTL, addresses). A name that is None is never answered, an int is the error it gets."""

    def __init__(self, **records: tuple[int, str] | int | None) -> None:
        self.records = {name.replace("__", "."): record for name, record in records.items()}
        self.asked: list[tuple[str, int]] = []
        self.heard = asyncio.Event()
        self._unanswered: list[tuple[bytes, tuple[str, int]]] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, ("127.0.0.1", 0))
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._transport.close()

    @property
    def address(self) -> str:
        return "127.0.0.1:{}".format(self._transport.get_extra_info("sockname")[1])

    def questions(self, name: str) -> int:
        """How often a name's IPv4 addresses were asked for."""
        return self.asked.count((name, A))

    def answer_late(self, name: str, record: tuple[int, str]) -> None:
        """Answer now what was asked about a name and left without an answer."""
        self.records[name] = record
        waiting, self._unanswered = self._unanswered, []
        for data, addr in waiting:
            self.datagram_received(data, addr)

    @override
    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        name, end = _name(data)
        kind: int = struct.unpack_from("!H", data, end)[0]
        self.asked.append((name, kind))
        self.heard.set()
        record = self.records.get(name, NO_SUCH_NAME)
        if record is None:
            self._unanswered.append((data, addr))
        else:
            self._transport.sendto(_reply(data, end + 4, kind, record), addr)


def _name(data: bytes) -> tuple[str, int]:
    labels, place = [], 12
    while data[place]:
        labels.append(data[place + 1 : place + 1 + data[place]].decode())
        place += 1 + data[place]
    return ".".join(labels), place + 1


def _reply(query: bytes, end: int, kind: int, record: tuple[int, str] | int) -> bytes:
    code, ttl, addresses = (record, 0, "") if isinstance(record, int) else (0, *record)
    packed = [ipaddress.ip_address(address).packed for address in addresses.split()]
    fitting = [address for address in packed if len(address) == (4 if kind == A else 16)]
    answers = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, ttl, len(one)) + one for one in fitting)
    head = query[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(fitting), 0, 0)
    return head + query[12:end] + answers
