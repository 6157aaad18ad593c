"""What is kept of one visitor, for programs of the owner: found by a receipt or a record's id alone (G7).

Both come in the body: an address is logged on its way.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from flask import Response, current_app
from marshmallow import RAISE, Schema, ValidationError, fields, validate

from consent import audit, erasure, rights, visitors
from consent.db import db, iso, leave_no_trace, writing
from consent.keys import ApiKey
from consent.records import Refused, invalid
from consent.sites import Site
from consent.versions import Published, settled
from consent.views.admin.doors import answer, body, by, needs, views
from consent.views.current import hot, numbered
from consent.visitors import Found

Act = Callable[[Found, datetime], rights.Done]


def _of_late(day: date) -> None:
    today = datetime.now(UTC).date()
    if not today - timedelta(days=365) <= day <= today:
        raise ValidationError("Use a day of the last year, such as 2026-11-22.")


class KnownSchema(Schema):
    """Whose it is: the receipt that they show, or the id of a record."""

    class Meta:
        unknown = RAISE

    known = fields.String(required=True, validate=validate.Length(1, 8_000))


class AskedSchema(KnownSchema):
    """The same, and the day on which they asked when that was not today: the law's month counts from then (G6)."""

    received = fields.Date(load_default=None, validate=_of_late)


_KNOWN, _ASKED = KnownSchema(), AskedSchema()


@views.post("/sites/<site>/visitors")
@needs("records")
def show_visitor(key: ApiKey, site: Site) -> Response:
    """All that is kept of a visitor, as evidence: each record with the version that was shown."""
    found, version = _found(site, body(_KNOWN)["known"]), _published(site)
    now, place = datetime.now(UTC), current_app.extensions["poort.settings"].public_url
    known = visitors.history(site.key, found, lambda number: numbered(site.key, number), version, now)
    told = answer(visitors.evidence(site.key, known, version, place, now))
    with writing():
        audit.note(key.organisation_id, "visitor.read", by(key), site.key, records=len(known.steps))
    return told


@views.post("/sites/<site>/visitors/erase")
@needs("records")
def erase_visitor(key: ApiKey, site: Site) -> Response:
    """Erase all that is kept of a visitor; the anonymous counts stay."""
    version = _published(site)
    done = _do(key, site, "visitor.erase", lambda found, now: erasure.erase(site.key, found.visitor, version.gate, now))
    leave_no_trace(db.engine)
    return done


@views.post("/sites/<site>/visitors/restrict")
@needs("records")
def restrict_visitor(key: ApiKey, site: Site) -> Response:
    """Restrict what a visitor said until now: it is kept, and used for nothing."""
    return _do(key, site, "visitor.restrict", lambda found, now: rights.restrict(site.key, found.visitor, now))


@views.post("/sites/<site>/visitors/lift")
@needs("records")
def lift_visitor(key: ApiKey, site: Site) -> Response:
    """Lift the restriction of a visitor's records."""
    return _do(key, site, "visitor.lift", lambda found, now: rights.lift(site.key, found.visitor, now))


def _do(key: ApiKey, site: Site, what: str, act: Act) -> Response:
    """Do it, and put it on the list of requests and on the audit list; nothing of either tells of whom."""
    said, now = body(_ASKED), datetime.now(UTC)
    found, definition = _found(site, said["known"]), _published(site).definition
    with writing():
        done = _done(act, found, now)
        if done.answer["records"]:  # what was so already is nothing to answer for
            rights.note(site.key, done, definition, _moment(said["received"], now), now)
            audit.note(key.organisation_id, what, by(key), site.key, records=done.answer["records"])
    counted = "removed" if done.kind == rights.ERASURE else "changed"
    return answer({"done": done.kind, "at": iso(now), counted: done.answer})


def _done(act: Act, found: Found, now: datetime) -> rights.Done:
    try:
        return act(found, now)
    except Refused as fault:  # erased between the two looks
        raise invalid({"known": visitors.NO_RECORD}) from fault


def _moment(day: date | None, now: datetime) -> datetime:
    return now if day in (None, now.date()) else datetime.combine(day or now.date(), datetime.min.time(), UTC)


def _found(site: Site, known: str) -> Found:
    try:
        return visitors.find(site.key, known, hot().keyring)
    except visitors.NotKnown as fault:
        raise invalid({"known": str(fault)}) from fault


def _published(site: Site) -> Published:
    version = settled(lambda: hot().publications.current(site.key))
    if version is None:
        raise Refused(409, "not_published", "The site is not published.")
    return version
