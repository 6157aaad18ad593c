"""A bar chart as numbers: every place and size in per cent of the drawing, so that its texts keep their size.

The template draws them as SVG. Colours are classes: the policy allows no inline style.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from consent.reports import Line

# From the bottom of a bar to its top.
PARTS = ("accept_all", "custom", "necessary_only", "ignored")

_TOP, _FLOOR = 4.0, 90.0  # where the largest and the smallest value stand
_WIDEST = 8.0
_LABELS = 6
_STEPS = (10, 12, 14, 16, 20, 24, 30, 40, 50, 60, 80, 100)


@dataclass(frozen=True)
class Piece:
    """A part of a bar."""

    part: str
    y: str
    height: str


@dataclass(frozen=True)
class Bar:
    """One day or week."""

    line: Line
    x: str
    width: str
    middle: str
    label: str  # the class of its label: none on narrow screens for every second one
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Chart:
    """The bars, and the lines behind them as (place, value)."""

    bars: tuple[Bar, ...]
    ticks: tuple[tuple[str, int], ...]
    floor: str = f"{_FLOOR:g}%"


def draw(lines: Sequence[Line]) -> Chart:
    """The chart of these lines, which are at least one."""
    top = ceiling(max(sum(_values(line)) for line in lines))
    slot = 100 / len(lines)
    every = -(-len(lines) // _LABELS)
    labels = ["" if number % every else "often" if number % (2 * every) else "always" for number in range(len(lines))]
    bars = tuple(_bar(line, number, slot, top, labels[number]) for number, line in enumerate(lines))
    values = (0, top // 2, top) if top > 1 else (0, top)
    return Chart(bars, tuple((_per_cent(_height(value, top)), value) for value in values))


def ceiling(largest: int) -> int:
    """The round number at the top of the axis; its half is a whole number too, from 2 on."""
    if largest <= 8:
        return next(number for number in (1, 2, 4, 6, 8) if number >= largest)
    power = int(10 ** max(len(str(largest)) - 2, 0))
    return next(step * power for step in _STEPS if step * power >= largest)


def _values(line: Line) -> list[int]:
    return [getattr(line, part) for part in PARTS]


def _bar(line: Line, number: int, slot: float, top: int, label: str) -> Bar:
    width = min(slot * 0.8, _WIDEST)
    middle = slot * (number + 0.5)
    pieces, under = [], 0
    for part, value in zip(PARTS, _values(line), strict=True):
        if value:
            y = _height(under + value, top)
            pieces.append(Piece(part, _per_cent(y), _per_cent(_height(under, top) - y)))
        under += value
    return Bar(line, _per_cent(middle - width / 2), _per_cent(width), _per_cent(middle), label, tuple(pieces))


def _height(value: int, top: int) -> float:
    return _FLOOR - (_FLOOR - _TOP) * value / top


def _per_cent(value: float) -> str:
    return f"{value:.3f}%"
