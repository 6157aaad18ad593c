"""The matrix: what may be asked for, and what must not, in each way of loading and each state of the visitor.

`test_matrix.py` plays each cell; docs/matrix.md is this table in words: `python -m tests.browser.matrix_page --write`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from tests.browser import ways
from tests.browser.trackers import ALL, BY_ID, CATEGORIES, EMBEDDED, Tracker

KEY = "everything"
HOUR = 3_600
SHOWN = tuple(BY_ID[name] for name in EMBEDDED)


@dataclass(frozen=True)
class Way:
    """How a page loads its trackers; `off` is the one that a visitor refuses within its category."""

    name: str
    says: str
    body: Callable[[], str]
    trackers: tuple[Tracker, ...]
    off: str


@dataclass(frozen=True)
class Fault:
    """What goes wrong at the consent host, for which paths; `accepts`: while the visitor accepts all."""

    kind: str
    path: str
    accepts: bool = False


@dataclass(frozen=True)
class State:
    """What the visitor has said, and what is wrong; `says` goes on after "The visitor".

    `receipt` differs from a grant of everything by this site, None is no cookie; its times are offsets from now.
    `open` are the categories whose trackers may load; `asks`: the visitor is asked (again). `clicks` is what is clicked
    in the placeholder of one tracker: of the way's `off`.
    """

    name: str
    says: str
    open: tuple[str, ...] = ()
    receipt: dict[str, Any] | None = None
    asks: bool = False
    one_off: bool = False
    forged: bool = False
    gpc: bool = False
    withdraws: bool = False
    clicks: str | None = None
    javascript: bool = True
    fault: Fault | None = None

    @property
    def runs(self) -> bool:
        """Whether our script gets to run at all."""
        return self.javascript and not (self.fault and self.fault.path != "/v1/")


TAGGED = Way(
    "tagged",
    "Poort's tags: scripts, inline code, templates, frames, images, style sheets",
    ways.tagged,
    ALL,
    "hotjar",
)
EMBED = Way("embedded", "frames behind a placeholder: videos, maps, appointments, forms", ways.embedded, SHOWN, "vimeo")
AUTO = Way("auto", "no tags: whatever inserts them is held back by `data-auto`", ways.auto, ALL, "meta")
FOREIGN = Way("foreign", "the tags of five other platforms, as they stand", ways.foreign, ALL, "clarity")
WAYS = (TAGGED, EMBED, AUTO, FOREIGN)
NOTHING: dict[str, Any] = {"a": "necessary_only", "c": []}
MOST = tuple(name for name in CATEGORIES if name != "marketing")
GRANT: dict[str, Any] = {}
BROKEN = {
    "server down": ("can not be fetched", Fault("down", "/")),
    "script slow": ("has not come yet", Fault("slow", "/banner/")),
    "script 500": ("is an error page", Fault("500", "/banner/")),
    "script truncated": ("breaks off half-way", Fault("truncated", "/banner/")),
    "wrong MIME type": ("comes as plain text", Fault("wrong type", "/banner/")),
}
UNHEARD = {
    "answer lost": ("is down", Fault("down", "/v1/", accepts=True)),
    "answer slow": ("has not answered yet", Fault("slow", "/v1/", accepts=True)),
    "answer 500": ("answers with an error", Fault("500", "/v1/", accepts=True)),
}
STATES: tuple[State, ...] = (
    State("no choice", "has not answered", asks=True),
    State("necessary only", "refused", receipt=NOTHING),
    *(State(f"{name} alone", f"allowed {name}", (name,), {"a": "custom", "c": [name]}) for name in CATEGORIES),
    State("one tracker off", "allowed all categories, without one tracker", CATEGORIES, {"a": "custom"}, one_off=True),
    State("all", "accepted all", CATEGORIES, GRANT),
    State(
        "withdrawn", "accepted all, saw it load, withdrew, and goes on to the next page", receipt=GRANT, withdraws=True
    ),
    State("expired", "accepted all, longer ago than a grant lasts", receipt={"t": -9 * HOUR, "e": -HOUR}, asks=True),
    State("stale version", "accepted all, before the site had marketing", MOST, {"v": 1}, asks=True),
    State("GPC", "accepted all, before the browser said Global Privacy Control", MOST, GRANT, gpc=True),
    State("forged cookie", "refused; the readable half of the receipt says all", receipt=GRANT, forged=True, asks=True),
    *(
        State(name, f"accepted all, but our script {says}", receipt=GRANT, fault=how)
        for name, (says, how) in BROKEN.items()
    ),
    *(
        State(name, f"clicks to accept all, and the server {says}", fault=how, asks=True)
        for name, (says, how) in UNHEARD.items()
    ),
    State("JavaScript off", "accepted all, in a browser that runs no script", receipt=GRANT, javascript=False),
)
CLICKS = (
    State("shown once", 'clicks "show once" at one; the next page shows none', asks=True, clicks="embed-once"),
    State("always shown", 'clicks "always allow" at one; so does the next page', asks=True, clicks="embed-always"),
)


@dataclass(frozen=True)
class Cell:
    """One visit: a way of loading in a state."""

    way: Way
    state: State
    place: int

    def __str__(self) -> str:
        return f"{self.way.name}, {self.state.name}"

    @property
    def policy(self) -> Literal["none", "strict", "gate"]:
        """Of the page's own. `strict` lets all trackers through; `gate` is the server's, for this visitor.

        A page without tags has nothing but its policy when our script does not come, or breaks.
        """
        if self.way is AUTO and not self.state.runs and self.state.name != "script slow":
            return "gate"
        return "strict" if self.place % 2 else "none"

    @property
    def may(self) -> set[str]:
        """Exactly these trackers are asked for; no other of the thirty-two."""
        if self.state.clicks:
            return {self.way.off}
        open = self.state.open if self.state.runs else ()
        off = {self.way.off} if self.state.one_off else set()
        return {row.id for row in self.way.trackers if row.category in open} - off

    @property
    def must_not(self) -> set[str]:
        """The others that the page has."""
        return {row.id for row in self.way.trackers} - self.may


CELLS = tuple(
    Cell(way, state, row + place)
    for row, way in enumerate(WAYS)
    for place, state in enumerate((*STATES, *(CLICKS if way is EMBED else ())))
)
