"""docs/matrix.md: the matrix in words. `python -m tests.browser.matrix_page --write` writes it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from tests.browser import ways
from tests.browser.matrix import AUTO, CELLS, FOREIGN, TAGGED, WAYS, Cell, Way
from tests.browser.trackers import ALL, CATEGORIES, Tracker

PAGE = Path(__file__).parents[2] / "docs" / "matrix.md"
POLICY = {"none": "none", "strict": "strict", "gate": "the gate's"}
HEAD = """\
# The gate for every tracker, on the wire

Written by `python -m tests.browser.matrix_page --write` from the table that the tests play; do not edit it by hand.

Every row is one visit of a real Chromium to a page with all the trackers of its way of loading. Whatever the browser
asks for, from whichever host, arrives at a small internet on the test's own machine and is written down there. A row
holds when exactly the trackers under "may load" were asked for and none of those under "must not". `make test` plays
every row, and fails when one does not hold. `tests/browser/test_matrix.py` has the visits,
`tests/browser/trackers.py` the trackers: a table kept apart from the catalogue, which is what is tested.

"Policy" is the page's own Content-Security-Policy. A strict one forbids everything but the hosts of the site, of Poort
and of all the trackers, and inline code without a nonce; it lets every tracker through, and a row fails at one
violation, so that the policy does nothing of the gate's work.
"""
UNTAGGED = """
"The gate's" is the policy for this visitor that a site's server sends along (`gate.csp()`), which lists only what is
allowed: a page without tags has nothing else to hold its trackers back when our script does not come, or breaks.

Some things no script of a page can be sure to hold back in time, so they are not in the rows of "auto":
{beyond}.
Tag those, or send the gate's policy: the tests show that it holds them back.
"""
COLUMNS = "| Way | State | The visitor | Policy | May load | Must not be asked for | Result |\n" + "|---" * 7 + "|\n"


def counted(ids: set[str], rows: Iterable[Tracker]) -> str:
    """Which of these trackers, in few words: by category where that says it all."""
    whole = list(rows)
    if not ids:
        return "nothing"
    if len(ids) == len(whole):
        return f"all {len(whole)}"
    return ", ".join(filter(None, (of(category, ids, whole) for category in CATEGORIES)))


def of(category: str, ids: set[str], whole: list[Tracker]) -> str:
    """What is meant of one category."""
    here = [row.id for row in whole if row.category == category]
    meant = [name for name in here if name in ids]
    if len(meant) in (0, len(here)):
        return f"{category} ({len(here)})" if meant else ""
    missing = [name for name in here if name not in ids]
    return f"{category} but {', '.join(missing)} ({len(meant)})" if len(missing) < len(meant) else ", ".join(meant)


def line(cell: Cell) -> str:
    whole = cell.way.trackers
    cells = (
        cell.way.name,
        cell.state.name,
        cell.state.says,
        POLICY[cell.policy],
        counted(cell.may, whole),
        counted(cell.must_not, whole),
        "holds",
    )
    return f"| {' | '.join(cells)} |"


def forms(way: Way, place: int, row: Tracker) -> str:
    """How a tracker is on the page of a way."""
    if row not in way.trackers:
        return ""
    extras = ["image"] * bool(row.pixel) + ["frame"] * bool(row.frame)
    if way is TAGGED:
        return ", ".join(["style sheet" if row.sheet else ways.pick(ways.TAGGED, place)[0], *extras])
    if way is AUTO:
        return ", ".join(ways.untagged(place, row))
    return ways.pick(ways.DIALECTS, place)[0] if way is FOREIGN else "frame"


def loading() -> str:
    """The table of who is loaded how."""
    names = [way.name for way in WAYS]
    lines = [f"| Tracker | Category | {' | '.join(names)} |", "|---" * (len(names) + 2) + "|"]
    for place, row in enumerate(ALL):
        cells = [f"`{row.id}`", row.category, *(forms(way, place, row) for way in WAYS)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def written() -> str:
    """The whole page."""
    said = "".join(f"- **{way.name}**: {way.says}.\n" for way in WAYS)
    rows = "\n".join(line(cell) for cell in CELLS) + "\n"
    parts = [
        HEAD,
        UNTAGGED.format(beyond=", ".join(ways.BEYOND)) if AUTO in WAYS else "",
        f"\n## The {len(CELLS)} visits\n\n",
        said,
        "\n",
        COLUMNS,
        rows,
    ]
    return "".join(parts) + f"\n## How each of the {len(ALL)} trackers is loaded\n\n" + loading()


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(written())
    else:
        print(written(), end="")
