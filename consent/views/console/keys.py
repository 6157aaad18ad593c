"""The API keys of one's organisations: made, shown once, revoked."""

from datetime import UTC, date, datetime, timedelta

from flask import abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user
from sqlalchemy import select

from consent import audit, invitations, keys
from consent.accounts import Organisation
from consent.db import db, writing
from consent.marks import mark
from consent.sites import Site
from consent.views.console.accounts import asked_number, asked_organisation, views
from consent.views.console.doors import by_user, fresh

LIVES = (30, 90, 365)  # days
LONGEST = timedelta(days=3_660)


@views.get("/keys", endpoint="keys")
def show_keys() -> ResponseReturnValue:
    """The keys of the organisations that one owns, and the form for another."""
    return _page()


def _page(status: int = 200, **more: object) -> ResponseReturnValue:
    owned = [found for found, role in invitations.organisations_of(current_user) if role == "owner"]
    if not owned:
        abort(403)
    shown = [(organisation, keys.of(organisation.id), _sites(organisation.id)) for organisation in owned]
    given = request.form if request.method == "POST" and status == 422 else {}
    page = render_template(
        "console/keys.html", organisations=shown, scopes=keys.SCOPES, lives=LIVES, now=datetime.now(UTC),
        moment=timedelta(microseconds=1),  # a key that ends at midnight works on the day before, and says that day
        given=given, given_scopes=request.form.getlist("scope") if given else ["gate"],
        **{"fault": None, "field": None, "text": None, "at": None, **more})
    return page, status


def _sites(organisation_id: int) -> list[str]:
    query = select(Site.key).where(Site.organisation_id == organisation_id)
    return list(db.session.scalars(query.order_by(Site.key)))


class _BadField(Exception):
    """What the form says and can not be used: the field and a sentence."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field, self.sentence = field, sentence


@views.post("/keys")
@fresh
def create_key() -> ResponseReturnValue:
    """A new key, shown this once."""
    now, id = datetime.now(UTC), asked_number()
    try:
        with writing():
            text = _create(asked_organisation(), now)
    except _BadField as error:
        return _page(422, fault=gettext(error.sentence), field=error.field, at=id)
    except keys.KeyFault as error:
        return _page(422, fault=gettext(str(error)), field="site", at=id)
    return _page(201, text=text, at=id)


def _create(organisation: Organisation, now: datetime) -> str:
    name, scopes = " ".join(request.form.get("name", "").split()), request.form.getlist("scope")
    if not 0 < len(name) <= 200 or not name.isprintable():
        raise _BadField("name", mark("Give the key a name, so that you know it again: 200 characters at most."))
    if not scopes or not set(scopes) <= set(keys.SCOPES):
        raise _BadField("scope", mark("Choose what the key may do."))
    key, text = keys.create(organisation.name, request.form.get("site") or None, name, now, scopes,
                            _expiry(now), current_user.id)
    audit.note(organisation.id, "key.create", by_user(), site=key.site, key=key.id, scopes=key.scopes,
               expires=key.expires_at.date().isoformat() if key.expires_at else None)
    return text


def _expiry(now: datetime) -> datetime:
    chosen = request.form.get("days", "")
    if chosen in map(str, LIVES):
        return now + timedelta(days=int(chosen))
    try:
        day = datetime.combine(date.fromisoformat(request.form.get("until", "")), datetime.min.time(), UTC)
    except ValueError:
        raise _BadField("until", mark("Choose the last day, such as 2027-11-22.")) from None
    if not now - timedelta(days=1) < day <= now + LONGEST:  # 9999-12-31 has no day after it
        raise _BadField("until", mark("The last day is today at the earliest, and within ten years."))
    return day + timedelta(days=1)


@views.post("/keys/revoke")
@fresh
def revoke_key() -> ResponseReturnValue:
    """From now on the key opens nothing."""
    number = request.form.get("key", "")
    with writing():
        id = asked_organisation().id
        mine = [key.id for key in keys.of(id) if str(key.id) == number]
        if not mine:
            abort(404)
        try:
            keys.revoke(mine[0], datetime.now(UTC))
        except keys.KeyFault:  # somebody was first
            return redirect(url_for("accounts.keys"), 303)
        audit.note(id, "key.revoke", by_user(), key=mine[0])
    return redirect(url_for("accounts.keys"), 303)
