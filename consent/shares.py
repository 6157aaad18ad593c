"""Shares with how sure they are: a part of a whole, its 95 % interval, and the difference of two.

Wilson's score interval for one share (Wilson 1927), Newcombe's for the difference of two (Newcombe 1998, method 10),
and the two-sided test of two proportions with the pooled variance. All hold for small numbers and at 0 and 100 %.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

Z = NormalDist().inv_cdf(0.975)  # 95 %


@dataclass(frozen=True)
class Share:
    """`part` of `whole`. `spread`: the variance that sampling added to the whole, in showings squared."""

    part: int
    whole: int
    spread: float = 0.0

    @property
    def value(self) -> float | None:
        """The share from 0 to 1; None when there is nothing to have a share of."""
        return self.part / self.whole if self.whole else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Between which shares the true one is, with 95 % certainty; None when there is nothing."""
        if not self.whole:
            return None
        n, share = self._informed, self.part / self.whole
        middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
        half = Z / (1 + Z**2 / n) * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
        return max(0.0, middle - half), min(1.0, middle + half)

    @property
    def low(self) -> float | None:
        """The lower end of the interval."""
        return None if self.interval is None else self.interval[0]

    @property
    def high(self) -> float | None:
        """The upper end of the interval."""
        return None if self.interval is None else self.interval[1]

    @property
    def factor(self) -> float | None:
        """What a figure that sees this share alone is multiplied by to stand for all; None when it sees nothing."""
        return self.whole / self.part if self.part else None

    @property
    def _informed(self) -> float:
        """How many showings tell as much as these do. A whole that was partly scaled up from samples tells less."""
        return self.whole / (1 + self.spread / self.whole)

    def __add__(self, other: "Share") -> "Share":
        return Share(self.part + other.part, self.whole + other.whole, self.spread + other.spread)


@dataclass(frozen=True)
class Difference:
    """By how much one share is above another, from -1 to 1: the 95 % interval, and how often chance alone does that."""

    value: float
    low: float
    high: float
    p: float

    @property
    def is_beyond_chance(self) -> bool:
        """Whether chance alone would do this in fewer than one of twenty cases."""
        return self.p < 0.05


def difference(before: Share, after: Share) -> Difference | None:
    """How far `after` is above `before`; None when one of them has no whole."""
    if before.interval is None or after.interval is None:
        return None
    one, two = before.part / before.whole, after.part / after.whole
    (one_low, one_high), (two_low, two_high) = before.interval, after.interval
    gap = two - one
    return Difference(
        gap, gap - math.hypot(two - two_low, one_high - one), gap + math.hypot(two_high - two, one - one_low),
        _p(before, after))


def _p(before: Share, after: Share) -> float:
    pooled = (before.part + after.part) / (before.whole + after.whole)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / before._informed + 1 / after._informed))
    if not spread:  # all or none in both: no difference at all
        return 1.0
    gap = abs(after.part / after.whole - before.part / before.whole)
    return 2 * NormalDist().cdf(-gap / spread)
