"""What people and their systems type: which texts are taken, when two of them mean the same, and which are numbers.

Ingest, imports and the panel call this room before anything is stored, conditions call it for numbers. Texts are never
repaired: they are stored as entered or refused by a `ValueError` that says what is wrong, without repeating the text.
Only keys, which nobody sees, are normalised.
"""

import math
import re
import unicodedata
from decimal import Decimal
from functools import lru_cache
from typing import Final

import phonenumbers

TAG_LIMIT: Final = 100
EMAIL_LIMIT: Final = 254
PHONE_LIMIT: Final = 64
"""A longer text is no phone number; it may still be stored."""

NUMBER_LIMIT: Final = 400
"""How many characters (of a text) or digits (of an integer) a number has at most; every finite float fits."""

# NFKD takes marks off letters; these Latin ones carry theirs in the letter itself. Applied to upper case.
_LATIN: Final = str.maketrans({"Ł": "L", "Ø": "O", "Đ": "D", "ẞ": "SS", "Æ": "AE"})
# Longer than any text whose tag could still be short enough: normalising is not free.
_TAG_INPUT_LIMIT: Final = 10 * TAG_LIMIT

_CONTROL: Final = re.compile("[\x00-\x1f\ud800-\udfff]")
_CONTROL_IN_LINES: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")

_PLAIN_EMAIL: Final = re.compile(r"[!-?A-~]+@[!-?A-~]+")
_UNSEEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"})
# What Unicode calls default ignorable (DerivedCoreProperties) without being of category Cf, and the blank of Braille.
_UNSEEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U000e0000-\U000e0fff]"
)

_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d{1,3})?", re.ASCII)
_ASCII_SPACE: Final = " \t\n\r\f\v"
_NUMBER_END: Final = 10**NUMBER_LIMIT


def clean(text: str, limit: int, *, multiline: bool = False) -> str:
    """Pass a text as it was entered, or `""` for one of nothing but white space, which means "no value" everywhere.

    `limit` counts characters (code points). White space at the ends of anything else stays. Only a `multiline` text may
    hold tabs and line ends.

    Raises:
        ValueError: too long, or a control character (NUL and the rest of U+0000 to U+001F) or half of a surrogate pair.

    """
    if len(text) > limit:
        raise ValueError(f"at most {limit} characters, and this has {len(text)}")
    found = (_CONTROL_IN_LINES if multiline else _CONTROL).search(text)
    if found is not None:
        raise ValueError(_unprintable(found[0]))
    return "" if text.isspace() else text


def tag_key(text: str) -> str:
    """Give the one spelling of a tag: upper-case letters and digits without diacritics, anything else as `_`.

    White space at the ends is dropped. Letters of other scripts than Latin stay letters, or all tags of the same length
    in Cyrillic would be one. Applied to its own result it changes nothing.

    Raises:
        ValueError: empty, longer than `TAG_LIMIT`, or without any letter or digit, so that it would read like any
        other.

    """
    if len(text) > _TAG_INPUT_LIMIT:
        raise ValueError(f"a tag has at most {TAG_LIMIT} characters")
    return _tag_key(text)


def email_key(text: str) -> tuple[str, str]:
    """Give an e-mail address as it is stored and sent, and the key by which it is compared.

    Stored is the text in NFC without white space at its ends; the key is that in lower case. Whether a mail server
    would take the address is not asked: only what cannot be one is refused, and nothing is put right.

    Raises:
        ValueError: not exactly one `@` with text on both sides, a space, control or invisible character, or longer than
            `EMAIL_LIMIT` characters.

    """
    stored = text.strip()
    if len(stored) > EMAIL_LIMIT:
        raise ValueError(f"an e-mail address has at most {EMAIL_LIMIT} characters, and this has {len(stored)}")
    if stored.isascii():
        if _PLAIN_EMAIL.fullmatch(stored) is None:
            raise ValueError(_not_an_email(stored))
        return stored, stored.lower()
    stored = unicodedata.normalize("NFC", stored)
    if problem := _not_an_email(stored):
        raise ValueError(problem)
    return stored, unicodedata.normalize("NFC", stored.lower())


def phone_key(text: str, country: str) -> str | None:
    """Give a phone number as E.164, or None where it cannot be read as one.

    It is stored and sent as entered in any case. `country` (ISO 3166, two letters) is where numbers without a country
    code are at home. A number with an extension has no key, because E.164 has no place for it and would make one person
    of a whole office.
    """
    return _phone_key(text, country) if len(text) <= PHONE_LIMIT else None


def read_number(value: object) -> int | Decimal | None:
    """Read a value as a number, exactly, or give None where it is none.

    Integers and finite floats are numbers (a float stands for the shortest decimal that names it, so 0.1 is "0.1"), and
    so are texts in ASCII such as `-12`, `10.0`, `1.5e3`, white space around them left aside. Booleans are not, nor are
    digits of other scripts. Any two results compare exactly and at little cost, whatever their size.
    """
    match value:
        case bool():
            return None
        case int():
            return value if -_NUMBER_END < value < _NUMBER_END else None
        case float():
            return Decimal(repr(value)) if math.isfinite(value) else None
        case str():
            return _read_number_text(value)
        case _:
            return None


def _unprintable(char: str) -> str:
    if char >= "\ud800":
        return f"half of a surrogate pair (U+{ord(char):04X}) is not text"
    return f"the control character U+{ord(char):04X} cannot stand here"


@lru_cache(maxsize=4096)
def _tag_key(text: str) -> str:
    text = text.strip()
    if not text:
        raise ValueError("a tag cannot be empty")
    # marks go before upper case, which turns some of them into letters (U+0345); upper case can bring new ones
    upper = _bare(_bare(text).upper()).translate(_LATIN)
    # back from single jamo to the syllables of Korean, the only thing left to compose
    upper = unicodedata.normalize("NFC", upper)
    key = "".join(char if char.isalnum() else "_" for char in upper)
    if len(key) > TAG_LIMIT:
        raise ValueError(f"a tag has at most {TAG_LIMIT} characters, and this has {len(key)}")
    if not key.strip("_"):
        raise ValueError("a tag needs a letter or a digit")
    return key


def _bare(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.category(c).startswith("M"))


def _not_an_email(text: str) -> str | None:
    for char in text:
        if unicodedata.category(char) in _UNSEEN_CATEGORIES or _UNSEEN.match(char):
            return (
                f"an e-mail address cannot hold a space, control or invisible character, and this has U+{ord(char):04X}"
            )
    local, at, domain = text.partition("@")
    if not (local and at and domain) or "@" in domain:
        return "an e-mail address has exactly one @, with something on both sides"
    return None


@lru_cache(maxsize=8192)
def _phone_key(text: str, country: str) -> str | None:
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    # possible, not valid: that depends on numbering plans, which change with every release of the library
    possible = phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE
    if not possible or number.extension is not None:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _read_number_text(text: str) -> int | Decimal | None:
    text = text.strip(_ASCII_SPACE)
    if len(text) > NUMBER_LIMIT:
        return None
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    return int(text) if found[1] is None and found[2] is None else Decimal(text)
