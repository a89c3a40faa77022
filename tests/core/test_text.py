"""Texts are taken as entered or refused; only their keys are normalised. What is a number is decided in one place."""

import math
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from goniec.core.text import EMAIL_LIMIT, NUMBER_LIMIT, TAG_LIMIT, clean, email_key, phone_key, read_number, tag_key

ASTRAL = "😱"


class TestClean:
    @pytest.mark.parametrize(
        "text",
        [
            'M&M <Żabka> "Łódź" 😱 \'s',
            "ñ \u2028 </script> \U0001f9d1\u200d\U0001f4bb",
            " Acme ",
            "\x7f\x85",
            "\u200b",
            "x",
        ],
    )
    def test_text_stays_as_entered(self, text: str) -> None:
        assert clean(text, 100) == text

    @pytest.mark.parametrize("text", ["", " ", "\u00a0\u2003 ", "\u3000"])
    def test_blank_is_no_value(self, text: str) -> None:
        assert clean(text, 100) == ""

    def test_blank_lines_are_no_value(self) -> None:
        assert clean(" \r\n\t", 100, multiline=True) == ""

    def test_lines_and_tabs_need_a_place_for_them(self) -> None:
        assert clean("a\r\n\tb", 100, multiline=True) == "a\r\n\tb"
        for text, name in (("a\nb", "U\\+000A"), ("a\rb", "U\\+000D"), ("a\tb", "U\\+0009"), (" \n", "U\\+000A")):
            with pytest.raises(ValueError, match=f"control character {name} cannot stand here"):
                clean(text, 100)

    @pytest.mark.parametrize("multiline", [False, True])
    @pytest.mark.parametrize("code", [0x00, 0x01, 0x08, 0x0B, 0x0C, 0x0E, 0x1F])
    def test_control_characters_are_refused(self, code: int, multiline: bool) -> None:  # noqa: FBT001 -- a parameter of the test
        with pytest.raises(ValueError, match=f"control character U\\+{code:04X}"):
            clean(f"a{chr(code)}b", 100, multiline=multiline)

    @pytest.mark.parametrize("multiline", [False, True])
    @pytest.mark.parametrize("half", [0xD800, 0xDFFF])
    def test_half_a_surrogate_pair_is_refused(self, half: int, multiline: bool) -> None:  # noqa: FBT001 -- a parameter of the test
        with pytest.raises(ValueError, match="half of a surrogate pair"):
            clean(f"a{chr(half)}", 100, multiline=multiline)

    def test_length_is_counted_in_characters(self) -> None:
        assert clean(ASTRAL * 10, 10) == ASTRAL * 10
        with pytest.raises(ValueError, match="at most 10 characters, and this has 10000"):
            clean("x" * 10_000, 10)

    @given(st.text(), st.booleans())
    def test_gives_the_text_or_nothing_or_refuses(self, text: str, multiline: bool) -> None:  # noqa: FBT001 -- hypothesis draws it
        try:
            taken = clean(text, 1_000, multiline=multiline)
        except ValueError:
            return
        assert taken == (text if text.strip() else "")
        taken.encode()


