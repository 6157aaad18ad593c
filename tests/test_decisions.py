"""When an experiment ends: as the library says it, seldom by chance, and often enough when there is a difference."""

import subprocess
import sys

import numpy
import pytest
import ville  # type: ignore[import-untyped]  # has no annotations

from bench import experiments as bench
from consent import decisions
from consent.decisions import NOTHING, RUNNING, UNEVEN, WINNER, Count, decide, plan
from tests.conftest import ROOT


def days(*rates: float, shown: int = 200, number: int = 10) -> list[list[Count]]:
    """So many days with exactly these shares."""
    return [[Count(shown, round(shown * rate)) for rate in rates]] * number


def test_the_intervals_are_those_of_the_library() -> None:
    """Made of sums, as counts are kept; the library makes them of single showings."""
    random = numpy.random.default_rng(3)
    treated = numpy.repeat([0, 1], 3_000)
    goal = numpy.concatenate([random.permutation(numpy.repeat([0, 1], [3_000 - n, n])) for n in (1_200, 1_350)])
    order = random.permutation(6_000)
    whole = ville.AsymptoticABTest(alpha=0.05, t_opt=6_000).fit(goal[order], treated[order])
    found = decide([[Count(3_000, 1_200), Count(3_000, 1_350)]], [1, 1], 6_000).against[0]
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((0.05, *whole.interval()), abs=0.0005)


def test_a_plan_says_how_long_beforehand() -> None:
    found = plan(0.40, 400, 0.05, [1, 1])
    assert (found.showings, found.days, found.is_long) == (5_862, 15, False)
    assert plan(0.40, 400, 0.10, [1, 1]).showings < found.showings / 3.9, "twice the difference, a quarter of the time"
    assert plan(0.40, 400, 0.05, [1, 1, 1, 1]).showings > 2 * found.showings
    assert plan(0.40, 400, 0.05, [9, 1]).showings > 2 * found.showings
    assert plan(0.40, 100_000, 0.05, [1, 1]).days == 7, "a whole week at least"
    assert plan(0.40, 10, 0.05, [1, 1]).is_long
    nobody = plan(0.40, 0, 0.05, [1, 1])
    assert (nobody.days, nobody.is_long) == (None, True)
    assert plan(0.0, 400, 0.05, [1, 1]).showings > 0
    assert plan(1.0, 400, 0.05, [1, 1]).showings > 0


def test_a_difference_beyond_chance_wins_after_a_week_and_not_before() -> None:
    early = decide(days(0.4, 0.6, number=3), [1, 1], 2_000)
    assert (early.state, early.winner) == (RUNNING, None)
    assert early.since is not None, "it shows already"
    assert early.against[0] is not None
    assert early.against[0].is_better
    late = decide(days(0.4, 0.6, number=7), [1, 1], 2_000)
    assert (late.state, late.winner, late.shown) == (WINNER, 1, 2_800)
    assert late.since is not None
    assert late.since < 3
    assert decide(days(0.6, 0.4), [1, 1], 2_000).winner == 0, "the banner as it is"
    assert decide(days(0.4, 0.55, 0.6, 0.2), [1, 1, 1, 1], 8_000).winner == 2, "the best of those that are better"
    assert decide(days(0.4, 0.2, 0.4), [1, 1, 1], 90_000).state == RUNNING, "the other one may still be better"


def test_what_was_beyond_chance_once_stays_so() -> None:
    """Whoever stops on that day is right to, so whoever looks later is told the same."""
    found = decide([*days(0.4, 0.6, number=7), *days(0.5, 0.4, number=7)], [1, 1], 2_000)
    assert (found.state, found.winner) == (WINNER, 1)
    assert found.against[0] is not None
    assert found.against[0].low > 0


def test_without_a_difference_it_ends_when_the_plan_does() -> None:
    assert decide(days(0.4, 0.4, number=9), [1, 1], 4_000).state == RUNNING
    assert decide(days(0.4, 0.4), [1, 1], 4_000).state == NOTHING
    nothing = decide([], [1, 1], 4_000)
    assert (nothing.state, nothing.shown, nothing.against) == (RUNNING, 0, (None,))
    assert decide(days(0.0, 0.0), [1, 1], 4_000).state == NOTHING
    assert decide(days(0.4, 0.6, shown=9), [1, 1], 4_000).against == (None,), "too little to say anything"


def test_nothing_is_concluded_from_variants_that_were_not_shown_as_they_should() -> None:
    uneven = [[Count(200, 80), Count(150, 90)]] * 10
    assert decide(uneven, [1, 1], 2_000).state == UNEVEN
    assert decide(uneven, [4, 3], 2_000).state == WINNER, "in these shares they should"


@pytest.mark.parametrize("case", bench.NULL[:3], ids=lambda case: case.name)
def test_looking_every_day_finds_no_difference_where_there_is_none(case: bench.Case) -> None:
    """Three hundred made-up experiments each; `python -m bench.experiments` makes a thousand."""
    found = bench.run(case, 300, seed=5)
    assert sum(one.winner is not None for one in found) <= 0.05 * 300
    assert sum(one.naive for one in found) > 0.10 * 300, "else this proves nothing"


def test_a_true_difference_is_found_with_the_stated_power() -> None:
    case = bench.TRUE[0]
    assert sum(one.winner == 1 for one in bench.run(case, 300, seed=5)) >= 0.8 * 300


def test_the_library_is_imported_by_the_first_experiment_alone() -> None:
    code = ("import sys; from consent import decisions as d; import app; assert 'scipy' not in sys.modules;"
            "d.plan(0.4, 400, 0.05, [1, 1]); assert 'scipy' in sys.modules")
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    assert decisions.POWER == 0.8
