"""One trace for all that follows from one event, and headers as the standard writes them."""

import pytest

from goniec.core.ids import child, delivery_id, run_id
from goniec.core.traces import Parent, read_traceparent, span_of, trace_of, traceparent

ROOT = "evt_01KAX7Z6K33FQ2M8VD00000000"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_all_that_follows_from_an_event_is_one_trace() -> None:
    later = child(ROOT, 1, "rul_1")
    ids = [ROOT, later, run_id(later, "rul_1"), delivery_id(later, 0, "rul_1", "0"), delivery_id(ROOT, 1, "rul_1", "0")]
    assert {trace_of(id) for id in ids} == {trace_of(ROOT)}
    assert {span_of(id) for id in ids} == {span_of(ROOT)}
    assert (len(trace_of(ROOT)), len(span_of(ROOT))) == (32, 16)
    assert not trace_of(ROOT).startswith(span_of(ROOT))
    other = ROOT.replace("2M8VD", "2M8VE")
    assert trace_of(other) != trace_of(ROOT)


def test_ids_of_traces_stay_what_they_are() -> None:
    """Processes of two releases meet in one trace."""
    assert trace_of(ROOT) == "460e0430b51f17f18ab6948610571737"
    assert span_of(ROOT) == "dd2e416870336769"


@pytest.mark.parametrize(
    ("text", "sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f" 00-{TRACE}-{SPAN}-03\t", True),
        (f"cc-{TRACE}-{SPAN}-01-what-comes-next", True),
    ],
)
def test_a_header_is_read(text: str, sampled: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert read_traceparent(text) == Parent(TRACE, SPAN, sampled)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "none",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-0g",
    ],
)
def test_what_means_nothing_is_passed_over(text: str) -> None:
    assert read_traceparent(text) is None


def test_a_header_that_is_written_is_read_again() -> None:
    assert read_traceparent(traceparent(TRACE, SPAN, sampled=True)) == Parent(TRACE, SPAN, sampled=True)
    assert read_traceparent(traceparent(TRACE, SPAN, sampled=False)) == Parent(TRACE, SPAN, sampled=False)
