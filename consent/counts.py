"""Daily counts, kept with the records in the same commit: what the reports read, never the records themselves.

Days are UTC days. `people` and bots are counted apart. The metrics:
    shown                the banner appeared
    answered, ACTION     a decision made in the banner: accept_all, necessary_only or custom
    granted, CATEGORY    the category was granted in such a decision
    changed, ACTION      a decision made later, in the settings or through the API
    imported, ACTION     a decision that another platform was told before, taken over
    withdrawn            everything was taken back
    recovered, ACTION    a decision of lost hours, back from its receipt; what it was counted as then is lost with them
"""

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Date, String
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, mapped_column

from consent.db import add_up, db


class DailyCount(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """How often something happened on a site on a day."""

    site: Mapped[str] = mapped_column(String(63), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    bot: Mapped[bool] = mapped_column(primary_key=True)
    metric: Mapped[str] = mapped_column(String(16), primary_key=True)
    value: Mapped[str] = mapped_column(String(64), primary_key=True)
    n: Mapped[int] = mapped_column(BigInteger)


class Tally(NamedTuple):
    """One thing that happened; the key of a DailyCount."""

    site: str
    day: date
    bot: bool
    metric: str
    value: str


def of_shown(site: str, at: datetime, bot: bool) -> list[Tally]:
    """What a shown banner adds."""
    return [Tally(site, at.date(), bot, "shown", "")]


def of_record(row: dict[str, Any]) -> list[Tally]:
    """What a record adds."""

    def tally(metric: str, value: str) -> Tally:
        return Tally(row["site"], row["recorded_at"].date(), row["bot"], metric, value)

    if row["source"] == "recovered":
        return [tally("recovered", row["action"])]
    if row["action"] == "withdraw":
        return [tally("withdrawn", "")]
    if row["source"] == "import":
        return [tally("imported", row["action"])]
    if row["source"] != "banner":
        return [tally("changed", row["action"])]
    granted = [tally("granted", category) for category, choice in row["choices"].items() if choice]
    return [tally("answered", row["action"]), *granted]


def rows(tallies: Iterable[Tally]) -> list[dict[str, Any]]:
    """The tallies added up, as rows for `db.add_up`."""
    return [{**tally._asdict(), "n": n} for tally, n in Counter(tallies).items()]


def add(connection: Connection, found: Counter[Tally]) -> None:
    """Add so many of each to the counts; fewer than none are taken off."""
    add_up(connection, DailyCount.__table__, [{**tally._asdict(), "n": n} for tally, n in found.items()])
