"""The forms of a report: JSON for programs, tables for the command line, and sheets as CSV and XLSX.

All have the same numbers under the same names. A share never comes without what it is a part of and its interval; a
cell that suppression.py hides is null and `suppressed`, in sheets HIDDEN.
"""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import xlsxwriter  # type: ignore[import-untyped]  # it has none, as the two below
from xlsxwriter.format import Format  # type: ignore[import-untyped]
from xlsxwriter.worksheet import Worksheet  # type: ignore[import-untyped]

from consent.breakdowns import PARTS, Figures, TrackerShare
from consent.gate import OPTIONAL
from consent.marks import mark
from consent.reports import COLUMNS, Line, as_row, is_formula, to_csv, weeks
from consent.shares import Share, difference
from consent.suppression import ANSWERS, NAMES, Row, Table

BY: Final = ("day", "week", "total", "tracker", *PARTS)
SHARES: Final = ("answered", "ignored", *ANSWERS, *OPTIONAL, "suspect")
HIDDEN: Final = "hidden"


def parts_of(by: str) -> tuple[str, ...]:
    """Which parts breakdowns.figures has to read for one of BY."""
    return (by,) if by in PARTS else ()


Cell = str | int | float | date | None
Say = Callable[[str], str]

ABOUT_HIDDEN: Final = mark("hidden: fewer than ten visits, or a number that would give such a one away.")
ABOUT_JOINED: Final = mark("other: groups with fewer than ten visits, together.")
ABOUT_FEW: Final = mark("There are too few visits to tell groups apart.")
ABOUT_SHARES: Final = mark("Shares are of the shown banners; low and high are the ends of the 95% interval.")


# JSON -----------------------------------------------------------------------------------------------------------------

def as_json(found: Figures, before: Figures, by: str) -> dict[str, Any]:
    """The report by one of BY: the totals with their shares and the period before always."""
    return {
        **({"site": found.sites[0]} if len(found.sites) == 1 else {}), "sites": list(found.sites),
        **_ends(found), **_by(found, before, by), "total": as_row(found.total),
        "shares": {name: compared(found.share(name), before.share(name)) for name in SHARES},
        "before": {**_ends(before), "total": as_row(before.total)},
        "shown_error": found.shown_error,
    }


def _ends(found: Figures) -> dict[str, str]:
    return {"from": found.first.isoformat(), "to": found.last.isoformat()}


def _by(found: Figures, before: Figures, by: str) -> dict[str, Any]:
    if by in ("day", "week"):
        return {f"{by}s": [as_row(line) for line in (found.days if by == "day" else weeks(found.days))]}
    if by == "tracker":
        old = {tracker.id: tracker for tracker in before.trackers}
        return {"trackers": [_tracker(tracker, old.get(tracker.id)) for tracker in found.trackers]}
    if by in PARTS:
        old_table = before.table(by)
        return {"by": by, "parts": [_part(row, old_table) for row in found.table(by).rows]}
    return {}


def _tracker(found: TrackerShare, before: TrackerShare | None) -> dict[str, Any]:
    factor = found.seen.factor
    return {
        "id": found.id, "name": found.name, "category": found.category,
        "seen": compared(found.seen, before.seen if before else None), "factor": factor and round(factor, 4),
        "asked": plain(found.asked), "returning": plain(found.returning)}


def _part(row: Row, before: Table) -> dict[str, Any]:
    old = _same(row, before)
    shares = {name: compared(row.share(name), old.share(name) if old else None, row.shown) for name in NAMES}
    return {"bucket": row.bucket, "groups": row.groups, "shown": row.shown, "shares": shares}


def _same(row: Row, before: Table) -> Row | None:
    """The same group in the period before. What was joined is of other groups each time."""
    return next((old for old in before.rows if old.bucket == row.bucket and row.groups == old.groups == 1), None)


def plain(share: Share | None, whole: int = 0) -> dict[str, Any]:
    """A share with its numbers; `whole`: of what a hidden one is a part."""
    if share is None:
        nothing = dict.fromkeys(("share", "low", "high"))
        return {"part": None, "whole": whole, **nothing, "suppressed": True}
    return {"part": share.part, "whole": share.whole, **{
        name: number if number is None else round(number, 6)
        for name, number in (("share", share.value), ("low", share.low), ("high", share.high))}}


def compared(share: Share | None, before: Share | None, whole: int = 0) -> dict[str, Any]:
    """A share with its difference from the period before, where both are known."""
    gap = difference(before, share) if before and share else None
    numbers = gap and {"before": plain(before), "value": round(gap.value, 6), "low": round(gap.low, 6),
                       "high": round(gap.high, 6), "p": round(gap.p, 6)}
    return {**plain(share, whole), "difference": numbers}


