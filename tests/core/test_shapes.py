"""How msgspec's messages are read: another wording in a later version shows here."""

import enum
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct

from goniec.core.problems import Invalid
from goniec.core.shapes import escaped, faults, shaped


class One(Struct, tag_field="type", tag="one", forbid_unknown_fields=True):
    size: Annotated[int, Meta(ge=1, le=9)] = 1


class Two(Struct, tag_field="type", tag="two", forbid_unknown_fields=True):
    name: str


class Size(enum.StrEnum):
    SMALL = "S"
    MEDIUM = "M"


class Thing(Struct, rename="camel", forbid_unknown_fields=True):
    the_parts: list[One | Two] = []
    the_map: dict[str, list[int]] = {}
    the_pair: tuple[int, int] = (1, 2)
    the_text: Annotated[str, Meta(max_length=3)] | None = None
    the_flag: bool = False
    the_ones: dict[str, One] = {}
    the_colour: Literal["rod", "blue"] | None = None
    the_shades: tuple[Literal["rod", "blue"], ...] = ()
    the_size: Size | None = None
    the_one: Annotated[One | None, Meta(description="one")] = None


@pytest.mark.parametrize(
    ("value", "pointer", "detail"),
    [
        (7, "", "Expected object, got whole number"),
        ({"theParts": [{"type": "one"}, {"type": "two"}]}, "/theParts/1/name", "is required"),
        ({"theParts": [{"type": "one", "size": 10}]}, "/theParts/0/size", "Expected whole number <= 9"),
        ({"theParts": [{"type": "one", "x`y~/": 1}]}, "/theParts/0/x`y~0~1", "unknown key"),
        ({"theParts": [{}]}, "/theParts/0/type", "is required"),
        ({"theParts": [{"type": "three"}]}, "/theParts/0/type", "unknown; it is one of one, two"),
        ({"theParts": [{"type": "tow"}]}, "/theParts/0/type", "unknown; it is one of one, two"),
        ({"theParts": [{"type": "oner"}]}, "/theParts/0/type", "unknown (did you mean one?); it is one of one, two"),
        ({"theParts": [{"type": "one", "sise": 1}]}, "/theParts/0/sise", "unknown key (did you mean size?)"),
        ({"theParts": [{"type": "one", "typ": 1}]}, "/theParts/0/typ", "unknown key (did you mean type?)"),
        ({"theParts": [{"type": "one", "size" * 17: 1}]}, f"/theParts/0/{'size' * 17}", "unknown key"),
        ({"THE_PARTS": []}, "/THE_PARTS", "unknown key (did you mean theParts?)"),
        ({"theMap": {"k": {"sise": 1}}}, "/theMap", "Expected list, got object"),
        ({"theOnes": {"k": {"sise": 1}}}, "/theOnes/sise", "unknown key"),
        ({"theOnes": {"k": {"type": "two"}}}, "/theOnes", "Invalid value 'two'"),
        ({"theColour": "rood"}, "/theColour", "unknown (did you mean rod?); it is one of blue, rod"),
        ({"theShades": ["blue", "grey"]}, "/theShades/1", "unknown; it is one of blue, rod"),
        ({"theSize": "x"}, "/theSize", "unknown; it is one of S, M"),
        ({"theOne": {"type": "two"}}, "/theOne/type", "unknown; it is one of one"),
        ({"theMap": {"k": ["x"]}}, "/theMap", "Expected whole number, got text"),
        ({"theMap": {7: []}}, "/theMap", "Expected text, got whole number"),
        ({7: 1}, "", "Expected text"),
        ({"thePair": [1]}, "/thePair", "Expected list of length 2, got 1"),
        ({"theText": "four"}, "/theText", "Expected text of length <= 3"),
        ({"theText": 4}, "/theText", "Expected text or null, got whole number"),
        ({"theFlag": None}, "/theFlag", "Expected true or false, got null"),
        ({"theParts": "\ud800"}, "/theParts", "a text cannot hold half of a surrogate pair (U+D800)"),
    ],
)
def test_a_fault_is_told_by_pointer_and_in_plain_words(value: object, pointer: str, detail: str) -> None:
    with pytest.raises(Invalid) as caught:
        shaped(value, Thing, "/here")
    (problem,) = caught.value.problems
    assert (problem.pointer, problem.detail) == ("/here" + pointer, detail)


def test_what_fits_comes_out_shaped() -> None:
    assert shaped({"theParts": [{"type": "two", "name": "n"}]}, Thing) == Thing([Two("n")])


class Chain(Struct):
    next: "Chain | None" = None


def test_what_is_nested_without_end_is_a_fault_and_no_crash() -> None:
    chain: Any = None
    for _ in range(100_000):
        chain = {"next": chain}
    with pytest.raises(Invalid) as caught:
        shaped(chain, Chain, "/x")
    assert caught.value.problems[0].detail == "nested too deep"


def test_a_key_is_escaped_as_rfc_6901_says() -> None:
    assert escaped("a/b~c") == "a~1b~0c"


def test_the_limit_of_nesting_can_be_another() -> None:
    assert not list(faults([[[1]]], limit=3))
    assert [problem.pointer for problem in faults([[[1]], [[[1]]]], limit=3)] == ["/1/0/0"]
