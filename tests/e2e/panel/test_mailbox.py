"""How the mailbox reads its address, and how a request is written out: without an engine."""

import shlex
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from goniec.core.endpoint import Endpoint
from goniec.core.model import Attempt, Delivery, Failure, Status
from goniec.core.times import DAY, HOUR, parse_instant
from goniec.web.panel.failures import FAILURES, NAMES, answer_name, failure_words
from goniec.web.panel.forms import Form
from goniec.web.panel.mailbox import Row, Wanted, read_wanted, silent
from goniec.web.panel.sent import curl_command, request_lines, target_of
from goniec.web.panel.words import Words

NOW = parse_instant("2026-11-28T14:00:00Z")
WARSAW = ZoneInfo("Europe/Warsaw")
POLISH, ENGLISH = Words("pl"), Words("en")


def read(**query: str) -> Wanted:
    return read_wanted(Form([(name.rstrip("_"), value) for name, value in query.items()]), NOW, WARSAW)


# --- the address -----------------------------------------------------------------------------------------------------


def test_nothing_asked_is_everything() -> None:
    assert read() == Wanted()
    assert not read().narrow


def test_every_filter_is_read() -> None:
    wanted = read(status="failed", rule="rul_1", endpoint="end_1", contact="c", failure="timeout", test="no")
    assert wanted.filter.status is Status.FAILED
    assert wanted.filter.failure is Failure.TIMEOUT
    assert (wanted.filter.rule_id, wanted.filter.endpoint_id, wanted.filter.contact_id) == ("rul_1", "end_1", "c")
    assert wanted.filter.test is False
    assert wanted.narrow
    assert wanted.unknown == ()


def test_a_status_alone_leaves_the_counts_of_the_tabs_true() -> None:
    assert not read(status="failed").narrow


@pytest.mark.parametrize(("period", "back"), [("hour", HOUR), ("day", DAY), ("week", 7 * DAY)])
def test_a_period_reaches_back_from_now(period: str, back: int) -> None:
    assert (read(period=period).since, read(period=period).until) == (NOW - back, None)


@pytest.mark.parametrize("form", ["2026-11-27", "27.11.2026"])
def test_days_are_those_of_the_viewer_both_included(form: str) -> None:
    wanted = read(period="dates", from_=form, to=form)
    assert wanted.since == parse_instant("2026-11-26T23:00:00Z")
    assert wanted.until == parse_instant("2026-11-27T23:00:00Z")
    assert not wanted.backwards


def test_a_day_in_which_the_clocks_change_has_its_own_length() -> None:
    wanted = read(period="dates", from_="2026-10-25", to="2026-10-25")
    assert wanted.since is not None
    assert wanted.until is not None
    assert wanted.until - wanted.since == 25 * HOUR


def test_one_end_may_stay_open() -> None:
    assert read(period="dates", from_="2026-11-27").until is None
    assert read(period="dates", to="2026-11-27").since is None
    assert read(period="dates", from_="", to="") == Wanted(period="dates")


def test_days_the_wrong_way_round_are_noticed() -> None:
    assert read(period="dates", from_="2026-11-28", to="2026-11-27").backwards


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "arrived"),
        ("status", "FAILED"),
        ("failure", "x" * 500),
        ("test", "maybe"),
        ("period", "year"),
    ],
)
def test_what_is_not_understood_is_told_and_left_out(name: str, value: str) -> None:
    wanted = read(**{name: value})
    assert wanted.unknown == ((name, value),)
    assert wanted.filter == Wanted().filter


@pytest.mark.parametrize("day", ["yesterday", "2026-02-30", "9999-12-31", "0001-01-01", "27/11/2026", "\u0662"])
def test_a_day_that_is_none_is_told(day: str) -> None:
    wanted = read(period="dates", from_=day)
    assert wanted.unknown == (("from", day),)
    assert wanted.since is None


def test_days_mean_nothing_without_their_period() -> None:
    assert read(from_="2026-11-27", to="nonsense") == Wanted()


# --- endpoints in trouble -------------------------------------------------------------------------------------------


def row(at: int, failure: Failure | None = Failure.TIMEOUT, *, pending: bool = True, end: str = "end_1") -> Row:
    """A delivery whose last attempt was at this minute."""
    delivery = Delivery(
        id=f"dlv_{at}",
        endpoint_id=end,
        contact_id="c",
        rule_id="rul_1",
        event_type="page.visited",
        seq=1,
        body=b"{}",
        created_at=NOW,
        status=Status.PENDING if pending else Status.DELIVERED,
        first_at=at - 1,
        failure=failure,
    )
    attempt = Attempt(delivery_id=delivery.id, number=1, at=at, millis=1, failure=failure)
    return Row(delivery, endpoint=replace(endpoint(), id=end), attempt=attempt)


