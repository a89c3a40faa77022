"""YAML: what is written is read as the very same texts, whoever reads it; what is odd is refused, with its line."""

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from goniec.cli.yaml_in import NotYaml, documents
from goniec.cli.yaml_out import written

TEXTS = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from("\n\n\n \t\r'\"\\:#-|>%@`&*!?{}[],~=<é\x85\u2028\u202e\u200d\ufeff😀0"),
    )
)
ODD = {
    "blanks": ["", " ", "\t", "\n", "\n\n", " \n", "\n "],
    "edges": [" a", "\ta", "\na", "a ", "a\n", "a\n\n", "a\n ", "a \nb\t\n", "\n\n a\n\n\n"],
    "marks": [
        "---",
        "---\n...\n",
        "--- ",
        "# a",
        "a #b",
        "a: b",
        "a:",
        "- a",
        "? a",
        "%YAML",
        "&a",
        "*a",
        "!a",
        "<<",
        "=",
    ],
    "words": ["yes", "No", "null", "~", "12", "1e3", "0x1F", "2026-01-01", "1:30", ".inf", "true"],
    "quotes": ['"', "'", '\\"', 'a "b": c'],
    "ends": ["a\r\nb\r\n", " a\r\n b\rc", "a\r\n\r\n \r\n", "\r", "\r\n"],
    "unseen": ["e\x00\x1b[31m", "\u202eabc", "\ufeffa", "a\x85b", "a\u2028b", "\x7f", "\ufffe"],
    "wide": ["👩\u200d👩\u200d👧", "zażółć gęślą", "x" * 200_000],
}


@given(TEXTS, st.booleans())
@example(text="a\n\u2028", block=True)
def test_any_text_comes_out_as_it_went_in(text: str, block: bool) -> None:  # noqa: FBT001 - as hypothesis calls it
    comes_back(text, block=block)


@pytest.mark.parametrize("texts", ODD.values(), ids=ODD)
def test_odd_texts_come_out_as_they_went_in(texts: list[str]) -> None:
    for text in texts:
        comes_back(text, block=False)
        comes_back(text, block=True)


def comes_back(text: str, *, block: bool) -> None:
    values: dict[str, str | int | bool | None] = {"a": text, "b": True, "c": None, "d": 7}
    source = written(values, {"a"} if block else ())
    assert [one.value for one in documents(f"{source}---\n{source}")] == [values, values]
    for loader in (yaml.SafeLoader, yaml.CSafeLoader):
        assert yaml.load(source, loader) == values  # noqa: S506 - safe ones


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Hello {{ contact.name }}", "Hello {{ contact.name }}"),
        ("Zamówienie: gotowe", '"Zamówienie: gotowe"'),
        ('Say "hi": now', '|-\n  Say "hi": now'),
        ("a\n\n  b\n", "|\n  a\n\n    b"),
        ("  a\n", "|2\n    a"),
        ("no", '"no"'),
        ("a\r\n b\r\n", '"\\\n  a\\r\\n\\\n  \\ b\\r\\n"'),
        ("a\u202eb", '"a\\u202eb"'),
    ],
)
def test_a_text_stands_as_it_is_where_that_can_be_seen(text: str, shown: str) -> None:
    assert written({"a": text}) == f"a: {shown}\n"


def test_plain_words_mean_what_they_do_in_json() -> None:
    (one,) = documents("{a: no, b: true, c: ~, d: 12, e: 1.5e3, f: 012, g: 2026-01-01, h: [x, '1'], i: , j: Null}")
    assert one.value == {
        "a": "no",
        "b": True,
        "c": None,
        "d": 12,
        "e": 1500.0,
        "f": "012",
        "g": "2026-01-01",
        "h": ["x", "1"],
        "i": None,
        "j": "Null",
    }


def test_it_is_known_on_which_line_things_stand() -> None:
    one, two = documents("# first\na:\n  b/c: 1\n  d: [x,\n    y]\nhtml: |\n  <p>\n---\ne: 1\n---\n")
    assert one.lines == {"": 2, "/a": 2, "/a/b~1c": 3, "/a/d": 4, "/a/d/0": 4, "/a/d/1": 5, "/html": 6}
    assert one.blocks == {"/html": 6}
    assert (two.value, two.lines) == ({"e": 1}, {"": 9, "/e": 9})


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("a: b\nc: d: e", 2, "is no YAML: mapping values are not allowed in this context"),
        ("a: 'b\n", 2, "is no YAML: found unexpected end of stream"),
        ("a: 1\nb: 2\na: 3", 3, "the key a stands here twice, first on line 1"),
        ("a: &x 1\nb: *x", 1, "anchors (&x) and aliases (*x) are not taken"),
        ("a: 1\nb: !!python/object/apply:os.system [ls]", 2, "tags (!x) are not taken"),
        ("a: !x 1", 1, "tags (!x) are not taken"),
        ("? [a]\n: 1", 1, "a key has to be a text"),
        ("7: 1", 1, "a key has to be a text"),
        ("a: 1\nb: \x1b", 2, "U+001B cannot stand in YAML as it is"),
        ("[" * 40, 1, "nested deeper than 32 levels"),
        ("[" * 1_000_000, 1, ""),
        ("- " * 100_000, 1, ""),
    ],
)
def test_what_cannot_be_taken_is_told_with_its_line(text: str, line: int, told: str) -> None:
    with pytest.raises(NotYaml) as caught:
        documents(text)
    assert (caught.value.line, caught.value.detail[: len(told)]) == (line, told)


def test_nothing_is_no_document() -> None:
    assert documents("") == documents("\ufeff# only this\n---\n---\n") == []
