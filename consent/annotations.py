"""What marks the charts, publications and notes, and what each of them did: the days before beside the days after.

A comparison of days is no experiment: what else changed on those days counts too. That is what experiments are for.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from sqlalchemy import select

from consent import notes
from consent.db import db
from consent.reports import Line
from consent.shares import Difference, Share, difference
from consent.versions import Version
from consent.zones import day_of

SPAN = 7  # days on each side: a whole week, for the days of a week differ
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Annotation:
    """Something that happened on a day. `note`: the id of a note, to remove it by."""

    site: str
    day: date
    kind: Literal["version", "note"]
    text: str  # the number of the version, or what somebody wrote
    note: str = ""
    user_id: int | None = None


@dataclass(frozen=True)
class Effect:
    """A share in the days before and in those after, and the difference; None where one side has no showings."""

    annotation: Annotation
    before: Share
    after: Share
    days: int  # that there are after it, up to SPAN

    @property
    def difference(self) -> Difference | None:
        """How far the share after is above that before."""
        return difference(self.before, self.after)


def annotations(sites: Collection[str], first: date, last: date, where: ZoneInfo) -> list[Annotation]:
    """The publications and notes of these days, in their order."""
    start, end = (datetime.combine(day, time(), where).astimezone(UTC) for day in (first, last + ONE_DAY))
    table = Version.__table__.c
    query = select(table.site, table.number, table.published_at)
    query = query.where(table.site.in_(sites), table.published_at >= start, table.published_at < end)
    found = [Annotation(row.site, day_of(row.published_at, where), "version", str(row.number))
             for row in db.session.execute(query.order_by(table.published_at))]
    found += [Annotation(note.site, note.day, "note", note.text, str(note.id), note.user_id)
              for note in notes.listed(sites, first, last)]
    return sorted(found, key=lambda one: one.day)


def effects(found: Sequence[Annotation], lines: Mapping[date, Line], name: str, until: date) -> list[Effect]:
    """What the share `name` (an action, or a category that was granted) was before and after each of them.

    The day itself is in neither. `until`: the last day that is over.
    """
    def share(day: date, step: int) -> Share:
        days = [lines[other] for n in range(1, SPAN + 1)
                if (other := day + n * step * ONE_DAY) in lines and other <= until]
        parts = [line.granted(name) if not hasattr(line, name) else getattr(line, name) for line in days]
        return Share(sum(parts), sum(line.shown for line in days))

    return [Effect(one, share(one.day, -1), share(one.day, 1), min(max((until - one.day).days, 0), SPAN))
            for one in found]
