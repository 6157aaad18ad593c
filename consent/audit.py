"""The audit list: what owners, their API keys and the command line did, append-only.

Who did it is a number: the name is looked up when the list is read, so that nothing of a person stays behind who left.
Details never hold a visitor's id, an address or a secret.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from consent.db import Moment, db

Plain = str | int | bool | None
Detail = Plain | Sequence[Plain] | Mapping[str, Plain]


class Audit(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """One thing that was done. `subject` is the key of the site that it was done to, if any."""

    id: Mapped[int] = mapped_column(primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    at: Mapped[datetime] = mapped_column(Moment)
    what: Mapped[str] = mapped_column(String(40))  # noun.verb, such as version.publish
    subject: Mapped[str | None] = mapped_column(String(63))
    via: Mapped[str] = mapped_column(String(16))
    user_id: Mapped[int | None]
    key_id: Mapped[int | None]
    details: Mapped[dict[str, Any]] = mapped_column(JSON)

    __table_args__ = (Index("ix_audit_organisation_at", "organisation_id", "at"),)


@dataclass(frozen=True)
class By:
    """Who does something: a user in the console, an API key, or somebody at the command line."""

    user_id: int | None = None
    key_id: int | None = None
    via: str = "command"


COMMAND = By()


def of_organisation(id: int) -> str:
    """In whose name a permit to delete an organisation's list is: no site has such a key."""
    return f"#{id}"


def note(organisation_id: int, what: str, by: By, site: str | None = None, **details: Detail) -> None:
    """Write down that this was done. In the caller's transaction: what is undone was not done."""
    row = Audit(organisation_id=organisation_id, at=datetime.now(UTC), what=what, subject=site, via=by.via,
                user_id=by.user_id, key_id=by.key_id, details=details)
    db.session.add(row)
    db.session.flush()
