"""Intervals and differences of shares, against published values and what has to hold of all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.shares import Share, difference

SHARES = st.integers(1, 10_000).flatmap(lambda whole: st.builds(Share, st.integers(0, whole), st.just(whole)))


@pytest.mark.parametrize(("part", "whole", "low", "high"), [
    (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)])
def test_wilson_as_newcombe_published_it(part: int, whole: int, low: float, high: float) -> None:
    """Newcombe 1998, Interval estimation for the single proportion, table I, method 3."""
    share = Share(part, whole)
    assert share.low == pytest.approx(low, abs=5e-5)
    assert share.high == pytest.approx(high, abs=5e-5)


@pytest.mark.parametrize(("one", "two", "low", "high"), [
    ((56, 70), (48, 80), 0.0524, 0.3339), ((9, 10), (3, 10), 0.1705, 0.8090), ((10, 10), (0, 20), 0.6791, 1.0)])
def test_difference_as_newcombe_published_it(
    one: tuple[int, int], two: tuple[int, int], low: float, high: float
) -> None:
    """Newcombe 1998, Interval estimation for the difference between independent proportions, table II, method 10."""
    found = difference(Share(*two), Share(*one))
    assert found is not None
    assert found.low == pytest.approx(low, abs=5e-5)
    assert found.high == pytest.approx(high, abs=5e-5)


@given(SHARES)
def test_an_interval_holds_its_share(share: Share) -> None:
    assert share.value is not None
    assert share.low is not None
    assert share.high is not None
    assert 0 <= share.low <= share.value + 1e-12
    assert share.value - 1e-12 <= share.high <= 1
    if share.factor is not None:
        assert share.part * share.factor == pytest.approx(share.whole)


@given(SHARES, SHARES)
def test_a_difference_is_the_same_from_the_other_side(one: Share, two: Share) -> None:
    there, back = difference(one, two), difference(two, one)
    assert there is not None
    assert back is not None
    assert there.value == pytest.approx(-back.value)
    assert there.low == pytest.approx(-back.high)
    assert there.p == pytest.approx(back.p)
    assert there.low <= there.value + 1e-12
    assert 0 <= there.p <= 1


def test_what_was_scaled_up_from_samples_is_less_sure() -> None:
    whole, sampled = Share(500, 1_000), Share(500, 1_000, spread=9_000)
    assert whole.low is not None
    assert sampled.low is not None
    assert sampled.low < whole.low


def test_of_nothing_there_is_no_share() -> None:
    assert (Share(0, 0).value, Share(0, 0).interval, Share(0, 0).factor) == (None, None, None)
    assert difference(Share(0, 0), Share(1, 2)) is None
    same = difference(Share(5, 5), Share(9, 9))
    assert same is not None
    assert same.p == 1.0
