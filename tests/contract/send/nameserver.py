"""A DNS server on the loopback, as far as a resolver asks it: A and AAAA, with TTLs, and names that it never answers.

Over UDP and, where an answer is cut there, over TCP. What it has to say that no honest server would is a function.
"""

import asyncio
import ipaddress
import struct
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from typing_extensions import override

A, AAAA = 1, 28
CNAME = 5
NO_SUCH_NAME, FAILED = 3, 2
TRUNCATED = 0x0200

Odd = Callable[[bytes, int], list[bytes]]
"""(question as it came, A or AAAA) → the datagrams that it gets."""

Record = tuple[int, str] | int | Odd | None


class NameServer(asyncio.DatagramProtocol):
    """Knows `records`: name → (TTL, addresses). A name that is None is never answered, an int is the error it gets.

    `whole` are names whose answers are cut over UDP and have to be asked for over TCP, `over_tcp` those that were.
    """

    def __init__(self, **records: Record) -> None:
        self.records = {name.replace("__", "."): record for name, record in records.items()}
        self.asked: list[tuple[str, int]] = []
        self.whole: set[str] = set()
        self.over_tcp: list[str] = []
        self.heard = asyncio.Event()
        self._unanswered: list[tuple[bytes, tuple[str, int]]] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        # a port that is free for both
        while True:
            self._transport, _ = await loop.create_datagram_endpoint(lambda: self, ("127.0.0.1", 0))
            try:
                self._tcp = await asyncio.start_server(self._talk, *self._transport.get_extra_info("sockname"))
            except OSError:
                self._transport.close()
            else:
                return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._transport.close()
        self._tcp.close()
        await self._tcp.wait_closed()

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
        elif callable(record):
            for one in record(data, kind):
                self._transport.sendto(one, addr)
        elif name in self.whole:
            self._transport.sendto(cut(data, kind), addr)
        else:
            self._transport.sendto(_reply(data, end + 4, kind, record), addr)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                data = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
                name, end = _name(data)
                kind: int = struct.unpack_from("!H", data, end)[0]
                self.over_tcp.append(name)
                record = self.records[name]
                if not isinstance(record, tuple):
                    break
                reply = _reply(data, end + 4, kind, record)
                writer.write(len(reply).to_bytes(2) + reply)
        writer.close()


def honest(data: bytes, kind: int, addresses: str) -> bytes:
    """Answer as one should, to be spoilt."""
    return _reply(data, _name(data)[1] + 4, kind, (0, addresses))


def cut(data: bytes, kind: int) -> bytes:
    """An answer that had no room for any address."""
    reply = honest(data, kind, "")
    return reply[:2] + struct.pack("!H", 0x8180 | TRUNCATED) + reply[4:]


def alias(data: bytes, kind: int, of: str, addresses: str) -> bytes:
    """The name is another one for `of`, whose addresses come along."""
    target = b"".join(bytes([len(one)]) + one.encode() for one in of.split(".")) + b"\0"
    plain = honest(data, kind, addresses)
    start = _name(data)[1] + 4
    first = b"\xc0\x0c" + struct.pack("!HHIH", CNAME, 1, 0, len(target)) + target
    # the addresses belong to the target, which stands right behind the head of the record
    rest = plain[start:].replace(b"\xc0\x0c", struct.pack("!H", 0xC000 | (start + 12)))
    count = 1 + int.from_bytes(plain[6:8])
    return plain[:6] + struct.pack("!H", count) + plain[8:start] + first + rest


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