def test_an_endpoint_that_fails_for_several_and_for_nobody_not_is_silent() -> None:
    failing = [row(11), row(12), row(13)]
    assert silent(failing) == {"end_1": 10}
    assert silent(failing[:2]) == {}
    assert silent([*failing, row(14, None, pending=False)]) == {}
    assert silent([*failing, row(5, None, pending=False)]) == {"end_1": 10}
    assert silent([*failing[:2], row(13, end="end_2")]) == {}
    assert silent([row(n, Failure.REJECTED) for n in range(9)]) == {}
    assert silent([row(n, pending=False) for n in range(9)]) == {}
    assert silent([replace(one, attempt=None) for one in failing]) == {}


# --- what an attempt came to -----------------------------------------------------------------------------------------


def test_every_failure_has_a_name_and_a_sentence() -> None:
    assert set(NAMES) == set(FAILURES) == set(Failure)
    for label in NAMES.values():
        assert label.pl
        assert label.en


@pytest.mark.parametrize(
    ("status", "failure", "name"),
    [
        (200, None, "200 OK"),
        (503, Failure.SERVER, "503 Service Unavailable"),
        (799, Failure.STATUS, "799"),
        (None, Failure.TIMEOUT, "Przekroczony czas"),
        (None, Failure.of("quicBroken"), "quicBroken"),
        (None, None, ""),
    ],
)
def test_an_answer_is_named_by_its_status_or_by_why_there_is_none(
    status: int | None, failure: Failure | None, name: str
) -> None:
    attempt = Attempt(delivery_id="dlv_1", number=1, at=NOW, millis=1, status=status, failure=failure)
    assert answer_name(attempt, POLISH) == name


def test_an_error_of_another_release_is_told_by_its_code() -> None:
    attempt = Attempt(delivery_id="dlv_1", number=1, at=NOW, millis=1, failure=Failure.of("quicBroken"))
    assert "(kod quicBroken)" in failure_words(attempt, POLISH)
    assert "(code quicBroken)" in failure_words(attempt, ENGLISH)


# --- the request, written out ----------------------------------------------------------------------------------------


def endpoint(url: str = "https://crm.example:8443/a'b?x=1", username: str | None = "jan") -> Endpoint:
    return Endpoint(id="end_1", version=1, url=url, secret=b"", created_at=0, updated_at=0, username=username)


SHOWN = (
    ("Content-Type", "application/json"),
    ("Authorization", None),
    ("webhook-id", "dlv_1"),
    ("webhook-signature", None),
    ("X-Key", None),
    ("X-Empty", ""),
    ("X-Odd", "a'b\\c\"d $HOME `id`"),
)


def test_a_command_for_a_shell_has_every_byte_and_no_secret() -> None:
    body = '{"name":"O\'Neil $(id) `x` \\\\ ż"}'.encode()
    command = curl_command(endpoint(), SHOWN, body, ENGLISH)
    assert command is not None
    parts = [part for part in shlex.split(command) if part != "\n"]
    assert parts == [
        "curl", "-X", "POST", "https://crm.example:8443/a'b?x=1",
        "-u", "jan:PASSWORD",
        "-H", "Content-Type: application/json",
        "-H", "webhook-id: dlv_1",
        "-H", "X-Key: SECRET",
        "-H", "X-Empty;",
        "-H", "X-Odd: a'b\\c\"d $HOME `id`",
        "--data-binary", body.decode(),
    ]  # fmt: skip


def test_the_built_in_receiver_has_no_command_and_no_host() -> None:
    inbox = endpoint("inbox:crm", None)
    assert curl_command(inbox, SHOWN, b"{}", POLISH) is None
    assert target_of(inbox).host is None
    assert "Host" not in request_lines(inbox, SHOWN, 2, POLISH, sent=True)


def test_the_head_of_a_request_is_text_and_never_markup() -> None:
    odd = endpoint("https://crm.example/<script>", "<b>\u202e")
    lines = str(request_lines(odd, SHOWN, None, POLISH, sent=True))
    assert "<script>" not in lines
    assert "&lt;script&gt;" in lines
    assert "<b>" not in lines
    assert "\\u202e" in lines
    assert "ukryte" in lines
    assert "nie do odtworzenia" in lines
    assert "Content-Length" not in lines
    assert "powstaje przy wysłaniu" in request_lines(odd, SHOWN, 5, POLISH, sent=False)
