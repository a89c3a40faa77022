"""Parts: a contact always in the same one, all about as large, and together what the endpoint allows."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goniec.core.parts import PARTS, hands, pace, parsed, part_name, part_names, part_of


def test_the_hash_is_what_other_releases_have() -> None:
    """Two that think differently would both send what one contact is to get in order."""
    assert [part_of(contact) for contact in ("", "c1", "019acfd2-7c5a-7000-8000-000000000001", "Łódź")] == [3, 0, 6, 4]


@given(st.text())
def test_whatever_a_contact_s_id_it_has_a_part(contact_id: str) -> None:
    assert part_of(contact_id) in range(PARTS)


def test_contacts_fall_evenly() -> None:
    sizes = Counter(part_of(f"019acfd2-7c5a-7000-8000-{n:012}") for n in range(8_000))
    assert min(sizes.values()) > 850
    assert max(sizes.values()) < 1_150


def test_a_name_says_what_it_is_of() -> None:
    assert parsed("end_1") == ("end_1", None)
    assert parsed(part_name("end_1", 7)) == ("end_1", 7)
    assert [parsed(name) for name in part_names("end_1")] == [("end_1", part) for part in range(PARTS)]


@given(st.integers(1, 1_000))
def test_together_they_have_as_many_hands_as_the_endpoint(concurrency: int) -> None:
    each = [hands(concurrency, part) for part in range(PARTS)]
    assert sum(each) == hands(concurrency, None) == concurrency
    assert max(each) - min(each) <= 1


@pytest.mark.parametrize(("rate", "part", "each"), [(None, 0, None), (4.0, None, 4.0), (4.0, 3, 0.5)])
def test_each_has_its_share_of_the_rate(rate: float | None, part: int | None, each: float | None) -> None:
    assert pace(rate, part) == each
