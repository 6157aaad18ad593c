"""What is hidden stays hidden: a reader who adds, subtracts and solves learns the count of no small cell."""

from collections import Counter
from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp  # type: ignore[import-untyped]  # it has none

from consent.gate import OPTIONAL
from consent.suppression import ANSWERS, LEAST, OTHER, OUTCOMES, Row, Table, table

Groups = Mapping[str, Counter[str]]
COUNTS = st.one_of(st.just(0), st.integers(0, 12), st.integers(0, 12), st.integers(0, 400))


@st.composite
def groups(draw: st.DrawFn, least: int = 1, ignored: bool = True) -> Groups:
    """Groups of visits: of each the outcomes, and of the own choices how many have each category."""
    found: dict[str, Counter[str]] = {}
    for number in range(draw(st.integers(least, 4))):
        accept, necessary, custom, rest = (draw(COUNTS) for _ in range(4))
        own = {name: accept + draw(st.integers(0, custom)) for name in OPTIONAL}
        shown = accept + necessary + custom + (rest if ignored else 0)
        counts = {"shown": shown, "accept_all": accept, "necessary_only": necessary, "custom": custom, **own}
        found[f"group-{number}"] = Counter(counts)
    return found


def group(ignored: int, accept_all: int, necessary_only: int, custom: int, *own: int) -> Counter[str]:
    """A group with these outcomes; `own`: how many of the own choices have each category."""
    chosen = zip(OPTIONAL, own or (0, 0, 0), strict=True)
    return Counter({
        "shown": ignored + accept_all + necessary_only + custom, "accept_all": accept_all,
        "necessary_only": necessary_only, "custom": custom, **{name: accept_all + n for name, n in chosen}})


class Reader:
    """Somebody who knows the totals of the site and all that the table shows, and solves for the rest."""

    # Of each group: the outcomes, and the own choices with each category.
    WIDTH = len(OUTCOMES) + len(OPTIONAL)

    def __init__(self, told: Table, totals: Mapping[str, int], outcomes: tuple[str, ...]) -> None:
        self.told = told
        self.facts: list[tuple[np.ndarray[Any, Any], float, float]] = []
        for number, row in enumerate(told.rows):
            self._fact({(number, name): 1 for name in OUTCOMES}, row.shown)
            if "ignored" not in outcomes:
                self._fact({(number, "ignored"): 1}, 0)
            for name, n in row.cells.items():
                if n is not None:
                    self._fact(self.parts(number, name), n)
            for name in OPTIONAL:
                self._fact({(number, "custom"): 1, (number, name): -1}, 0, np.inf)
        for name in (*OUTCOMES, *OPTIONAL):
            everywhere = [self.parts(number, name) for number in range(len(told.rows))]
            self._fact({key: n for one in everywhere for key, n in one.items()}, totals[name])

    @staticmethod
    def parts(number: int, name: str) -> dict[tuple[int, str], int]:
        """Of what a cell is the sum."""
        names = ANSWERS if name == "answered" else ("accept_all", name) if name in OPTIONAL else (name,)
        return {(number, one): 1 for one in names}

    def knows(self, wanted: Mapping[tuple[int, str], int], truth: int) -> bool:
        """Whether it can be nothing but what it is."""
        ends = (round(self._solve(sign * self._line(wanted)) * sign) for sign in (1, -1))
        return all(end == truth for end in ends)

    def _solve(self, aim: "np.ndarray[Any, Any]") -> float:
        lines, low, high = zip(*self.facts, strict=True)
        done = milp(aim, constraints=LinearConstraint(np.array(lines), low, high), integrality=np.ones(len(aim)),
                    bounds=Bounds(0, np.inf))
        assert done.success, done.message
        return float(done.fun)

    def _fact(self, wanted: Mapping[tuple[int, str], int], low: float, high: float | None = None) -> None:
        self.facts.append((self._line(wanted), low, low if high is None else high))

    def _line(self, wanted: Mapping[tuple[int, str], int]) -> "np.ndarray[Any, Any]":
        line = np.zeros(self.WIDTH * len(self.told.rows))
        for (number, name), n in wanted.items():
            line[number * self.WIDTH + (*OUTCOMES, *OPTIONAL).index(name)] = n
        return line


