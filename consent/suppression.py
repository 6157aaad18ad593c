"""Parts of the traffic without small cells: nobody learns what a handful of visitors chose, also not by subtraction.

A table has a row for each group (desktop, mobile) and a column for each outcome (accepted all, only the necessary, an
own choice, no answer). Every visit is in one cell, and the totals of rows and columns are known. So it is not enough to
leave out what is small: in each row and column the rest would give it away (Fellegi 1972). These rules hold:

- A group with fewer than LEAST visits is joined with others, and so is what comes after the MOST largest.
- A cell of 1 to 9 is hidden. A cell of 0 is not: it is about nobody.
- What is hidden of a row or a column counts LEAST together, where the whole does.
- Each hidden cell is a corner of a rectangle of hidden cells around which visits can be moved without changing any
  total: its count could be another one (Gusfield 1988).
- A category is shown where the own choices with it, and those without it, keep the same rules among themselves.

The totals of a site are no cells: they are given as they are, and so is each day's. This protects one table. Who
subtracts the tables of two ranges, or of a group of sites and one of them, has the table of what is between.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from consent.gate import OPTIONAL
from consent.shares import Share

LEAST: Final = 10
MOST: Final = 100  # groups of a table: visitors make up names of page groups, and each group more takes longer to hide
OTHER: Final = "other"
ANSWERS: Final = ("accept_all", "necessary_only", "custom")
OUTCOMES: Final = (*ANSWERS, "ignored")
NAMES: Final = ("answered", "ignored", *ANSWERS, *OPTIONAL)

# How much is hidden with an outcome: without accept_all or custom no category is told, without ignored not what was
# answered.
WORTH: Final = {"accept_all": 5, "necessary_only": 1, "custom": 4, "ignored": 2}

Cell = tuple[int, int]  # row and column
Grid = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Row:
    """A group: how often the banner was shown, and for each of NAMES how often that, None where it is hidden.

    `groups`: how many were joined in it.
    """

    bucket: str
    shown: int
    cells: Mapping[str, int | None]
    groups: int = 1

    def share(self, name: str) -> Share | None:
        """The share of the showings that this was; None where it is hidden."""
        part = self.cells[name]
        return None if part is None else Share(part, self.shown)


@dataclass(frozen=True)
class Table:
    """The groups, the largest first, those joined last. No rows: there are too few visits to tell groups apart."""

    rows: tuple[Row, ...]

    @property
    def hidden(self) -> int:
        """How many cells are hidden."""
        return sum(part is None for row in self.rows for part in row.cells.values())

    @property
    def joined(self) -> int:
        """How many groups were too small to stand by themselves."""
        return sum(row.groups for row in self.rows if row.groups > 1)


def table(groups: Mapping[str, Mapping[str, int]], outcomes: Sequence[str] = OUTCOMES) -> Table:
    """What may be told of these groups: for each how often `shown`, each of ANSWERS and of the categories.

    `outcomes`: ANSWERS alone where a group is one of answers, and none can be ignored.
    """
    found, joined = _joined(groups)
    rows = [Counter(counts) for counts in found.values()]
    for counts in rows:
        counts["ignored"] = counts["shown"] - sum(counts[name] for name in ANSWERS)
    hidden = _hidden(rows, outcomes) if rows else []
    if len(rows) == 1 and any(hidden):  # its cells are the totals
        return Table(())
    return Table(tuple(
        Row(bucket, counts["shown"], {name: None if name in out else _count(counts, name) for name in NAMES},
            joined if bucket == OTHER and joined else 1)
        for (bucket, counts, out) in zip(found, rows, hidden, strict=True)))


def _count(counts: Mapping[str, int], name: str) -> int:
    return counts["shown"] - counts["ignored"] if name == "answered" else counts[name]


# Groups ---------------------------------------------------------------------------------------------------------------

def _joined(groups: Mapping[str, Mapping[str, int]]) -> tuple[dict[str, Counter[str]], int]:
    """The groups by size, the small ones as OTHER; and how many those are."""
    large = sorted((name for name in groups if groups[name]["shown"] >= LEAST), key=lambda name: -groups[name]["shown"])
    small = [*large[MOST:], *(name for name in groups if 0 < groups[name]["shown"] < LEAST)]
    del large[MOST:]
    if small and OTHER in large:
        large.remove(OTHER)
        small.append(OTHER)
    while small and large and sum(groups[name]["shown"] for name in small) < LEAST:
        small.append(large.pop())
    found = {name: Counter(groups[name]) for name in large}
    if small and large:
        found[OTHER] = Counter()
        for name in small:
            found[OTHER].update(groups[name])
    return found, len(small)


# Cells ----------------------------------------------------------------------------------------------------------------

def _hidden(rows: Sequence[Mapping[str, int]], outcomes: Sequence[str]) -> list[set[str]]:
    """Of each row the NAMES that are hidden."""
    grid = [[counts[name] for name in outcomes] for counts in rows]
    own = {name: [[counts[name] - counts["accept_all"], counts["custom"] + counts["accept_all"] - counts[name]]
                  for counts in rows] for name in OPTIONAL}
    custom = outcomes.index("custom")
    worth = [WORTH[name] for name in outcomes]
    main = hide(grid, worth)
    while stuck := list(_stuck(own.values(), {row for row, at in main if at == custom})):
        main = hide(grid, worth, {*main, *((row, custom) for row in stuck)})
    found = [{outcomes[at] for row, at in main if row == number} for number in range(len(rows))]
    chosen = {row for row, at in main if at == custom}
    for name, halves in own.items():
        for row, _ in hide(halves, (1, 1), {(row, at) for row in chosen for at in (0, 1)}):
            found[row].add(name)
    return [_with_sums(names) for names in found]


def _with_sums(names: set[str]) -> set[str]:
    """And what would give these away: answered and ignored are the whole; a category is in all of accept_all."""
    more = {"answered"} if "ignored" in names else set()
    return names | more | (set(OPTIONAL) if "accept_all" in names else set())


def _stuck(tables: Iterable[Grid], free: set[int]) -> Iterator[int]:
    """The rows of which a category would be given away by the own choices, unless those are hidden as well.

    `free`: the rows of which they are. There any visit can be another one.
    """
    for halves in tables:
        hidden = hide(halves, (1, 1), {(row, at) for row in free for at in (0, 1)})
        for cell in hidden:
            if cell[0] not in free and 0 < _at(halves, cell) < LEAST and not _rectangle(halves, (1, 1), cell, hidden):
                yield cell[0]


def hide(grid: Grid, worth: Sequence[int], start: Iterable[Cell] = ()) -> set[Cell]:
    """The cells of a table of counts that are hidden, those of `start` among them. `worth`: of a cell in each column.

    A cell that nothing can protect, because all that is not zero is in its row or in its column, is hidden alone.
    """
    hidden = {(row, at) for row, counts in enumerate(grid) for at, count in enumerate(counts) if 0 < count < LEAST}
    hidden.update(start)
    safe: set[Cell] = set()
    while True:
        for line in _lines(grid):
            _fill(grid, worth, line, hidden)
        if hidden == safe:
            return hidden
        for cell in sorted(hidden - safe):
            hidden.update(_rectangle(grid, worth, cell, hidden) or ())
            safe.add(cell)


def _lines(grid: Grid) -> Iterator[list[Cell]]:
    """The cells of each row and of each column."""
    height, width = len(grid), len(grid[0])
    yield from ([(row, at) for at in range(width)] for row in range(height))
    yield from ([(row, at) for row in range(height)] for at in range(width))


def _fill(grid: Grid, worth: Sequence[int], line: Sequence[Cell], hidden: set[Cell]) -> None:
    """Hide further cells, those worth least first, until what is hidden of the line counts LEAST."""
    if hidden.isdisjoint(line):
        return
    rest = sorted((worth[cell[1]], _at(grid, cell), cell) for cell in line if cell not in hidden and _at(grid, cell))
    total = sum(_at(grid, cell) for cell in line if cell in hidden)
    for _, count, cell in rest:
        if total >= LEAST:
            return
        hidden.add(cell)
        total += count


def _rectangle(grid: Grid, worth: Sequence[int], cell: Cell, hidden: set[Cell]) -> tuple[Cell, ...] | None:
    """The three corners to hide so that this one's count could be another; the cheapest, None when there are none.

    Visits move around it in turn, one less and one more. Best is one around which as many could move as it counts.
    """
    row, at = cell
    wanted = min(grid[row][at], LEAST)
    best: tuple[tuple[bool, int, int], tuple[Cell, ...]] | None = None
    for other, counts in enumerate(grid):
        if other == row:
            continue
        for across, count in enumerate(counts):
            room = max(min(grid[row][at], count), min(grid[row][across], counts[at]))  # down, and up
            if across == at or not room:
                continue
            corners = ((row, across), (other, across), (other, at))
            new = [corner for corner in corners if corner not in hidden]
            cost = (room < wanted, sum(worth[column] for _, column in new), sum(_at(grid, corner) for corner in new))
            if best is None or cost < best[0]:
                best = cost, corners
                if cost == (False, 0, 0):
                    return corners
    return best and best[1]


def _at(grid: Grid, cell: Cell) -> int:
    return grid[cell[0]][cell[1]]
