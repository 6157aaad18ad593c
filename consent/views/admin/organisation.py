"""Who has access, and who did what, for programs: members, invitations, keys, the audit list."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any, Final

from flask import Response, current_app, url_for
from marshmallow import RAISE, Schema, fields, validate

from consent import audit, audit_list, invitations, keys, letters
from consent.accounts import ROLES, AccountError
from consent.audit import Audit
from consent.audit_list import Asked
from consent.db import iso, writing
from consent.keys import ApiKey
from consent.records import Refused
from consent.shapes import matching, one_of
from consent.sites import KEY, LANGUAGES, NotFound
from consent.tickets import Ticket
from consent.views.admin.doors import PageSchema, answer, body, by, needs, query, views


class InvitationSchema(Schema):
    """The body of an invitation. `language`: of the mail."""

    class Meta:
        unknown = RAISE

    email = fields.Email(required=True, validate=validate.Length(max=255))
    role = one_of(ROLES, required=True)
    language = one_of(LANGUAGES, load_default="nl")


class RoleSchema(Schema):
    """Another role for a member."""

    class Meta:
        unknown = RAISE

    role = one_of(ROLES, required=True)


class AuditPageSchema(PageSchema):
    """A page of the audit list: what was done before an entry, newest first."""

    before = fields.Integer(load_default=0, validate=validate.Range(0, 2**31 - 1))
    site = fields.String(load_default="", validate=matching(KEY.pattern, "Not the key of a site."))
    what = fields.String(load_default="", validate=matching(r"[a-z.-]{1,40}", "Such as version.publish."))
    from_ = fields.Date(load_default=None, data_key="from")
    to = fields.Date(load_default=None)


_INVITATION, _ROLE, _AUDIT = InvitationSchema(), RoleSchema(), AuditPageSchema()
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_ROLE_IN_DUTCH: Final = {"owner": "eigenaar", "marketer": "marketeer"}


# Members --------------------------------------------------------------------------------------------------------------

@views.get("/members")
@needs("members", everywhere=True)
def list_members(key: ApiKey) -> Response:
    """The members of the organisation, by their address."""
    found = invitations.members(key.organisation_id)
    return answer({"members": [
        {"id": one.id, "email": one.email, "role": one.role, "mfa": one.mfa, "seen_on": _day(one.seen_on)}
        for one in found]})


def _day(day: object) -> str | None:
    return day.isoformat() if isinstance(day, date) else None


@views.put("/members/<int:member>/role")
@needs("members", everywhere=True)
def change_role(key: ApiKey, member: int) -> Response:
    """Make a member owner or marketer; the last owner stays one."""
    role = body(_ROLE)["role"]
    with _member(key, member):
        invitations.change_role(key.organisation_id, member, role, by(key))
    return answer({"id": member, "role": role})


@views.delete("/members/<int:member>")
@needs("members", everywhere=True)
def remove_member(key: ApiKey, member: int) -> Response:
    """Take a member away, with the keys that they made; the last owner stays."""
    with _member(key, member):
        invitations.remove(key.organisation_id, member, by(key), datetime.now(UTC))
    return Response(status=204)


@contextmanager
def _member(key: ApiKey, id: int) -> Iterator[None]:
    """A transaction about somebody who is a member; raises NotFound, Refused."""
    try:
        with writing():
            if all(one.id != id for one in invitations.members(key.organisation_id)):
                raise NotFound("There is no such member.")
            yield
    except AccountError as error:
        raise Refused(409, "last_owner", str(error)) from error


# Invitations ----------------------------------------------------------------------------------------------------------

@views.get("/invitations")
@needs("members", everywhere=True)
def list_invitations(key: ApiKey) -> Response:
    """The invitations that nobody has accepted, newest first. Their links are not shown again."""
    return answer({"invitations": [_invitation(found) for found in invitations.waiting(key.organisation_id)]})


@views.post("/invitations")
@needs("members", everywhere=True)
def invite(key: ApiKey) -> Response:
    """Invite an address: by mail, or without a mail server by the link in the answer, shown this once."""
    said, now = body(_INVITATION), datetime.now(UTC)
    try:
        with writing():
            email, text = invitations.invite(key.organisation, said["email"], said["role"], by(key), now)
            link = f"{current_app.extensions['poort.settings'].public_url}{url_for('sign_in.join', token=text)}"
            if letters.can_be_sent():
                _write(key, email, link, said, now)
            made = next(one for one in invitations.waiting(key.organisation_id) if one.email == email)
            return answer({**_invitation(made), "link": None if letters.can_be_sent() else link}, 201)
    except AccountError as error:
        raise Refused(409, "not_invited", str(error)) from error


def _write(key: ApiKey, email: str, link: str, said: dict[str, Any], now: datetime) -> None:
    name, role = key.organisation.name, said["role"]
    letters.send("invitation", email, said["language"], now, link=link, organisation=name, by=name,
                 role=_ROLE_IN_DUTCH[role] if said["language"] == "nl" else role)


@views.delete("/invitations/<invitation>")
@needs("members", everywhere=True)
def withdraw_invitation(key: ApiKey, invitation: str) -> Response:
    """End an invitation that nobody accepted."""
    with writing():
        known = _DIGEST.fullmatch(invitation) and invitations.withdraw(key.organisation_id, invitation, by(key))
        if not known:
            raise NotFound("There is no such invitation.")
    return Response(status=204)


def _invitation(found: Ticket) -> dict[str, Any]:
    return {"id": found.digest, "email": found.email, "role": found.role, "created_at": iso(found.created_at),
            "expires_at": iso(found.expires_at)}


# Keys -----------------------------------------------------------------------------------------------------------------

@views.get("/keys")
@needs("members", everywhere=True)
def list_keys(key: ApiKey) -> Response:
    """The organisation's API keys, newest first; those that count no more too. No key makes another one."""
    return answer({"keys": [_as_json(found) for found in keys.of(key.organisation_id)]})


@views.delete("/keys/<int:id>")
@needs("members", everywhere=True)
def revoke_key(key: ApiKey, id: int) -> Response:
    """Revoke a key, for good; a key can revoke itself."""
    with writing():
        if all(found.id != id for found in keys.of(key.organisation_id)):
            raise NotFound("There is no such key.")
        try:
            keys.revoke(id, datetime.now(UTC))
            audit.note(key.organisation_id, "key.revoke", by(key), key=id)
        except keys.KeyFault:  # it was before: the same again changes nothing
            pass
    return Response(status=204)


def _as_json(found: ApiKey) -> dict[str, Any]:
    moments = {name: getattr(found, name) for name in ("created_at", "expires_at", "revoked_at")}
    return {
        "id": found.id, "name": found.name, "site": found.site, "scopes": found.scopes,
        "last_used": _day(found.last_used), **{name: moment and iso(moment) for name, moment in moments.items()},
    }


# The audit list -------------------------------------------------------------------------------------------------------

@views.get("/audit")
@needs("members", everywhere=True)
def list_audit(key: ApiKey) -> Response:
    """What members, keys and the command line did, newest first."""
    page = query(_AUDIT)
    asked = Asked(page["site"], "", page["what"], page["from_"], page["to"], page["before"])
    found = audit_list.entries(key.organisation_id, asked, page["limit"] + 1)
    shown = found[:page["limit"]]
    following = shown[-1].id if len(found) > len(shown) else None
    return answer({"entries": [_entry(row) for row in shown], "next": following})


def _entry(row: Audit) -> dict[str, Any]:
    return {"id": row.id, "at": iso(row.at), "what": row.what, "site": row.subject, "via": row.via,
            "user": row.user_id, "key": row.key_id, "details": row.details}
