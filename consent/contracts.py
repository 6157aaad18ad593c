"""The end of an organisation's contract, and what happens a year later: everything of the organisation goes.

Its sites, versions, records, counts, keys and members. Until then nothing changes and `resume` undoes it. Deleted in
batches that each keep what they did: a runner that is killed is followed by one that goes on.
"""

from datetime import date, datetime, timedelta
from functools import partial

from sqlalchemy import Table, delete, select, update
from sqlalchemy.engine import Engine

from consent import audit, zones
from consent.accounts import Membership, Organisation, User
from consent.audit import of_organisation
from consent.batches import Go, delete_some
from consent.db import db, writing_on
from consent.marks import mark
from consent.months import later
from consent.records import RemovalPermit, permitted_before
from consent.sites import Site

KEPT_MONTHS = 12


class ContractError(Exception):
    """What can not be ended or resumed; the message is one sentence."""


def end(name: str, on: date) -> date:
    """The contract ends on this day; the day on which everything goes. Raises ContractError. The caller commits."""
    organisation = named(name)
    organisation.ended_on = on
    audit.note(organisation.id, "organisation.end", audit.COMMAND, on=on.isoformat())
    return goes_on(on)


def resume(name: str) -> list[str]:
    """The contract goes on; the sites that have to be published again. Raises ContractError. The caller commits."""
    organisation = named(name)
    if organisation.ended_on is None:
        raise ContractError("The contract of this organisation has not ended.")
    organisation.ended_on = None
    audit.note(organisation.id, "organisation.resume", audit.COMMAND)
    query = select(Site.key).where(Site.organisation_id == organisation.id, Site.current.is_(None))
    return list(db.session.scalars(query.order_by(Site.key)))


def set_zone(organisation: Organisation, zone: str, by: audit.By) -> None:
    """The organisation's days are those of this place from now on; what was counted stays. Raises ContractError.

    The caller commits.
    """
    if zone not in zones.names():
        raise ContractError(mark("There is no such time zone. Choose one of the list, such as Europe/Amsterdam."))
    if organisation.time_zone != zone:
        audit.note(organisation.id, "organisation.zone", by, zone=zone)
        organisation.time_zone = zone
        db.session.flush()


def named(name: str) -> Organisation:
    """The organisation with this name; raises ContractError."""
    found: Organisation | None = db.session.scalar(select(Organisation).where(Organisation.name == name))
    if found is None:
        raise ContractError("There is no organisation with this name.")
    return found


def goes_on(ended: date) -> date:
    """The day on which everything of an organisation goes whose contract ended on this one."""
    return later(ended, KEPT_MONTHS)


def remove_ended(engine: Engine, now: datetime) -> str:
    """Delete the organisations whose time has come; what was done, in words."""
    go, removed, rows = Go(), 0, 0
    for organisation in _due(engine, now.date()):
        for site in _sites(engine, organisation):
            rows += _remove_site(engine, site, now, go)
        if not go.is_over:
            _remove(engine, organisation, now)
            removed += 1
    return go.said(f"{removed} organisations deleted, {rows} rows of their sites")


def _due(engine: Engine, today: date) -> list[int]:
    query = select(Organisation.id, Organisation.ended_on).where(Organisation.ended_on.is_not(None))
    with engine.connect() as connection:
        found = connection.execute(query.order_by(Organisation.id))
        return [id for id, ended in found if ended is not None and goes_on(ended) <= today]


def _sites(engine: Engine, organisation: int) -> list[str]:
    query = select(Site.key).where(Site.organisation_id == organisation).order_by(Site.key)
    with engine.connect() as connection:
        return list(connection.scalars(query))


def _remove_site(engine: Engine, site: str, now: datetime, go: Go) -> int:
    """Delete everything of a site, batch by batch; how many rows that were."""
    with writing_on(engine) as connection:  # from now on nobody shows it, and nothing more is recorded
        connection.execute(update(Site).where(Site.key == site, Site.current.is_not(None)).values(current=None))
    gone = sum(go.until_done(partial(_remove_rows, engine, table, site, now)) for table in _tables())
    if not go.is_over:
        with writing_on(engine) as connection:
            connection.execute(delete(Site).where(Site.key == site))
    return gone


def _tables() -> list[Table]:
    """Every table with rows of a site: visitors' first, then what points at the site itself."""
    permits = RemovalPermit.__table__  # the transaction's own, which it takes away itself
    found = [table for table in db.metadata.sorted_tables if "site" in table.columns and table is not permits]
    return sorted(found, key=lambda table: bool(table.columns["site"].foreign_keys))


def _remove_rows(engine: Engine, table: Table, site: str, now: datetime) -> int:
    with writing_on(engine) as connection, permitted_before(connection, site, now + timedelta(days=1)):
        return delete_some(connection, table, table.columns["site"] == site)


def _remove(engine: Engine, organisation: int, now: datetime) -> None:
    """Delete what is left: keys, the audit list, members, those who are nobody's member then, and the organisation."""
    permit = of_organisation(organisation), now + timedelta(days=1)
    with writing_on(engine) as connection, permitted_before(connection, *permit):
        members = list(connection.scalars(
            select(Membership.user_id).where(Membership.organisation_id == organisation)))
        for table in reversed(db.metadata.sorted_tables):
            if "organisation_id" in table.columns:
                connection.execute(delete(table).where(table.columns["organisation_id"] == organisation))
        elsewhere = select(Membership.user_id)
        connection.execute(delete(User).where(User.id.in_(members), User.id.not_in(elsewhere)))
        connection.execute(delete(Organisation).where(Organisation.id == organisation))
