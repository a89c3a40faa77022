"""The body of a webhook, byte for byte."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goniec.core.payload import body

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
KEYS = ["id", "name", "contactId", "description", "email", "phone", "company"]


def test_seven_keys_in_their_order_without_white_space() -> None:
    made = body("rul_1", "VIP to CRM", "0190-c", "new VIP for the CRM", "jan@example.pl", "+48 600 100 200", "Żabka")
    assert (
        made
        == (
            '{"id":"rul_1","name":"VIP to CRM","contactId":"0190-c","description":"new VIP for the CRM",'
            '"email":"jan@example.pl","phone":"+48 600 100 200","company":"Żabka"}'
        ).encode()
    )


def test_what_a_contact_does_not_have_is_null_and_no_comment_is_an_empty_string() -> None:
    assert body("rul_1", "r", "c", "", None, None, None) == (
        b'{"id":"rul_1","name":"r","contactId":"c","description":"","email":null,"phone":null,"company":null}'
    )


def company(text: str) -> bytes:
    """Give the bytes of the value of `company`, quotation marks included."""
    return body("", "", "", "", None, None, text).split(b'"company":')[1][:-1]


def test_a15_text_that_others_turn_into_entities() -> None:
    text = 'M&M <Żabka> "Łódź" 😱 \'s'
    assert company(text) == '"M&M <Żabka> \\"Łódź\\" 😱 \'s"'.encode()
    assert json.loads(company(text)) == text


@pytest.mark.parametrize(
    "text", ["ñ", "\u2028\u2029", "</script>", "\U0001f9d1\u200d\U0001f4bb", "\x7f", "\x85", "/", "'"]
)
def test_a16_what_needs_no_escape_has_none(text: str) -> None:
    assert company(text) == f'"{text}"'.encode()


@pytest.mark.parametrize(
    ("text", "escaped"),
    [('"', rb"\""), ("\\", rb"\\"), ("\n", rb"\n"), ("\r", rb"\r"), ("\t", rb"\t"), ("\b", rb"\b"), ("\f", rb"\f"),
     ("\x00", rb"\u0000"), ("\x1f", rb"\u001f")],
)  # fmt: skip
def test_what_rfc_8259_demands_is_escaped(text: str, escaped: bytes) -> None:
    assert company(text) == b'"' + escaped + b'"'


def test_a19_emoji_and_cyrillic_in_each_of_the_seven() -> None:
    values = [f"😱 Привет {n}" for n in range(7)]
    made = body(*values)
    assert (
        made == ("{" + ",".join(f'"{key}":"{value}"' for key, value in zip(KEYS, values, strict=True)) + "}").encode()
    )
    assert len(made) > len(made.decode())


@given(TEXT, TEXT, TEXT, TEXT, TEXT | st.none(), TEXT | st.none(), TEXT | st.none())
def test_any_json_reader_finds_exactly_the_values(
    rule_id: str,
    rule_name: str,
    contact_id: str,
    description: str,
    email: str | None,
    phone: str | None,
    company: str | None,
) -> None:
    values = (rule_id, rule_name, contact_id, description, email, phone, company)
    pairs = json.loads(body(*values), object_pairs_hook=list)
    assert pairs == list(zip(KEYS, values, strict=True))


def test_half_a_surrogate_pair_never_leaves() -> None:
    with pytest.raises(UnicodeEncodeError):
        body("rul_1", "\ud800", "c", "", None, None, None)
