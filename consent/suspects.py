"""The records in doubt (quality.py), remembered beside the evidence: so they are counted apart, when recounted too.

A mark is made in the commit of its record, or in the one that moves what the record had counted; it goes with it.
"""

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import String, Table, delete, select
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, mapped_column

from consent import counts
from consent.db import Id, db, insert_new


class SuspectRecord(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """This record is counted as suspect."""

    site: Mapped[str] = mapped_column(String(63), primary_key=True)
    id: Mapped[uuid.UUID] = mapped_column(Id, primary_key=True)


MARKS: Table = SuspectRecord.__table__
PART = 500  # ids in one statement


def mark(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> set[tuple[Any, ...]]:
    """Mark these records; the keys of those that were not yet."""
    keys = [{"site": row["site"], "id": row["id"]} for row in rows]
    return insert_new(connection, MARKS, keys) if keys else set()


def with_marks(connection: Connection, rows: Sequence[Mapping[Any, Any]]) -> list[dict[str, Any]]:
    """The records, each with `suspect`, as counts.of_record wants them."""
    found = {(row.site, row.id) for site, ids in _by_site(rows)
             for row in connection.execute(select(MARKS).where(MARKS.c.site == site, MARKS.c.id.in_(ids)))}
    return [{**row, "suspect": (row["site"], row["id"]) in found} for row in rows]


def take(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same of records that were deleted, and their marks go too."""
    found = with_marks(connection, rows)
    for site, ids in _by_site([row for row in found if row["suspect"]]):
        connection.execute(delete(MARKS).where(MARKS.c.site == site, MARKS.c.id.in_(ids)))
    return found


def _by_site(rows: Sequence[Mapping[Any, Any]]) -> Iterable[tuple[str, list[uuid.UUID]]]:
    for site in sorted({row["site"] for row in rows}):
        ids = [row["id"] for row in rows if row["site"] == site]
        yield from ((site, ids[start:start + PART]) for start in range(0, len(ids), PART))


def move(connection: Connection, records: Table, site: str, ids: Sequence[uuid.UUID]) -> counts.Counted:
    """Mark these records; what that changes in the counts. Those that are gone, or marked, change nothing.

    Nor do those of a visitor with a restriction: what they counted was taken off, to come back as it was (G8).
    """
    query = select(records).where(records.c.site == site, records.c.id.in_(ids))
    # Held until the commit, in one order: an erasure finds the mark, or we find no record.
    rows = [dict(row) for row in connection.execute(query.order_by(records.c.id).with_for_update()).mappings()]
    restrictions = db.metadata.tables["restriction"].c
    held = set(connection.scalars(select(restrictions.visitor).where(
        restrictions.site == site, restrictions.visitor.in_({row["visitor"] for row in rows}))))
    free = [row for row in rows if row["visitor"] not in held]
    new = mark(connection, free)
    return moved(counts.of_record(row) for row in free if (site, row["id"]) in new)


def moved(found: Iterable[counts.Tallies]) -> counts.Counted:
    """What it changes in the counts that these were counted as ok and are suspect: taken off, and counted apart."""
    change: counts.Counted = Counter()
    for tallies in found:
        change.subtract(tallies)
        change.update(counts.apart(tallies))
    return change
