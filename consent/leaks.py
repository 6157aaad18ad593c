"""Leaks: requests to known trackers that a visitor had not allowed, counted from live traffic. Off by default, sampled.

Two tell of them: the banner script, of the pages that it is on, and browsers by a Content-Security-Policy-Report-Only.
Of a report stays the tracker, the page group, the day, who told and how many: no address, no visitor. Anybody can send
reports, so what can be stored in a day is bounded, and nothing else is decided by them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from marshmallow import RAISE, Schema, ValidationError, fields, validate
from sqlalchemy import BigInteger, Date, Integer, String, delete, func, select
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Mapped, mapped_column

from consent import gate
from consent.batches import Go, delete_some
from consent.catalogue import CATALOGUE
from consent.db import add_up, db, writing_on
from consent.gate import Presented
from consent.reach import Reach
from consent.records import PAGE_GROUP, Refused, invalid, load, parse_json
from consent.versions import Published

SCRIPT, CSP, UNKNOWN = SOURCES = ("script", "csp", "unknown")
CSP_REPORT, REPORTS = "application/csp-report", "application/reports+json"
LARGEST = 65_536  # bytes of a body: a browser tells several violations at once, each with the whole policy
MOST_REPORTS = 100  # of one body
MOST_TRACKERS = 50  # that one page tells of
MOST_TIMES = 100  # that one page tells of one tracker
MOST_ROWS = 500  # of a site on a day; what comes after that is no page group's
NO_GROUP, OTHERS = "", "*"  # pages without a group; pages whose group came when there were too many
KEPT = timedelta(days=90)


class LeakCount(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """How many requests to a tracker were told of on a day. `per_mille`: of how many pages, or reports, it was told."""

    site: Mapped[str] = mapped_column(String(63), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    tracker: Mapped[str] = mapped_column(String(64), primary_key=True)
    page_group: Mapped[str] = mapped_column(String(64), primary_key=True)
    source: Mapped[str] = mapped_column(String(16), primary_key=True)
    per_mille: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    n: Mapped[int] = mapped_column(BigInteger)


# What is told ---------------------------------------------------------------------------------------------------------

def _page_group(value: str) -> None:
    if not PAGE_GROUP.fullmatch(value):
        raise ValidationError("Use 1 to 64 letters, digits, hyphens and underscores.")


def _times(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_TIMES:
        raise ValidationError(f"Must be a whole number from 1 to {MOST_TIMES}.")


class LeaksSchema(Schema):
    """The body of `POST /v1/sites/{site}/leaks`, as the script sends it."""

    class Meta:
        unknown = RAISE

    page_group = fields.String(allow_none=True, load_default=None, validate=_page_group)
    trackers = fields.Dict(
        keys=fields.String(validate=validate.Length(1, 64)),
        values=fields.Raw(required=True, validate=_times, metadata={
            "type": "integer", "minimum": 1, "maximum": MOST_TIMES}),
        required=True,
        validate=validate.Length(1, MOST_TRACKERS),
        metadata={"description": "Per tracker how many requests were made to it while it was not allowed."},
    )


BODY = LeaksSchema()


class Told(NamedTuple):
    """A tracker, and who told of it."""

    tracker: str
    source: str


class Asker(NamedTuple):
    """Who sends a report, as far as that is known. `known`: their choice is, be it that they made none."""

    shown: Sequence[Presented]
    known: bool
    gpc: bool
    now: float


def sample(version: Published) -> float:
    """The share that is told of; 0 where the owner did not ask for it."""
    return float(version.definition.get("leak_reports", {}).get("sample", 0))


def page_group(text: str | None) -> str:
    """The page group that an address names; raises Refused."""
    if text and not PAGE_GROUP.fullmatch(text):
        raise invalid({"page_group": "Use 1 to 64 letters, digits, hyphens and underscores."})
    return text or NO_GROUP


def of_script(body: bytes, version: Published) -> tuple[str, Counter[Told]]:
    """What a page tells: its group, and what it counted, but for what is no tracker or needs no consent.

    Raises Refused.
    """
    data = load(BODY, body)
    found = {Told(name, SCRIPT): n for name, n in data["trackers"].items() if _can_leak(version, name)}
    return data["page_group"] or NO_GROUP, Counter(found)


def _can_leak(version: Published, tracker: str) -> bool:
    return tracker in version.asked if tracker in version.gate.trackers else tracker in CATALOGUE


def of_policy(body: bytes, media_type: str, version: Published, asker: Asker) -> Counter[Told]:
    """What a browser tells of a policy that was broken; raises Refused. Of its addresses nothing is kept."""
    reach = Reach([*version.snapshot["trackers"], *_others(version)])
    blocked = [address for page, address in _violations(body, media_type) if _origin(page) in version.origins]
    found = (_judged(reach, address, version, asker) for address in blocked)
    return Counter(told for told in found if told is not None)


def _others(version: Published) -> list[Mapping[str, Any]]:
    return [row for id, row in CATALOGUE.items() if id not in version.gate.trackers]


def _violations(body: bytes, media_type: str) -> Iterator[tuple[str, str]]:
    """Of each violation the page and what it asked for."""
    data = parse_json(body)
    if media_type == CSP_REPORT:
        if not isinstance(data, dict) or not isinstance(data.get("csp-report"), dict):
            raise Refused(422, "invalid", "The body must be a report of a Content-Security-Policy.")
        yield _texts(data["csp-report"], "document-uri", "blocked-uri")
        return
    if not isinstance(data, list) or len(data) > MOST_REPORTS:
        raise Refused(422, "invalid", f"The body must be a list of {MOST_REPORTS} reports at most.")
    for one in data:
        if isinstance(one, dict) and one.get("type") == "csp-violation" and isinstance(one.get("body"), dict):
            yield _texts(one["body"], "documentURL", "blockedURL")


def _texts(report: Mapping[str, Any], *names: str) -> tuple[str, str]:
    one, two = (report[name] if isinstance(report.get(name), str) else "" for name in names)
    return one, two


def _origin(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}".lower()


def _judged(reach: Reach, address: str, version: Published, asker: Asker) -> Told | None:
    """Whose the request was; None when it is nobody's that is known, or may have been allowed."""
    owners = sorted(_owners(reach, address), key=lambda id: (id not in version.gate.trackers, id))
    if not owners or not all(_can_leak(version, id) for id in owners):
        return None
    own = [id for id in owners if id in version.gate.trackers]
    if own and not asker.known:
        return Told(owners[0], UNKNOWN)
    allowed = any(gate.decide_shown(asker.shown, version.gate, id, asker.now, asker.gpc) for id in own)
    return None if allowed else Told(owners[0], CSP)  # what visitors are not asked about nobody can have allowed


