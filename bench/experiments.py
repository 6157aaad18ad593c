"""How often the rule of the experiments is right: python -m bench.experiments [--runs 1000] [--seed 1]

Experiments are made up from a random number generator, with a known truth, and looked at every day until they end:
without any difference (how many end with a winner?), and with a true difference of five points (how many find it, and
when?). An ordinary test, looked at every day just so, stands beside it.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, median

import numpy

from consent.decisions import ALPHA, NOTHING, POWER, WINNER, Count, decide, plan

SMALLEST = 0.05
PER_DAY = 400.0


@dataclass(frozen=True)
class Case:
    """The true share of each variant; how often they are shown against each other; a rate that differs by day."""

    name: str
    rates: tuple[float, ...]
    shares: tuple[int, ...]
    weekends: float = 0.0  # so much higher is every rate on two days of the week


@dataclass(frozen=True)
class Outcome:
    """How one experiment ended: with which variant, on which day; what the ordinary test would have said on the way."""

    winner: int | None
    days: int
    naive: bool


NULL = (
    Case("two variants, 40 %", (0.40, 0.40), (1, 1)),
    Case("two variants, 3 %", (0.03, 0.03), (1, 1)),
    Case("four variants, 40 %", (0.40,) * 4, (1, 1, 1, 1)),
    Case("shares 9 to 1, weekends 10 points higher", (0.40, 0.40), (9, 1), weekends=0.10),
)
TRUE = (
    Case("two variants, 40 % and 45 %", (0.40, 0.45), (1, 1)),
    Case("two variants, 40 % and 35 %", (0.40, 0.35), (1, 1)),
    Case("four variants, one of them 45 %", (0.40, 0.40, 0.45, 0.40), (1, 1, 1, 1)),
)


def simulate(case: Case, random: numpy.random.Generator, longer: int = 1) -> Outcome:
    """One experiment, looked at every day, until it has a winner or `longer` times its plan is over."""
    plans = plan(case.rates[0], PER_DAY, SMALLEST, case.shares)
    days: list[list[Count]] = []
    naive = False
    for number in range(longer * (plans.days or 0)):
        days.append(_day(case, random, number))
        naive = naive or _is_naive(days)
        found = decide(days, case.shares, plans.showings)
        if found.state == WINNER or (found.state == NOTHING and longer == 1):
            return Outcome(found.winner, len(days), naive)
    return Outcome(None, len(days), naive)


def _day(case: Case, random: numpy.random.Generator, number: int) -> list[Count]:
    wished = numpy.array(case.shares) / sum(case.shares)
    shown = random.multinomial(random.poisson(PER_DAY), wished)
    more = case.weekends if number % 7 in (5, 6) else 0.0
    return [Count(int(n), int(random.binomial(n, rate + more))) for n, rate in zip(shown, case.rates, strict=True)]


def _is_naive(days: Sequence[Sequence[Count]]) -> bool:
    """Whether an ordinary test at 5 % would call any variant different today."""
    totals = [[sum(column) for column in zip(*(day[n] for day in days), strict=True)] for n in range(len(days[0]))]
    (shown, goal), *others = totals
    for other_shown, other_goal in others:
        pooled = (goal + other_goal) / (shown + other_shown)
        error = (pooled * (1 - pooled) * (1 / shown + 1 / other_shown)) ** 0.5
        if error and abs(other_goal / other_shown - goal / shown) / error > NormalDist().inv_cdf(1 - ALPHA / 2):
            return True
    return False


def run(case: Case, runs: int, seed: int, longer: int = 1) -> list[Outcome]:
    """So many experiments."""
    random = numpy.random.default_rng(seed)
    return [simulate(case, random, longer) for _ in range(runs)]


def main(arguments: list[str] | None = None) -> int:
    """Print the figures; not zero when the rule is wrong more often than it may be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    start = time.perf_counter()
    right = [_null(case, asked.runs, asked.seed) for case in NULL] + [_true(case, asked.runs, asked.seed)
                                                                      for case in TRUE]
    print(f"\n{asked.runs} runs of each, seed {asked.seed}, {time.perf_counter() - start:.0f} s")
    return 0 if all(right) else 1


def _null(case: Case, runs: int, seed: int) -> bool:
    found = run(case, runs, seed, longer=2)
    wrong, naive = (sum(kept) / runs for kept in ([one.winner is not None for one in found],
                                                  [one.naive for one in found]))
    print(f"no difference, {case.name}, {found[0].days if found else 0} days at most: "
          f"a winner in {wrong:.1%} (at most {ALPHA:.0%}); an ordinary test looked at as often: {naive:.1%}")
    return wrong <= ALPHA


def _true(case: Case, runs: int, seed: int) -> bool:
    best = case.rates.index(max(case.rates))
    found = run(case, runs, seed)
    right = sum(one.winner == best for one in found) / runs
    plans = plan(case.rates[0], PER_DAY, SMALLEST, case.shares)
    print(f"five points, {case.name}: found in {right:.1%} (at least {POWER:.0%}), "
          f"planned {plans.showings:,} showings in {plans.days} days, "
          f"at the median after {median(one.days for one in found):.0f} days")
    return right >= POWER


if __name__ == "__main__":
    sys.exit(main())