# Sheets ---------------------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Sheet:
    """A table: its name, its columns, its rows, and sentences about what is not in it."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()


def sheet(found: Figures, before: Figures, by: str) -> Sheet:
    """The report by one of BY, as a table."""
    if by in ("day", "week", "total"):
        lines = {"day": found.days, "week": weeks(found.days), "total": [found.total]}[by]
        return Sheet(by, COLUMNS, [_line(line) for line in lines])
    if by == "tracker":
        return _trackers(found, before)
    return _parts(by, found.table(by))


def sheets(found: Figures, before: Figures) -> Iterator[Sheet]:
    """All of them: the shares of the total first."""
    yield _shares(found, before)
    for by in BY:
        if by != "total":
            yield sheet(found, before, by)


def _line(line: Line) -> list[Cell]:
    row = as_row(line)
    return [line.first, line.last, *(row[name] for name in COLUMNS[2:])]


_SHARE: Final = ("part", "whole", "share", "low", "high")
_BEFORE: Final = ("before_part", "before_whole", "before_share", "difference", "difference_low", "difference_high", "p")


def _shares(found: Figures, before: Figures) -> Sheet:
    rows = [[name, *_of(found.share(name)), *_against(found.share(name), before.share(name))] for name in SHARES]
    return Sheet("shares", ("what", *_SHARE, *_BEFORE), rows, [ABOUT_SHARES])


def _trackers(found: Figures, before: Figures) -> Sheet:
    columns = ("id", "name", "category", *_SHARE, "factor", "asked_part", "asked_whole", "returning_part",
               "returning_whole", *_BEFORE)
    old = {tracker.id: tracker.seen for tracker in before.trackers}
    rows = [[one.id, one.name, one.category, *_of(one.seen), one.seen.factor, one.asked.part, one.asked.whole,
             one.returning.part, one.returning.whole, *_against(one.seen, old.get(one.id))] for one in found.trackers]
    return Sheet("tracker", columns, rows)


def _parts(by: str, table: Table) -> Sheet:
    columns = ["bucket", "groups", "shown"]
    for name in NAMES:
        columns += [name, f"{name}_share", f"{name}_low", f"{name}_high"]
    rows = [[row.bucket, row.groups, row.shown, *(cell for name in NAMES for cell in _cells(row, name))]
            for row in table.rows]
    return Sheet(by, columns, rows, [sentence for sentence, holds in (
        (ABOUT_FEW, not table.rows), (ABOUT_HIDDEN, table.hidden), (ABOUT_JOINED, table.joined)) if holds])


def _cells(row: Row, name: str) -> list[Cell]:
    share = row.share(name)
    return [HIDDEN] * 4 if share is None else [share.part, share.value, share.low, share.high]


def _of(share: Share) -> list[Cell]:
    return [share.part, share.whole, share.value, share.low, share.high]


def _against(share: Share, before: Share | None) -> list[Cell]:
    gap = difference(before, share) if before else None
    if before is None or gap is None:
        return [None] * len(_BEFORE)
    return [before.part, before.whole, before.value, gap.value, gap.low, gap.high, gap.p]


def as_csv(found: Sheet) -> str:
    """Comma-separated values after RFC 4180, with a header; shares with six decimals, notes left out."""
    return to_csv([found.columns, *([_short(cell) for cell in row] for row in found.rows)])


def as_text(found: Sheet, say: Say = str) -> str:
    """Columns for a terminal, with the notes beneath."""
    rows = [[name.replace("_", " ") for name in found.columns]]
    rows += [["" if cell is None else str(_short(cell)) for cell in row] for row in found.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(found.columns))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([*lines, *map(say, found.notes)])


def _short(cell: Cell) -> Cell:
    return round(cell, 6) if isinstance(cell, float) else cell


# XLSX -----------------------------------------------------------------------------------------------------------------

def as_xlsx(found: Iterable[Sheet], say: Say = str) -> bytes:
    """A workbook with a sheet for each: numbers are numbers, days are days, and no text is a formula or a link."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        formats = _Formats(book)
        for one in found:
            _write(book.add_worksheet(one.name), one, formats, say)
    return out.getvalue()


class _Formats:
    def __init__(self, book: xlsxwriter.Workbook) -> None:
        self.head: Format = book.add_format({"bold": True, "bottom": 1})
        self.day: Format = book.add_format({"num_format": "yyyy-mm-dd"})
        self.share: Format = book.add_format({"num_format": "0.0%"})
        self.number: Format = book.add_format({"num_format": "0.0000"})
        self.count: Format = book.add_format({"num_format": "#,##0"})
        self.note: Format = book.add_format({"italic": True})
        # With a quote before it a text stays one when somebody opens the cell and leaves it again.
        self.quoted: Format = book.add_format({"quote_prefix": True})


def _write(page: Worksheet, found: Sheet, formats: _Formats, say: Say) -> None:
    page.freeze_panes(1, 1)
    page.set_column(0, len(found.columns) - 1, 14)
    for at, name in enumerate(found.columns):
        page.write_string(0, at, name, formats.head)
    for number, row in enumerate(found.rows, 1):
        for at, cell in enumerate(row):
            _put(page, (number, at), cell, found.columns[at], formats)
    for number, sentence in enumerate(found.notes, len(found.rows) + 2):
        page.write_string(number, 0, say(sentence), formats.note)


def _put(page: Worksheet, where: tuple[int, int], cell: Cell, column: str, formats: _Formats) -> None:
    if isinstance(cell, str):
        page.write_string(*where, cell, formats.quoted if is_formula(cell) else None)
    elif isinstance(cell, date):
        page.write_datetime(*where, cell, formats.day)
    elif isinstance(cell, float):
        page.write_number(*where, cell, formats.number if column in ("factor", "p") else formats.share)
    elif cell is not None:
        page.write_number(*where, cell, formats.count)
