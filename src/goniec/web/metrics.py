"""`/metrics`: figures for Prometheus, in its text format, version 0.0.4.

Written by hand: the usual library takes a tenth of a second to import, on the loop that takes events in. Endpoints are
named by id and host, never by more of their URLs, and only so many of them: each name is a series that Prometheus
keeps. Figures of the ledger count since the beginning, all others since the process started.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, get_args

from msgspec import Struct

from goniec.core.endpoint import Endpoint
from goniec.core.mailing import Figure
from goniec.core.model import Status
from goniec.core.times import SECOND, Millis
from goniec.observe import LATENCY_BUCKETS, Counters, Times
from goniec.ports import DUE_MOST, Balance, Queue

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[str, Mapping[str, str], float]
"""What is added to the metric's name, labels, value."""

_DELIVERIES: Final = "deliveries."

NAMED: Final = 200
"""So many endpoints have figures of their own, the oldest ones; those of all others stand together under `OTHER`."""
OTHER: Final = "other"


class Figures(Struct, frozen=True, kw_only=True):
    """How things stand: the ledger's totals, queues and balances of endpoints, these themselves, what waits.

    `broken` is how many rules cannot run, `now` in milliseconds like the times of the queues, `ahead` how many of them
    this machine's clock is ahead of the server's. `role` is what this process does, `workers` how many processes
    deliver, `owned` to how many endpoints this one does.
    """

    totals: Mapping[str, int] = {}
    queues: Sequence[Queue] = ()
    balances: Sequence[Balance] = ()
    endpoints: Sequence[Endpoint] = ()
    waiting: int = 0
    broken: int = 0
    ahead: Millis = 0
    now: Millis = 0
    version: str = ""
    role: str = ""
    workers: int = 0
    owned: int = 0


def exposition(figures: Figures, counted: Counters) -> str:
    """Write it all."""
    totals = figures.totals
    metrics: list[Iterator[str]] = [
        _metric("goniec_build_info", "gauge", "The version that runs.", [("", {"version": figures.version}, 1)]),
        _metric("goniec_process_info", "gauge", "What this process does.", [("", {"role": figures.role}, 1)]),
        _metric(
            "goniec_workers",
            "gauge",
            "Processes that live and deliver, by their leases; a dead one's runs out within a minute.",
            _one(figures.workers),
        ),
        _metric(
            "goniec_process_endpoints",
            "gauge",
            "Endpoints that this process delivers to just now; those with nothing to do are nobody's.",
            _one(figures.owned),
        ),
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
            "goniec_clock_ahead_seconds",
            "gauge",
            "By how much this machine's clock is ahead of the database server's, which rules; 0 without a server.",
            [("", {}, figures.ahead / SECOND)],
        ),
        *_by_endpoint(figures),
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
            "goniec_sightings_total",
            "counter",
            "Opens and clicks: recorded, or lost because the disk did not take them.",
            [("", {"outcome": name}, counted.sightings[name]) for name in ("recorded", "lost")],
        ),
        _metric(
            "goniec_mail_total",
            "counter",
            "What became of the mails of messages, as far as this process recorded it.",
            [("", {"what": name}, counted.mail[name]) for name in get_args(Figure)],
        ),
        _metric(
            "goniec_first_byte_seconds",
            "histogram",
            "From the decision to the first byte of the first attempt's request.",
            _histogram(counted.first_byte),
        ),
        _metric(
            "goniec_first_attempt_seconds",
            "histogram",
            "From the decision to the end of the first attempt.",
            _histogram(counted.first_attempt),
        ),
    ]
    return "".join(line + "\n" for metric in metrics for line in metric)


def _by_endpoint(figures: Figures) -> Iterator[Iterator[str]]:
    queues, endpoints, now = figures.queues, figures.endpoints, figures.now
    hosts = {endpoint.id: endpoint.host for endpoint in endpoints}
    known = sorted({*hosts, *(queue.endpoint_id for queue in queues)})
    named = {id_: {"endpoint": id_, "host": hosts.get(id_, "")} for id_ in known[:NAMED]}

    def gauge(
        name: str, about: str, values: Iterable[tuple[str, float]], together: Callable[..., float] = sum
    ) -> Iterator[str]:
        return _metric(name, "gauge", about, _folded(values, named, together))

    yield _metric("goniec_endpoints", "gauge", "Endpoints that there are.", _one(len(endpoints)))
    yield _metric(
        "goniec_endpoint_deliveries",
        "gauge",
        "How the deliveries made for each endpoint stand; they add up.",
        _standing(figures.balances, named),
    )
    yield gauge(
        "goniec_queue_pending",
        "Deliveries that wait, by endpoint.",
        [(queue.endpoint_id, queue.pending) for queue in queues],
    )
    yield gauge(
        "goniec_queue_due",
        f"Deliveries that may go now, by endpoint; of an endpoint at most {DUE_MOST} are counted.",
        [(queue.endpoint_id, queue.due) for queue in queues],
    )
    yield gauge(
        "goniec_queue_oldest_due_seconds",
        "For how long the oldest due delivery has been due, by endpoint.",
        [
            (queue.endpoint_id, max(0, now - queue.oldest_due) / SECOND)
            for queue in queues
            if queue.oldest_due is not None
        ],
        max,
    )
    yield gauge(
        "goniec_endpoint_paused",
        "1 where an endpoint is paused; of the others, how many are.",
        [(endpoint.id, int(endpoint.paused is not None)) for endpoint in endpoints],
    )
    yield gauge(
        "goniec_endpoint_breaker_open",
        "1 where an endpoint's breaker is open, so that only probes go; of the others, how many are.",
        [(endpoint.id, int(endpoint.breaker.open)) for endpoint in endpoints],
    )
    yield gauge(
        "goniec_endpoint_failing_seconds",
        "For how long an endpoint has been tried without success; noted every 10 minutes, and when it is over.",
        [(endpoint.id, endpoint.breaker.failing / SECOND) for endpoint in endpoints],
        max,
    )


def _standing(balances: Sequence[Balance], named: Mapping[str, Mapping[str, str]]) -> Iterator[Sample]:
    for status in Status:
        values = [(one.subject, getattr(one, status)) for one in balances]
        for suffix, labels, value in _folded(values, named, sum):
            yield suffix, {**labels, "status": status}, value


def _folded(
    values: Iterable[tuple[str, float]], named: Mapping[str, Mapping[str, str]], together: Callable[..., float]
) -> Iterator[Sample]:
    """A sample for each endpoint that is named, and one for all others together."""
    others: list[float] = []
    for endpoint_id, value in values:
        if endpoint_id in named:
            yield "", named[endpoint_id], value
        else:
            others.append(value)
    if others:
        yield "", {"endpoint": OTHER, "host": ""}, together(others)


def _one(value: int) -> list[Sample]:
    return [("", {}, value)]


def _histogram(times: Times) -> Iterator[Sample]:
    so_far = 0
    for end, count in zip(LATENCY_BUCKETS, times.counts, strict=False):
        so_far += count
        yield "_bucket", {"le": f"{end / SECOND:g}"}, so_far
    so_far += times.counts[-1]
    yield "_bucket", {"le": "+Inf"}, so_far
    yield "_sum", {}, times.sum / SECOND
    yield "_count", {}, so_far


def _metric(name: str, kind: str, about: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} {kind}"
    for suffix, labels, value in samples:
        shown = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{name}{suffix}{'{' + shown + '}' if shown else ''} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
