"""What a recording transaction leaves in traces: a span for each event from outside that it recorded.

Called by `record` after the commit, and only while tracing is on.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from goniec.core.ids import root_of
from goniec.core.model import Delivery
from goniec.core.times import Millis
from goniec.flow.batch import Recorded, Result
from goniec.ports import Remembered
from goniec.tracing import Asked, tracing

Asking = tuple[Asked | None, Iterable[str]]
"""A request, and the events that were recorded for it."""


def trace(asking: Iterable[Asking], deliveries: Sequence[Delivery], start: Millis, end: Millis) -> None:
    """Tell of what was recorded: for requests, and of what followed from what Goniec itself has found out."""
    made = Counter(root_of(one.event_id) for one in deliveries)
    own = set(made)
    for asked, events in asking:
        roots = {root_of(id) for id in events}
        own -= roots
        tracing.recorded(asked, roots, made, start, end)
    tracing.recorded(None, own, made, start, end)


def events_of(results: Sequence[Result] | Remembered) -> Iterable[str]:
    """Give the events that a request's calls have made; an answer that was remembered has made none."""
    if isinstance(results, Remembered):
        return
    for one in results:
        if isinstance(one, Recorded):
            yield from one.events
            yield from one.happened