def read(of: Groups, outcomes: tuple[str, ...] = OUTCOMES) -> None:
    """The table of these groups keeps what it hides from a reader, and hides what is small."""
    told = table(of, outcomes)
    if not told.rows:
        return
    alone = [row.bucket for row in told.rows if row.groups == 1]
    rest = [counts for name, counts in of.items() if name not in alone]
    truths = [of[row.bucket] if row.bucket in alone else sum(rest, Counter()) for row in told.rows]
    truths = [one + Counter(ignored=one["shown"] - sum(one[name] for name in ANSWERS)) for one in truths]
    reader = Reader(told, sum(truths, Counter()), outcomes)
    for number, (row, truth) in enumerate(zip(told.rows, truths, strict=True)):
        assert row.shown == truth["shown"] >= LEAST
        _is_large(row)
        for name in ("answered", *outcomes, *OPTIONAL):
            if row.cells[name] is None:
                parts = reader.parts(number, name)
                truth["answered"] = truth["shown"] - truth["ignored"]
                assert name in OPTIONAL or not reader.knows(parts, truth[name]), (told, number, name)
        for name in OPTIONAL:
            own = truth[name] - truth["accept_all"]
            for parts, n in (({(number, name): 1}, own), ({(number, "custom"): 1, (number, name): -1},
                                                          truth["custom"] - own)):
                assert not 0 < n < LEAST or not reader.knows(parts, n), (told, number, name)


def _is_large(row: Row) -> None:
    for name, n in row.cells.items():
        assert (row.share(name) is None) == (n is None)
        if n is not None:
            assert n == 0 or n >= LEAST, (row, name)
            assert row.shown - n == 0 or row.shown - n >= LEAST, (row, name)


@settings(max_examples=150, deadline=None)
@given(groups())
def test_a_reader_who_solves_the_totals_learns_no_small_cell(of: Groups) -> None:
    read(of)


@settings(max_examples=15, deadline=None)
@given(groups(ignored=False))
def test_nor_of_groups_of_answers(of: Groups) -> None:
    read(of, ANSWERS)


@pytest.mark.parametrize("of", [
    {"a": group(500, 300, 200, 4), "b": group(300, 200, 100, 20, 10, 10, 10)},  # the column gives it away
    {"a": group(500, 300, 200, 1), "b": group(300, 200, 100, 0)},  # the only one: its total is known
    {"a": group(9, 0, 0, 1, 1, 1, 0), "b": group(500, 0, 0, 0)},
    {"a": group(100, 0, 0, 40, 3, 40, 40), "b": group(500, 30, 20, 0)},  # a category nobody else chose
    {"a": group(100, 0, 0, 40, 3, 40, 40), "b": group(100, 0, 0, 40, 40, 40, 40)},
    {"a": group(0, 3, 9, 0), "b": group(0, 200, 100, 0)},
    {"a": group(10, 5, 4, 0), "b": group(100, 200, 0, 0), "c": group(10, 10, 10, 10, 5, 5, 5)},
])
def test_where_it_is_hard(of: Groups) -> None:
    assert table(of).hidden
    read(of)


def test_nothing_is_hidden_of_large_groups_and_of_none() -> None:
    told = table({"a": group(500, 300, 200, 90, 30, 40, 50), "b": group(100, 0, 50, 0)})
    assert not told.hidden
    assert [row.cells["answered"] for row in told.rows] == [590, 50]
    assert told.rows[0].cells["analytics"] == 340
    share = told.rows[1].share("ignored")
    assert share is not None
    assert (share.part, share.whole) == (100, 150)


def test_as_little_as_possible_is_hidden() -> None:
    told = table({"a": group(500, 300, 200, 4), "b": group(300, 200, 100, 20), "c": group(90, 30, 25, 0)})
    hidden = {(row.bucket, name) for row in told.rows for name in OUTCOMES if row.cells[name] is None}
    assert ("a", "custom") in hidden
    assert len(hidden) == 4
    assert not hidden & set(product("abc", ["ignored"]))


def test_no_more_groups_than_anybody_reads_stand_by_themselves() -> None:
    counts = dict(zip(ANSWERS, (4, 3, 2), strict=True))
    rows = table({f"g{n}": {"shown": 20 + n, **counts, **dict.fromkeys(OPTIONAL, 5)} for n in range(3_000)}).rows
    assert [row.bucket for row in rows[:2]] == ["g2999", "g2998"]
    assert (len(rows), rows[-1].bucket, rows[-1].groups) == (101, OTHER, 2_900)


@pytest.mark.parametrize(("sizes", "expected"), [
    ({"a": 100, "b": 50, "c": 9, "d": 1}, {"a": (100, 1), "b": (50, 1), OTHER: (10, 2)}),
    ({"a": 100, "b": 50, "c": 8}, {"a": (100, 1), OTHER: (58, 2)}),  # one alone would be the rest
    ({"a": 100, OTHER: 20, "c": 9}, {"a": (100, 1), OTHER: (29, 2)}),
    ({"a": 100, "b": 50, OTHER: 3}, {"a": (100, 1), OTHER: (53, 2)}),
    ({"a": 100, "b": 5}, {}),
    ({"a": 9, "b": 9}, {}),
    ({"a": 100}, {"a": (100, 1)}),
    ({"a": 3}, {}), ({}, {}),
])
def test_small_groups_are_joined(sizes: dict[str, int], expected: dict[str, tuple[int, int]]) -> None:
    told = table({name: group(n, 0, 0, 0) for name, n in sizes.items()})
    assert {row.bucket: (row.shown, row.groups) for row in told.rows} == expected
