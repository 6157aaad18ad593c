"""Alerts."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Date, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from consent.db import Moment, db


class Alert(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """Something that seems wrong with a site. `facts`: what is known of it; `seen_at`: when it last was so."""

    id: Mapped[int] = mapped_column(primary_key=True)
    site: Mapped[str] = mapped_column(ForeignKey("site.key"))
    kind: Mapped[str] = mapped_column(String(32))
    raised_at: Mapped[datetime] = mapped_column(Moment)
    seen_at: Mapped[datetime] = mapped_column(Moment)
    cleared_at: Mapped[datetime | None] = mapped_column(Moment)
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)

    __table_args__ = (
        Index("ix_alert_site_raised_at", "site", "raised_at"),
        Index("ix_alert_open", "site", "kind", unique=True, sqlite_where=text("cleared_at IS NULL"),
              postgresql_where=text("cleared_at IS NULL")),
    )


class ShownByHour(db.Model):  # type: ignore[name-defined, misc]  # as above
    """How often a site's banner had been shown on a day when it was first looked at in this hour of it."""

    site: Mapped[str] = mapped_column(String(63), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    hour: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    n: Mapped[int] = mapped_column(BigInteger)
