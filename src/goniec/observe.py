"""What operators see: one structured line per thing that happened, and counters for `/metrics`.

Called from every floor above the core. A line carries ids, hosts, counts and reasons; never a secret, a URL's path or
query, or a payload. Lines are written here and not by a logging library because one is due per delivery attempt, on the
hot path, and because what the usual libraries import for colours costs a quarter of the time that starting may take.
Lines of libraries come through the standard `logging`.
"""

import contextlib
import logging
import sys
import traceback
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import IO, Final, Literal

import msgspec
from typing_extensions import override

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["console", "json"]
LEVELS: Final[Mapping[str, int]] = {"debug": 10, "info": 20, "warning": 30, "error": 40}

_encode: Final = msgspec.json.Encoder(enc_hook=str).encode


class Log:
    """Writes lines to a stream. Each has a time, a level, the event's name and fields."""

    def __init__(self) -> None:
        self._stream: IO[str] | None = None
        self._level = LEVELS["info"]
        self._json = False

    def configure(self, form: Format, level: Level, stream: IO[str] | None = None) -> None:
        """Choose how lines look, and how much is written; `stream` None means standard error as it is at the time."""
        self._json = form == "json"
        self._level = LEVELS[level]
        self._stream = stream
        logging.basicConfig(handlers=[_Borrowed()], level=max(self._level, logging.INFO), force=True)

    def debug(self, event: str, **fields: object) -> None:
        """For finding out how something works."""
        if self._level <= LEVELS["debug"]:
            self._write("debug", event, fields)

    def info(self, event: str, **fields: object) -> None:
        """For what happens every day."""
        self.infos(event, (fields,))

    def infos(self, event: str, lines: Iterable[Mapping[str, object]]) -> None:
        """For what happens many times a second: a line for each, all written at once."""
        if self._level <= LEVELS["info"]:
            self._write("info", event, *lines)

    def warning(self, event: str, **fields: object) -> None:
        """For what mends itself, but should not go on."""
        if self._level <= LEVELS["warning"]:
            self._write("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        """For what needs a person."""
        self._write("error", event, fields)

    def exception(self, event: str, **fields: object) -> None:
        """For a fault of ours: with the traceback of the exception being handled, without the values that it met."""
        kind, error, trace = sys.exc_info()
        frames = traceback.extract_tb(trace)
        where = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in frames]
        name = kind.__name__ if kind else "unknown"
        self._write("error", event, {**fields, "error": name, "reason": str(error), "where": where})

    def _write(self, level: str, event: str, *lines: Mapping[str, object]) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if self._json:
            head = {"at": at, "level": level, "event": event}
            written = [_encode({**head, **fields}).decode() for fields in lines]
        else:
            written = [f"{at} {level:<7} {event:<24} {_shown(fields)}" for fields in lines]
        stream = self._stream or sys.stderr
        # a log on a full disk, or whose reader has gone, ends neither the work nor the process
        with contextlib.suppress(OSError, ValueError):
            stream.write("".join(f"{line}\n" for line in written))
            stream.flush()


class _Borrowed(logging.Handler):
    """Lines of libraries, in our form."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        level = (
            "error" if record.levelno >= logging.ERROR else "warning" if record.levelno >= logging.WARNING else "info"
        )
        fields: dict[str, object] = {"logger": record.name, "message": record.getMessage()}
        if record.exc_info and record.exc_info[1] is not None:
            fields["error"] = repr(record.exc_info[1])
        getattr(log, level)("library", **fields)


def _shown(fields: Mapping[str, object]) -> str:
    return " ".join(f"{name}={_plain(value)}" for name, value in fields.items() if value is not None)


def _plain(value: object) -> str:
    text = str(value)
    return text if text and text.isprintable() and " " not in text else msgspec.json.encode(text).decode()


log: Final = Log()

LATENCY_BUCKETS: Final = (5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000)
"""Upper ends in milliseconds, for the times from a decision on; the last bucket has no end."""


class Times:
    """How often something took how long: the counts of `LATENCY_BUCKETS` and one more, and the sum in milliseconds."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(LATENCY_BUCKETS) + 1)
        self.sum = 0

    def add(self, millis: int) -> None:
        """Count one."""
        self.counts[bisect_left(LATENCY_BUCKETS, millis)] += 1
        self.sum += millis


class Counters:
    """Counts since the start of this process.

    Bounded labels only. Rising an entry is atomic enough under one interpreter lock. `sightings` are openings and
    clicks: `recorded`, and `lost` where the disk did not take them; `mail` is what became of mails, by the figures of
    messages.
    """

    def __init__(self) -> None:
        self.attempts: Counter[str] = Counter()
        self.batches: Counter[str] = Counter()
        self.sightings: Counter[str] = Counter()
        self.mail: Counter[str] = Counter()
        self.first_byte = Times()
        self.first_attempt = Times()

    def attempt(self, outcome: str) -> None:
        """Count an attempt by its failure code or `delivered`."""
        self.attempts[outcome] += 1

    def first(self, to_byte: int | None, to_end: int) -> None:
        """Count how long a delivery's first attempt took from its decision, in milliseconds.

        Until its first byte went out (None: none did), and until it had ended.
        """
        if to_byte is not None:
            self.first_byte.add(max(0, to_byte))
        self.first_attempt.add(max(0, to_end))

    def batch(self, calls: int, results: int, deliveries: int) -> None:
        """Count a commit and what it carried."""
        self.batches["commits"] += 1
        self.batches["calls"] += calls
        self.batches["results"] += results
        self.batches["deliveries"] += deliveries


counters: Final = Counters()