class TestTags:
    @pytest.mark.parametrize(
        ("text", "key"),
        [
            ("VIP", "VIP"),
            ("vip", "VIP"),
            (" Vip ", "VIP"),
            ("Zażółć gęślą jaźń", "ZAZOLC_GESLA_JAZN"),
            ("łŁ øØ đĐ ßẞ æÆ ıİ", "LL_OO_DD_SSSS_AEAE_II"),
            ("ǿ ǽ", "O_AE"),
            ("z\u0307o\u0301łw", "ZOLW"),
            ("ŻÓŁW", "ZOLW"),
            ("nowy-klient 2026!", "NOWY_KLIENT_2026_"),
            ("\uff11\uff12 ½ ﬁ", "12_1_2_FI"),
            ("ВИП й", "ВИП_И"),
            ("ΐ ς", "\u0399_Σ"),
            ("한국", "한국"),
            ("1\ufe0f\u20e3", "1"),
            (f"VIP{ASTRAL}", "VIP_"),
            ("a\x00b", "A_B"),
            ("__x", "__X"),
        ],
    )
    def test_have_one_spelling(self, text: str, key: str) -> None:
        assert tag_key(text) == key

    def test_a55_r_and_d_is_one_tag_however_it_comes(self) -> None:
        assert tag_key("R&D") == tag_key(" r&d ") == tag_key("R_D") == "R_D"

    def test_other_scripts_do_not_fall_together(self) -> None:
        assert tag_key("клиент") != tag_key("другой")

    @given(st.text(max_size=TAG_LIMIT))
    @example("ŉ\u0345")
    @example("ǰ")
    def test_the_key_of_a_key_is_itself(self, text: str) -> None:
        try:
            key = tag_key(text)
        except ValueError:
            return
        assert tag_key(key) == key
        assert 1 <= len(key) <= TAG_LIMIT
        assert all(char == "_" or char.isalnum() for char in key)

    @given(st.text(st.characters(codec="latin-1"), max_size=30))
    def test_case_does_not_matter(self, text: str) -> None:
        def key(text: str) -> str | None:
            try:
                return tag_key(text)
            except ValueError:
                return None

        assert key(text) == key(text.upper()) == key(text.lower())

    @pytest.mark.parametrize("text", ["", "  ", "\u00a0"])
    def test_empty_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="empty"):
            tag_key(text)

    @pytest.mark.parametrize("text", ["_", "!!", ASTRAL, "\u0301", "\ud800"])
    def test_nothing_to_tell_it_by_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="a letter or a digit"):
            tag_key(text)

    def test_the_limit_is_for_the_key(self) -> None:
        assert tag_key("ż" * TAG_LIMIT) == "Z" * TAG_LIMIT
        assert tag_key("z\u0307" * TAG_LIMIT) == "Z" * TAG_LIMIT
        for text in ("x" * (TAG_LIMIT + 1), "ß" * (TAG_LIMIT // 2 + 1), "x" * 10_000):
            with pytest.raises(ValueError, match=f"at most {TAG_LIMIT} characters"):
                tag_key(text)


class TestEmails:
    @pytest.mark.parametrize(
        ("text", "stored", "key"),
        [
            ("jan@example.pl", "jan@example.pl", "jan@example.pl"),
            (" Jan.Kowalski@Example.PL\r\n", "Jan.Kowalski@Example.PL", "jan.kowalski@example.pl"),
            ("jan.@onet.pl", "jan.@onet.pl", "jan.@onet.pl"),
            ("a+b%c_d'e@x", "a+b%c_d'e@x", "a+b%c_d'e@x"),
            ("\u00a0Z\u0307o\u0301łw@Żółw.pl", "Żółw@Żółw.pl", "żółw@żółw.pl"),
            ("İ@x.pl", "İ@x.pl", "i\u0307@x.pl"),
        ],
    )
    def test_are_stored_as_entered_and_compared_in_lower_case(self, text: str, stored: str, key: str) -> None:
        assert email_key(text) == (stored, key)

    @pytest.mark.parametrize(
        "text", ["", "jan", "@", "jan@", "@x.pl", "a@b@c", "ż@", "@ż", "żółw", "ż@b@c", "jan\uff20x.pl"]
    )
    def test_have_one_at_sign_with_text_on_both_sides(self, text: str) -> None:
        with pytest.raises(ValueError, match="exactly one @"):
            email_key(text)

    @pytest.mark.parametrize(
        "char",
        [" ", "\t", "\n", "\x00", "\x7f", "\x85", "\u00a0", "\u00ad", "\u034f", "\u115f", "\u180e", "\u200b", "\u200d",
         "\u2028", "\u202e", "\u2060", "\u2800", "\u3000", "\u3164", "\ufe0f", "\ufeff", "\uffa0", "\ud800",
         "\U000e0041", "\U000e0100"],
    )  # fmt: skip
    def test_hold_nothing_that_cannot_be_seen(self, char: str) -> None:
        with pytest.raises(ValueError, match=f"U\\+{ord(char):04X}"):
            email_key(f"ja{char}n@example.pl")

    def test_an_invisible_character_at_the_end_is_not_trimmed_away(self) -> None:
        with pytest.raises(ValueError, match="U\\+FEFF"):
            email_key("\ufeffjan@example.pl")

    def test_have_at_most_254_characters(self) -> None:
        longest = "x" * (EMAIL_LIMIT - 5) + "@x.pl"
        assert email_key(f" {longest} ") == (longest, longest)
        with pytest.raises(ValueError, match="at most 254 characters, and this has 255"):
            email_key("x" + longest)

    @given(st.builds("{}@{}".format, st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=40)))
    def test_the_key_of_a_key_is_itself(self, text: str) -> None:
        try:
            stored, key = email_key(text)
        except ValueError:
            return
        assert email_key(stored) == (stored, key)
        assert email_key(key) == (key, key)
        assert email_key(f" {text}\n") == (stored, key)


class TestPhones:
    @pytest.mark.parametrize(
        "text",
        ["600100200", "600 100 200", "+48 600 100 200", "0048600100200", "48600100200", "(600) 100-200",
         "tel:+48-600-100-200", "\u0666\u0660\u0660\u0661\u0660\u0660\u0662\u0660\u0660", "\uff16\uff10\uff10100200"],
    )  # fmt: skip
    def test_have_one_key_in_whatever_form(self, text: str) -> None:
        assert phone_key(text, "PL") == "+48600100200"

    @pytest.mark.parametrize(
        "text",
        ["", "-", "abc", "12", "112", "+999123456789", "600100200;600100201", "6" * 65, "x" * 10_000, "\ud800"],
    )
    def test_what_cannot_be_read_has_none(self, text: str) -> None:
        assert phone_key(text, "PL") is None

    def test_a_number_of_a_whole_office_has_none(self) -> None:
        assert phone_key("22 123 45 67", "PL") == "+48221234567"
        assert phone_key("22 123 45 67 ext. 5", "PL") is None

    def test_a_number_without_its_area_has_none(self) -> None:
        assert phone_key("253-0000", "US") is None
        assert phone_key("650 253-0000", "US") == "+16502530000"

    def test_the_country_says_where_a_number_is_at_home(self) -> None:
        assert phone_key("030 123456", "DE") == "+4930123456"
        assert phone_key("030 123456", "XX") is None
        assert phone_key("+48 600 100 200", "XX") == "+48600100200"

    @given(st.text(max_size=70), st.sampled_from(["PL", "US", "XX"]))
    def test_the_key_of_a_key_is_itself(self, text: str, country: str) -> None:
        key = phone_key(text, country)
        assert key is None or phone_key(key, country) == key


class TestNumbers:
    @pytest.mark.parametrize(
        ("value", "number"),
        [
            (7, 7),
            (-(2**63), -(2**63)),
            (10**NUMBER_LIMIT - 1, 10**NUMBER_LIMIT - 1),
            (0.1, Decimal("0.1")),
            (10.0, 10),
            (-0.0, 0),
            (1e300, Decimal("1e300")),
            ("9", 9),
            ("10.0", 10),
            (" +10\n", 10),
            ("-0", 0),
            ("007", 7),
            ("1.5e3", 1500),
            ("1E-2", Decimal("0.01")),
            ("12345678901234567890123", 12345678901234567890123),
            ("0.1", Decimal("0.1")),
            ("1e999", Decimal("1e999")),
        ],
    )
    def test_are_read_exactly(self, value: object, number: Decimal | int) -> None:
        read = read_number(value)
        assert read == number
        assert not isinstance(read, float)

    @pytest.mark.parametrize(
        "value",
        [None, True, False, math.nan, math.inf, -math.inf, 10**NUMBER_LIMIT, -(10**NUMBER_LIMIT), "", " ", "abc", "1,5",
         "1 000", "1_000", "0x10", ".5", "5.", "1e", "1e1000", "--1", "NaN", "inf", "9" * (NUMBER_LIMIT + 1), "1\u00a0",
         "1\x00", [1], {"a": 1}, b"1"],
    )  # fmt: skip
    def test_everything_else_is_none(self, value: object) -> None:
        assert read_number(value) is None

    def test_a18_digits_of_other_scripts_are_no_numbers(self) -> None:
        assert read_number("\u0661\u0662") is None  # 12 in Arabic digits
        assert read_number("\uff11\uff12") is None  # 12 in full width

    def test_a06_as_the_detail_of_a_condition(self) -> None:
        read = [read_number(value) for value in ("9", 10, "10.0", "abc", None)]
        assert [number is not None and number > 9 for number in read] == [False, True, True, False, False]

    @given(st.integers(-(10**30), 10**30), st.integers(-(10**30), 10**30))
    def test_long_integers_compare_exactly_in_any_spelling(self, one: int, other: int) -> None:
        for left, right in ((one, str(other)), (str(one), f"{other}.0"), (f"{one}e0", other)):
            first, second = read_number(left), read_number(right)
            assert first is not None
            assert second is not None
            assert (first < second, first == second) == (one < other, one == other)

    @given(st.floats(allow_nan=False, allow_infinity=False))
    def test_a_float_is_what_its_text_says(self, value: float) -> None:
        assert read_number(value) == Decimal(repr(value)) == read_number(repr(value))

    def test_the_largest_compare_at_little_cost(self) -> None:
        huge, tiny, long = read_number("9.9e999"), read_number("-1e-999"), read_number("9" * NUMBER_LIMIT)
        assert huge is not None
        assert tiny is not None
        assert long is not None
        assert tiny < 0 < long < huge
        assert len({hash(huge), hash(tiny), hash(long)}) == 3
