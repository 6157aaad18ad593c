"""The audit list: what owners, their keys and the command line did, for the owners of an organisation to read."""

from datetime import date
from typing import Any

from flask import Blueprint, Response, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from consent import audit_list, invitations, reports
from consent.accounts import Organisation
from consent.audit import Audit
from consent.audit_list import Asked, People
from consent.numbers import number
from consent.views.console import members_only

views = Blueprint("audit", __name__, url_prefix="/console")
members_only(views)

COLUMNS = ("at", "what", "site", "by", "via", "details")


def _organisations() -> list[Organisation]:
    owned = [found for found, role in invitations.organisations_of(current_user) if role == "owner"]
    return owned or abort(403)


def _asked_for(owned: list[Organisation]) -> Organisation:
    """The organisation that the address names, else the first; 404 for a stranger's."""
    number = request.args.get("organisation", "")
    if not number:
        return owned[0]
    return next((each for each in owned if str(each.id) == number), None) or abort(404)


def _asked() -> tuple[Asked, dict[str, str]]:
    """What is looked for, and the faults by field."""
    faults: dict[str, str] = {}
    days: dict[str, date | None] = {}
    for name in ("from", "to"):
        text = request.args.get(name, "")
        try:
            days[name] = date.fromisoformat(text) if text else None
        except ValueError:
            days[name], faults[name] = None, gettext("This is no date; write it as 2026-11-22.")
    if days["from"] and days["to"] and days["from"] > days["to"]:
        faults["from"] = gettext("The first day comes after the last.")
    return Asked(
        request.args.get("site", "")[:63], request.args.get("person", "")[:20], request.args.get("kind", "")[:40],
        days["from"], days["to"], number(request.args.get("before", "")) or 0), faults


@views.get("/audit")
def page() -> ResponseReturnValue:
    """A page of the list, with what to look for."""
    owned = _organisations()
    organisation = _asked_for(owned)
    asked, faults = _asked()
    found = [] if faults else audit_list.entries(organisation.id, asked, audit_list.PAGE + 1)
    known = audit_list.people(organisation.id)
    shown = found[:audit_list.PAGE]
    more = len(found) > audit_list.PAGE
    drawn = render_template(
        "console/audit.html", organisations=owned, organisation=organisation, asked=asked, faults=faults,
        rows=[_row(each, known) for each in shown], kinds=audit_list.kinds(organisation.id), named=name_of,
        actors=[(_person(*actor), _by(known, *actor)) for actor in audit_list.actors(organisation.id)],
        older=_address(before=shown[-1].id) if more else None, sheet=_address("audit.sheet"),
        newest=_address() if asked.before else None, typed=request.args)
    return drawn, 400 if faults else 200


@views.get("/audit.csv")
def sheet() -> ResponseReturnValue:
    """All that is looked for, as comma-separated values."""
    organisation = _asked_for(_organisations())
    asked, faults = _asked()
    if faults:
        abort(400)
    known = audit_list.people(organisation.id)
    found = audit_list.entries(organisation.id, asked, audit_list.MOST)
    rows = ([each.at.isoformat(timespec="seconds"), each.what, each.subject or "",
             _by(known, each.user_id, each.key_id), each.via,
             "; ".join(f"{name}={value}" for name, value in _details(each, known))] for each in found)
    kept = {"Content-Disposition": 'attachment; filename="audit.csv"'}
    return Response(reports.to_csv([COLUMNS, *rows]), headers=kept, content_type="text/csv; charset=utf-8")


def _address(endpoint: str = "audit.page", **changes: Any) -> str:
    kept = {name: value for name, value in request.args.items() if name not in ("before", "lang") and value}
    return url_for(endpoint, **{**kept, **changes})


def _row(entry: Audit, known: People) -> dict[str, Any]:
    return {"entry": entry, "what": name_of(entry.what), "by": _by(known, entry.user_id, entry.key_id),
            "details": _details(entry, known)}


def name_of(what: str) -> str:
    """What was done, in the reader's language where it has a name."""
    return str(gettext(audit_list.NAMES[what])) if what in audit_list.NAMES else what


def _person(user_id: int | None, key_id: int | None) -> str:
    return f"key-{key_id}" if key_id is not None else f"user-{user_id}" if user_id is not None else "command"


def _by(known: People, user_id: int | None, key_id: int | None) -> str:
    if key_id is not None:
        return str(gettext("API key %(name)s", name=known.keys.get(key_id) or key_id))
    if user_id is not None:
        return known.users.get(user_id) or str(gettext("a former member"))
    return str(gettext("the command line"))


def _details(entry: Audit, known: People) -> list[tuple[str, str]]:
    found = []
    for name, value in entry.details.items():
        if value is None:
            continue
        if name == "member":
            value = known.users.get(value) or gettext("a former member")
        elif isinstance(value, list):
            value = ", ".join(map(str, value))
        elif isinstance(value, dict):
            value = ", ".join(f"{key}: {each}" for key, each in value.items())
        elif isinstance(value, bool):
            value = gettext("yes") if value else gettext("no")
        found.append((name, str(value)))
    return found