def _owners(reach: Reach, address: str) -> frozenset[str]:
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return frozenset()
    if parts.scheme not in ("http", "https", "ws", "wss"):
        return frozenset()
    return reach.owners(host, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))


# Counting -------------------------------------------------------------------------------------------------------------

def count(site: str, group: str, share: float, found: Counter[Told], day: date) -> None:
    """Add to the counts of the day. The caller commits."""
    per_mille = round(share * 1000)
    full = _is_full(site, day)
    rows: Counter[tuple[str, str, str]] = Counter()
    for told, n in found.items():
        key = (site, day, told.tracker, group, told.source, per_mille)
        kept = OTHERS if full and db.session.get(LeakCount, key) is None else group
        rows[told.tracker, kept, told.source] += n
    add_up(db.session.connection(), LeakCount.__table__, [
        {"site": site, "day": day, "tracker": tracker, "page_group": kept, "source": source,
         "per_mille": per_mille, "n": n} for (tracker, kept, source), n in rows.items()])


def _is_full(site: str, day: date) -> bool:
    query = select(func.count()).select_from(LeakCount).where(LeakCount.site == site, LeakCount.day == day)
    return (db.session.scalar(query) or 0) >= MOST_ROWS


def forget(engine: Engine, now: datetime) -> str:
    """Delete the counts of more than KEPT ago; what was done, in words."""
    go, table = Go(), LeakCount.__table__
    before = (now - KEPT).date()

    def batch() -> int:
        with writing_on(engine) as connection:
            return delete_some(connection, table, table.c.day < before)

    return go.said(f"{go.until_done(batch)} counts of leaks forgotten")


def erase(site: str) -> int:
    """Delete all counts of a site, as after forged reports; how many rows. The caller commits."""
    done = db.session.execute(delete(LeakCount).where(LeakCount.site == site))
    return int(done.rowcount)  # type: ignore[attr-defined]  # a DELETE's result always has it


# What the owner is shown ----------------------------------------------------------------------------------------------

ENOUGH: Final = 10  # fewer requests than this are told as they are: an estimate from them would be a guess
MOST_LISTED = 500


class Leaking(NamedTuple):
    """A tracker over some days. `n`: requests that were told of; `estimate`: how many there may have been, if known."""

    tracker: str
    source: str
    n: int
    estimate: int | None
    first: date
    last: date


class Row(NamedTuple):
    """The same of one day and one page group."""

    day: date
    tracker: str
    page_group: str
    source: str
    n: int
    estimate: int | None


def estimated(n: int, whole: float) -> int | None:
    """How many requests there were when so many were told of; None when those are too few to say."""
    if round(whole) == n:
        return n
    return round(whole) if n >= ENOUGH else None


_WHOLE = func.sum(LeakCount.n * 1000.0 / LeakCount.per_mille)


def by_tracker(site: str, first: date) -> list[Leaking]:
    """Since this day, by tracker and who told, most first."""
    n = func.sum(LeakCount.n)
    query = (
        select(LeakCount.tracker, LeakCount.source, n, _WHOLE, func.min(LeakCount.day), func.max(LeakCount.day))
        .where(LeakCount.site == site, LeakCount.day >= first)
        .group_by(LeakCount.tracker, LeakCount.source).order_by(n.desc(), LeakCount.tracker, LeakCount.source))
    return [Leaking(tracker, source, int(n), estimated(int(n), float(whole)), low, high)
            for tracker, source, n, whole, low, high in db.session.execute(query)]


def by_day(site: str, first: date) -> list[Row]:
    """Since this day, newest first; MOST_LISTED at most."""
    key = (LeakCount.day, LeakCount.tracker, LeakCount.page_group, LeakCount.source)
    n = func.sum(LeakCount.n)
    query = (
        select(*key, n, _WHOLE).where(LeakCount.site == site, LeakCount.day >= first).group_by(*key)
        .order_by(LeakCount.day.desc(), n.desc(), *key[1:]).limit(MOST_LISTED))
    return [Row(day, tracker, group, source, int(n), estimated(int(n), float(whole)))
            for day, tracker, group, source, n, whole in db.session.execute(query)]


def policy(version_origins: Sequence[str], cookie_domain: str | None, free: Sequence[str], public_url: str) -> str:
    """The value of a Content-Security-Policy-Report-Only under which requests elsewhere are told of.

    `free`: hosts that need no consent. What is inline is let be: it is no request.
    """
    own = [f"https://*.{cookie_domain}"] if cookie_domain else []
    sources = " ".join(dict.fromkeys(["'self'", *version_origins, *own, public_url, *free]))
    return f"default-src {sources} data: blob: 'unsafe-inline' 'unsafe-eval'"
