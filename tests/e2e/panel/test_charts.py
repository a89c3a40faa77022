"""Charts as coordinates: they keep inside their frame, and say nothing that is not there."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goniec.web.panel.charts import HEIGHT, STRIP, WIDTH, nice_top, plot, scale, sparkline, ticks

COUNTS = st.lists(st.integers(0, 10**9), min_size=2, max_size=40)


def numbers(text: str) -> list[float]:
    return [float(one) for one in re.findall(r"-?\d+(?:\.\d+)?", text)]


@given(COUNTS, st.integers(0, 10**9))
def test_a_plot_keeps_inside_its_frame(values: list[int], failed: int) -> None:
    drawn = plot(values, [value // 2 for value in values], [failed] * len(values))
    for points in re.findall(r'points="([^"]*)"', drawn.area + drawn.line):
        for pair in points.split():
            x, y = pair.split(",")
            assert 0 <= float(x) <= WIDTH
            assert 0 <= float(y) <= HEIGHT
    for x, width, y, height in re.findall(r'x="(.*?)" width="(.*?)" y="(.*?)" height="(.*?)"', drawn.bars):
        assert 0 <= float(x) <= WIDTH - float(width) + 0.1
        assert abs(float(y) + float(height) - STRIP) < 0.2
    assert drawn.top >= max(values)


def test_the_step_under_way_is_drawn_apart() -> None:
    drawn = plot([10, 20, 30], [1, 2, 3], [0, 0, 0])
    assert drawn.area.count("<polyline") == drawn.line.count("<polyline") == 2
    assert "part" in drawn.line
    # the area ends where the last whole step does
    assert f"{WIDTH // 2},{HEIGHT}" in drawn.area


def test_nothing_that_failed_draws_nothing_and_one_failure_is_seen_among_a_million() -> None:
    assert plot([0, 0], [0, 0], [0, 0]).bars == ""
    assert 'height="2"' in plot([0, 0], [0, 0], [1, 10**6]).bars


@given(st.integers(0, 10**12))
def test_a_scale_ends_at_a_round_number_with_a_whole_middle(greatest: int) -> None:
    top = nice_top(greatest)
    assert top >= max(greatest, 2)
    assert top % 2 == 0
    assert len(str(top).rstrip("0")) == 1


@pytest.mark.parametrize(
    ("top", "polish", "english"),
    [
        (2, ["2", "1", "0"], ["2", "1", "0"]),
        (6_000, ["6\xa0000", "3\xa0000", "0"], ["6,000", "3,000", "0"]),
        (10_000, ["10\xa0tys.", "5\xa0tys.", "0"], ["10k", "5k", "0"]),
        (2_000_000, ["2\xa0mln", "1\xa0mln", "0"], ["2M", "1M", "0"]),
        (142, ["142", "71", "0"], ["142", "71", "0"]),
        (15_300, ["15,3\xa0tys.", "7,7\xa0tys.", "0"], ["15.3k", "7.7k", "0"]),
    ],
)
def test_a_scale_is_labelled_in_one_unit(top: int, polish: list[str], english: list[str]) -> None:
    assert scale(top, "pl") == polish
    assert scale(top, "en") == english


@pytest.mark.parametrize(
    ("count", "most", "wanted"),
    [
        (0, 8, []),
        (1, 8, [0]),
        (13, 8, [0, 2, 4, 6, 8, 10, 12]),
        (25, 8, [0, 4, 8, 12, 16, 20, 24]),
        (29, 8, [0, 4, 8, 12, 16, 20, 24, 28]),
        (31, 8, [0, 5, 10, 15, 20, 25, 30]),
        (24, 8, [0, 23]),
    ],
)
def test_labels_stand_at_the_same_distance(count: int, most: int, wanted: list[int]) -> None:
    assert ticks(count, most) == wanted


def test_a_sparkline_is_decoration_and_takes_any_values() -> None:
    assert 'aria-hidden="true"' in sparkline([1, 2, 3])
    assert 'class="spark bad"' in sparkline([1, 2], "bad")
    assert numbers(sparkline([0, 0, 0]))
    assert numbers(sparkline([5]))
    assert numbers(sparkline([]))
