"""What a server said about a mail: its status, and whether the address is dead."""

import pytest

from goniec.core.bounces import REASON_LIMIT, kind_of, of_ours, one_line, sharper, status_of, token_in


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("550 5.1.1 no such user", "5.1.1"),
        ("550-5.1.1 no such user", "5.1.1"),
        ("Sorry, no mailbox here by that name. (#5.1.1)", "5.1.1"),
        ("250 2.1.5 OK, then 452 4.2.2 full", "4.2.2"),
        ("250 2.0.0 delivered", "2.0.0"),
        ("host 192.0.2.55 said: 550 no", "5.0.0"),
        ("421 later", "4.0.0"),
        ("at 12:55:50 from 192.0.2.55", ""),
        ("release 5.1.1.2", ""),
        ("", ""),
    ],
)
def test_status(said: str, status: str) -> None:
    assert status_of(said) == status


@pytest.mark.parametrize(
    ("status", "said", "sharp"),
    [
        ("5.1.1", "550 5.7.1 no", "5.1.1"),
        ("5.0.0", "550 5.1.1 no", "5.1.1"),
        ("5.0.0", "550 no", "5.0.0"),
        ("5.0.0", "250 2.1.5 OK", "5.0.0"),
        ("", "550 no", "5.0.0"),
        ("", "no", ""),
    ],
)
def test_a_general_status_gives_way(status: str, said: str, sharp: str) -> None:
    assert sharper(status, said) == sharp


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        ("5.1.1", "", "hard"),
        ("5.1.2", "", "hard"),
        ("5.1.10", "", "hard"),
        ("5.1.0", "address rejected", "soft"),
        ("5.1.0", "unknown user", "hard"),
        ("5.1.8", "sender rejected", "soft"),
        ("5.2.1", "The email account that you tried to reach is disabled", "hard"),
        ("5.2.1", "is receiving mail at a rate that prevents additional messages", "soft"),
        ("5.2.2", "mailbox full", "soft"),
        ("5.3.4", "too big", "soft"),
        ("5.4.4", "", "hard"),
        ("5.4.1", "Recipient address rejected: Access denied.", "hard"),
        ("5.4.1", "no answer", "soft"),
        ("5.4.310", "DNS domain firma.example does not exist", "hard"),
        ("5.6.0", "broken", "soft"),
        ("5.7.1", "unknown user", "soft"),
        ("5.0.0", "550 User unknown", "hard"),
        ("5.0.0", "550 no such user", "hard"),
        ("5.0.0", "550 mailbox unavailable", "soft"),
        ("5.0.0", "550 nie ma takiego użytkownika", "hard"),
        ("5.0.0", "550 user unknown, blocked by our blacklist", "soft"),
        ("5.0.0", "550 <quota@spam.example>: user unknown", "hard"),
        ("5.0.0", "550 relay.firma.example: unknown user", "hard"),
        ("5.1.1", "relaying denied", "soft"),
        ("5.1.9", "", "soft"),
        ("4.1.1", "user unknown", "soft"),
        ("", "user unknown", "soft"),
    ],
)
def test_hard_or_soft(status: str, said: str, kind: str) -> None:
    assert kind_of(status, said) == kind


def test_a_token_is_found_in_an_envelope_before_a_message_id() -> None:
    one, other = "a" * 47, "B" * 47
    message_id = f"<dlv_{'0' * 36}.{one}@example.com>"
    assert token_in("jan+x@example.com", message_id, f"bounces+{other}@example.com") == other
    assert token_in("", message_id) == one
    assert token_in(f"bounces+{one}x@example.com", "dlv_1.x@example.com") is None
    assert of_ours(f"bounces+{other}@example.com")
    assert not of_ours("jan+x@example.com")


def test_a_reason_is_one_clean_line() -> None:
    assert one_line("  550\r\n\tno\0\x1b[31m \u202e\u2028user ") == "550 no [31m user"
    assert one_line("x" * REASON_LIMIT) == "x" * REASON_LIMIT
    assert one_line("x" * 10**6) == "x" * (REASON_LIMIT - 1) + "…"
