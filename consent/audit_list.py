"""The audit list as owners read it: searched, with names looked up now, and as rows of a sheet.

Whoever is no member any more is "a former member": the list keeps numbers, and so nothing of them (G1).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Select, and_, select

from consent.accounts import Membership, User
from consent.audit import Audit
from consent.db import db
from consent.keys import ApiKey
from consent.marks import mark
from consent.numbers import number

PAGE = 50
MOST = 50_000  # rows of a sheet
# What owners read for a thing that was done; what is not here is shown as it is noted.
NAMES = {
    "site.create": mark("Site made"), "site.change": mark("Site changed"), "draft.change": mark("Draft changed"),
    "version.publish": mark("Version published"), "version.restore": mark("Older version published again"),
    "experiment.start": mark("Experiment started"), "experiment.end": mark("Experiment ended"),
    "member.invite": mark("Member invited"), "member.withdraw": mark("Invitation withdrawn"),
    "member.join": mark("Member joined"), "member.add": mark("Member added by command"),
    "member.change": mark("Member's role changed"),
    "member.remove": mark("Member removed"), "member.require": mark("Second factor required or not"),
    "organisation.create": mark("Organisation made"), "organisation.change": mark("Organisation changed"),
    "organisation.zone": mark("Time zone changed"),
    "organisation.end": mark("Contract ended"), "organisation.resume": mark("Contract goes on"),
    "webhook.set": mark("Webhook set"), "webhook.remove": mark("Webhook removed"),
    "key.create": mark("API key made"), "key.revoke": mark("API key revoked"),
    "password.change": mark("Password changed"), "password.reset": mark("Lost password replaced"),
    "mfa.add": mark("Authenticator app added"), "mfa.remove": mark("Authenticator app removed"),
    "mfa.codes": mark("New recovery codes"), "mfa.recover": mark("Signed in with a recovery code"),
    "mfa.reset": mark("Second factor reset"), "passkey.add": mark("Passkey added"),
    "passkey.remove": mark("Passkey removed"), "scan.begin": mark("Look at a site begun"),
    "leaks.delete": mark("Counts of leaks deleted"),
    "visitor.erase": mark("Visitor erased"), "visitor.restrict": mark("Visitor restricted"),
    "visitor.lift": mark("Restriction lifted"), "visitor.read": mark("Visitor's history read"),
    "visitor.export": mark("Visitor's history exported"),
}


@dataclass(frozen=True)
class Asked:
    """What somebody looks for. `person`: `user-3`, `key-7` or `command`; `before`: the number of the row after it."""

    site: str = ""
    person: str = ""
    kind: str = ""
    first: date | None = None
    last: date | None = None
    before: int = 0


@dataclass(frozen=True)
class People:
    """Who the numbers in the list are: members by their address, keys by their name."""

    users: Mapping[int, str]
    keys: Mapping[int, str]


def people(organisation_id: int) -> People:
    """Of those who are members now, and of all keys."""
    users = select(User.id, User.email).join(Membership, Membership.user_id == User.id)
    keys = select(ApiKey.id, ApiKey.name).where(ApiKey.organisation_id == organisation_id)
    members = db.session.execute(users.where(Membership.organisation_id == organisation_id))
    return People(dict(members.all()), dict(db.session.execute(keys).all()))


def entries(organisation_id: int, asked: Asked, most: int) -> list[Audit]:
    """What was done, newest first."""
    return list(db.session.scalars(_query(organisation_id, asked).order_by(Audit.id.desc()).limit(most)))


def kinds(organisation_id: int) -> list[str]:
    """What was done at all, for the choice."""
    return list(db.session.scalars(
        select(Audit.what).where(Audit.organisation_id == organisation_id).group_by(Audit.what).order_by(Audit.what)))


def actors(organisation_id: int) -> list[tuple[int | None, int | None]]:
    """Who did anything at all, for the choice: the number of a user, or that of a key; neither at the command line."""
    query = select(Audit.user_id, Audit.key_id).where(Audit.organisation_id == organisation_id)
    rows = db.session.execute(query.group_by(Audit.user_id, Audit.key_id))
    return sorted(((user, key) for user, key in rows), key=lambda row: (row[0] or 0, row[1] or 0))


def _query(organisation_id: int, asked: Asked) -> Select[tuple[Audit]]:
    query = select(Audit).where(Audit.organisation_id == organisation_id)
    if asked.site:
        query = query.where(Audit.subject == asked.site)
    if asked.kind:
        query = query.where(Audit.what == asked.kind)
    if asked.first:
        query = query.where(Audit.at >= _midnight(asked.first))
    if asked.last and asked.last < date.max:  # which has no day after it, and nothing is later
        query = query.where(Audit.at < _midnight(asked.last + timedelta(days=1)))
    if asked.before:
        query = query.where(Audit.id < asked.before)
    return query.where(_is_by(asked.person)) if asked.person else query


def _is_by(person: str) -> Any:
    kind, _, asked = person.partition("-")
    if person == "command":
        return and_(Audit.user_id.is_(None), Audit.key_id.is_(None))
    column = Audit.key_id if kind == "key" else Audit.user_id
    return column == (number(asked) or -1)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
