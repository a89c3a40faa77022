"""`/metrics`: figures for Prometheus, in its text format, version 0.0.4.

Written by hand: the usual library takes a tenth of a second to import, on the loop that takes events in. Endpoints are
named by id and host, never by more of their URLs. Figures of the ledger count since the beginning, all others since the
process started.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from goniec.core.times import Millis
from goniec.observe import LATENCY_BUCKETS, Counters
from goniec.ports import Queue

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[str, Mapping[str, str], float]
"""What is added to the metric's name, labels, value."""

_DELIVERIES: Final = "deliveries."


class Figures(Struct, frozen=True, kw_only=True):
    """How things stand: the ledger's totals, the queues with the hosts of their endpoints by id, what waits.

    `broken` is how many rules cannot run, `now` in milliseconds like the times of the queues.
    """

    totals: Mapping[str, int] = {}
    queues: Sequence[Queue] = ()
    hosts: Mapping[str, str] = {}
    waiting: int = 0
    broken: int = 0
    now: Millis = 0
    version: str = ""


def exposition(figures: Figures, counted: Counters) -> str:
    """Write it all."""
    totals, queues, now = figures.totals, figures.queues, figures.now
    named = {one.endpoint_id: _endpoint(one.endpoint_id, figures.hosts) for one in queues}
    metrics: list[Iterator[str]] = [
        _metric("goniec_build_info", "gauge", "The version that runs.", [("", {"version": figures.version}, 1)]),
        _metric("goniec_received_total", "counter", "Calls and events received.", _one(totals.get("received", 0))),
        _metric(
            "goniec_calls_total",
            "counter",
            "What became of the calls and events received; they add up.",
            [("", {"outcome": name}, totals.get(name, 0)) for name in ("accepted", "duplicates", "refused")],
        ),
        _metric("goniec_deliveries_made_total", "counter", "Deliveries made.", _one(totals.get("made", 0))),
        _metric(
            "goniec_deliveries",
            "gauge",
            "How the deliveries made stand; they add up.",
            [
                ("", {"status": name.removeprefix(_DELIVERIES)}, value)
                for name, value in sorted(totals.items())
                if name.startswith(_DELIVERIES)
            ],
        ),
        _metric("goniec_waiting_calls", "gauge", "Calls and events waiting to be recorded.", _one(figures.waiting)),
        _metric(
            "goniec_rules_broken",
            "gauge",
            "Rules that cannot run as they are stored; known since something was recorded last.",
            _one(figures.broken),
        ),
        _metric(
            "goniec_queue_pending",
            "gauge",
            "Deliveries that wait, by endpoint.",
            [("", named[queue.endpoint_id], queue.pending) for queue in queues],
        ),
        _metric(
            "goniec_queue_due",
            "gauge",
            "Deliveries that are due, by endpoint.",
            [("", named[queue.endpoint_id], queue.due) for queue in queues],
        ),
        _metric(
            "goniec_queue_oldest_due_seconds",
            "gauge",
            "For how long the oldest due delivery has been due, by endpoint.",
            [
                ("", named[queue.endpoint_id], max(0, now - queue.oldest_due) / 1000)
                for queue in queues
                if queue.oldest_due is not None
            ],
        ),
        _metric(
            "goniec_attempts_total",
            "counter",
            "Attempts by what came of them.",
            [("", {"outcome": name}, n) for name, n in sorted(counted.attempts.items())],
        ),
        _metric(
            "goniec_recorded_total",
            "counter",
            "What the recording transactions carried, and how many they were.",
            [("", {"what": name}, n) for name, n in sorted(counted.batches.items())],
        ),
        _metric(
            "goniec_first_attempt_seconds",
            "histogram",
            "From the decision to the end of the first attempt.",
            _histogram(counted),
        ),
    ]
    return "".join(line + "\n" for metric in metrics for line in metric)


def _endpoint(endpoint_id: str, hosts: Mapping[str, str]) -> Mapping[str, str]:
    return {"endpoint": endpoint_id, "host": hosts.get(endpoint_id, "")}


def _one(value: int) -> list[Sample]:
    return [("", {}, value)]


def _histogram(counted: Counters) -> Iterator[Sample]:
    so_far = 0
    for end in LATENCY_BUCKETS:
        so_far += counted.latency[end]
        yield "_bucket", {"le": f"{end / 1000:g}"}, so_far
    # slower than all of them stands under 0
    so_far += counted.latency[0]
    yield "_bucket", {"le": "+Inf"}, so_far
    yield "_sum", {}, counted.latency_sum / 1000
    yield "_count", {}, so_far


def _metric(name: str, kind: str, about: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} {kind}"
    for suffix, labels, value in samples:
        shown = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{name}{suffix}{'{' + shown + '}' if shown else ''} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
