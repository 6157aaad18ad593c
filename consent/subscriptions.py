"""Who gets which mails of an organisation: alerts and the weekly summary, each member as they chose, in their language.

Without a choice owners get alerts, and everybody the summary. Whoever is no member any more gets nothing, and nobody
does once the organisation's contract has ended. A mail of these has a signed address that ends them by one click,
without signing in (RFC 8058).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from flask import current_app
from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy import case, func, or_, select, update

from consent.accounts import Membership, Organisation, User
from consent.db import db
from consent.sites import LANGUAGES

ALERTS, WEEKLY = KINDS = ("alerts", "weekly")
LONGEST: Final = 200  # characters of a token


class BadToken(Exception):
    """An address that ends no mails: it was cut, or changed, or its member is gone."""


@dataclass(frozen=True)
class Reader:
    """Somebody who gets a mail."""

    id: int
    email: str
    language: str


@dataclass(frozen=True)
class Choice:
    """What a member gets of an organisation."""

    organisation: Organisation
    alerts: bool
    weekly: bool


_WANTS = {
    ALERTS: func.coalesce(Membership.alerts, case((Membership.role == "owner", True), else_=False)),
    WEEKLY: func.coalesce(Membership.weekly, True),
}


def readers(organisation_id: int, kind: str, today: date) -> list[Reader]:
    """Who gets mails of this kind of an organisation today."""
    goes_on = or_(Organisation.ended_on.is_(None), Organisation.ended_on > today)
    query = select(User.id, User.email, func.coalesce(User.language_chosen, User.language_seen, LANGUAGES[0]))
    query = query.join(Membership, Membership.user_id == User.id).join(
        Organisation, Organisation.id == Membership.organisation_id)
    query = query.where(Organisation.id == organisation_id, goes_on, User.active, _WANTS[kind])
    return [Reader(id, email, language if language in LANGUAGES else LANGUAGES[0])
            for id, email, language in db.session.execute(query.order_by(User.id))]


def choices(user: User) -> list[Choice]:
    """What a member gets of each of their organisations."""
    query = select(Organisation, _WANTS[ALERTS], _WANTS[WEEKLY]).join(
        Membership, Membership.organisation_id == Organisation.id)
    found = db.session.execute(query.where(Membership.user_id == user.id).order_by(Organisation.name))
    return [Choice(organisation, bool(alerts), bool(weekly)) for organisation, alerts, weekly in found]


def choose(user_id: int, organisation_id: int, alerts: bool, weekly: bool) -> bool:
    """Keep what a member wants; False when they are none. The caller commits."""
    return _set(user_id, organisation_id, {ALERTS: alerts, WEEKLY: weekly})


def choose_language(user: User, language: str) -> None:
    """The language of their mails; anything that is none: that of the pages they see. The caller commits."""
    user.language_chosen = language if language in LANGUAGES else None
    db.session.flush()


def _set(user_id: int, organisation_id: int, values: dict[str, bool]) -> bool:
    mine = update(Membership).where(Membership.user_id == user_id, Membership.organisation_id == organisation_id)
    return bool(db.session.execute(mine.values(values)).rowcount)  # type: ignore[attr-defined]  # an update has one


# By one click ---------------------------------------------------------------------------------------------------------

def address(public_url: str, user_id: int, organisation_id: int, kind: str) -> str:
    """Where one click ends these mails. It holds numbers alone, and works as long as the secret keys do."""
    return f"{public_url}/leave/{_signer().dumps([user_id, organisation_id, kind])}"


def organisation_of(token: str) -> tuple[str, str]:
    """The name of the organisation, and the kind of mails, that this token ends; raises BadToken."""
    user_id, organisation_id, kind = _read(token)
    query = select(Organisation.name).join(Membership, Membership.organisation_id == Organisation.id)
    name = db.session.scalar(query.where(Membership.user_id == user_id, Organisation.id == organisation_id))
    if name is None:
        raise BadToken
    return name, kind


def leave(token: str) -> None:
    """End these mails; raises BadToken. Again changes nothing. The caller commits."""
    user_id, organisation_id, kind = _read(token)
    if not _set(user_id, organisation_id, {kind: False}):
        raise BadToken


def _read(token: str) -> tuple[int, int, str]:
    try:
        user_id, organisation_id, kind = _signer().loads(token[:LONGEST])
    except (BadSignature, ValueError, TypeError) as error:
        raise BadToken from error
    return int(user_id), int(organisation_id), str(kind)


def _signer() -> URLSafeSerializer:
    keys: Sequence[str] = current_app.extensions["poort.settings"].secret_keys
    return URLSafeSerializer(list(reversed(keys)), salt="poort.leave")  # the last one signs
