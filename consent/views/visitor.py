"""What a visitor may see of what they said, and what everybody may see of what the site shows.

The receipt is the key: it comes in the header `Poort-Receipt` or the cookie `poort`, never in an address.
"""

import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, current_app, render_template, request
from flask_babel import force_locale

from consent import banners, erasure, exports, outcomes, records, rights
from consent import declaration as declared
from consent.answers import NO_STORE, Answer, reply
from consent.db import db, iso, leave_no_trace, writing
from consent.receipts import Receipt, read_all, tokens
from consent.records import Refused
from consent.versions import Published, Unavailable, ended_at, settled
from consent.views.current import hot, numbered
from consent.views.door import call_of
from consent.views.errors import response
from consent.views.language import preferred
from consent.views.lifetimes import lifetime
from consent.views.protection import csrf

views = Blueprint("visitor", __name__)
views.add_app_template_filter(lifetime)


def _published(site: str) -> Published:
    """The site's current version; raises Refused or Unavailable."""
    return settled(lambda: hot().published(site))


@views.after_request
def share(answer: Response) -> Response:
    """Let the site's own origins read what is asked for a site (threat 5)."""
    site = (request.view_args or {}).get("site")
    if site and request.path.startswith("/v1/"):
        try:
            shared = settled(lambda: hot().cors(site, call_of(request.environ)))
        except Unavailable:  # nor can the site's pages be known
            shared = []
        for name, value in shared:
            answer.headers.add(name, value)
    return answer


_METHODS = {
    "me": ["GET", "DELETE"], "export": ["GET"], "restriction": ["POST", "DELETE"], "outcomes": ["POST"],
    "receipts": ["POST"], "leaks": ["POST"],
}


@views.route("/v1/sites/<site>/me", methods=["OPTIONS"])
@views.route("/v1/sites/<site>/me/export", methods=["OPTIONS"])
@views.route("/v1/sites/<site>/me/restriction", methods=["OPTIONS"])
@views.route("/v1/sites/<site>/outcomes", methods=["OPTIONS"])
def preflight(site: str) -> Response:
    """A browser asks whether a page may call."""
    methods = _METHODS[request.path.rpartition("/")[2]]
    found = settled(lambda: hot().preflight(call_of(request.environ), methods))
    # `share` adds who may read; here only how they may ask.
    how = [
        header
        for header in found.headers
        if header[0] not in ("Vary", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers")
    ]
    return response(found._replace(headers=how))


def _visitor(site: str) -> tuple[Receipt, list[dict[str, Any]]]:
    """Who holds the receipt, and their records; raises Refused. The door to everything of a visitor."""
    _published(site)
    if not settled(lambda: hot().is_own(site, call_of(request.environ))):
        raise Refused(403, "foreign_origin", "A visitor's records are shown on the site's own pages only.")
    shown = read_all(hot().keyring, tokens(request.headers.get("Poort-Receipt"), request.headers.get("Cookie")))
    receipt = next((found for found in shown if found and found.site == site), None)
    rows = records.history(site, uuid.UUID(receipt.visitor)) if receipt else []
    if receipt is None or not rows:
        raise records.no_receipt()
    return receipt, rows


def _versions(site: str, rows: list[dict[str, Any]]) -> dict[int, Published]:
    numbers = {row["version"] for row in rows}
    found = {number: numbered(site, number) for number in numbers}
    return {number: version for number, version in found.items() if version is not None}


@views.get("/v1/sites/<site>/me")
def me(site: str) -> Response:
    """This visitor's records, oldest first, what became of each, and each version that they were shown."""
    receipt, rows = _visitor(site)
    versions = _versions(site, rows)
    trails = outcomes.trails(site, uuid.UUID(receipt.visitor))
    shown = [
        {
            **records.as_json(row),
            "trail": trails.get(row["id"], []),
            "version_shown": _summary(versions[row["version"]]),
        }
        for row in rows
    ]
    full = {str(number): _version(version) for number, version in versions.items()}
    at = rights.restricted_at(site, uuid.UUID(receipt.visitor))
    kept = {"visitor": receipt.visitor, "records": shown, "versions": full, "restricted_at": at and iso(at)}
    return response(reply(200, {**kept, "receipt": _latest(site, receipt, versions)}))


def _latest(site: str, shown: Receipt, versions: dict[int, Published]) -> str | None:
    """The receipt of what this visitor said last: the browser that asks may hold an older one."""
    row = records.latest(site, uuid.UUID(shown.visitor))
    version = versions.get(row["version"]) if row else None
    return hot().keyring.issue(records.receipt_of(row, version)) if row and version else None


@views.get("/v1/sites/<site>/me/export")
def export(site: str) -> Response:
    """The same to keep: consent receipts after ISO/IEC TS 27560 in JSON-LD (G4, M1)."""
    receipt, rows = _visitor(site)
    trails = outcomes.trails(site, uuid.UUID(receipt.visitor))
    place = current_app.extensions["poort.settings"].public_url
    found = exports.document(rows, _versions(site, rows), trails, _published(site), place, datetime.now(UTC))
    answer = reply(200, found)
    headers = [
        ("Content-Type", "application/ld+json"),
        NO_STORE,
        ("Content-Disposition", f'attachment; filename="consent-{site}.jsonld"'),
    ]
    return response(Answer(200, headers, answer.body))


@views.delete("/v1/sites/<site>/me")
def erase(site: str) -> Response:
    """Erase this visitor's records and what became of them (G5); the anonymous counts stay."""
    version = _published(site)
    answer = _do(site, lambda visitor, now: erasure.erase(site, visitor, version.gate, now))
    leave_no_trace(db.engine)
    return answer


@views.post("/v1/sites/<site>/me/restriction")
def restrict(site: str) -> Response:
    """Restrict this visitor's records until it is lifted (G8): they are kept, and used for nothing."""
    return _do(site, lambda visitor, now: rights.restrict(site, visitor, now))


@views.delete("/v1/sites/<site>/me/restriction")
def lift(site: str) -> Response:
    """Lift the restriction of this visitor's records."""
    return _do(site, lambda visitor, now: rights.lift(site, visitor, now))


def _do(site: str, act: Callable[[uuid.UUID, datetime], rights.Done]) -> Response:
    """Do what the holder of the receipt asks, put it on the owner's list, and say what was done to who prefers that."""
    hot().within_limit(call_of(request.environ), site)
    receipt, _ = _visitor(site)
    definition, now = _published(site).definition, datetime.now(UTC)
    with writing():
        done = act(uuid.UUID(receipt.visitor), now)
        if done.answer["records"]:  # what was so already is nothing to answer for
            rights.note(site, done, definition, now)
    if _PREFERRED not in request.headers.get("Prefer", "").replace(" ", "").lower():
        return response(Answer(204, [NO_STORE], b""))
    said = {"done": done.kind, "at": iso(now), "removed" if done.kind == rights.ERASURE else "changed": done.answer}
    return response(reply(200, said, ("Preference-Applied", _PREFERRED)))


_PREFERRED = "return=representation"  # RFC 7240


@views.post("/v1/sites/<site>/outcomes")
def report(site: str) -> Response:
    """What the page did after a decision, per tracker, for the trail of its record; the first report counts."""
    call = call_of(request.environ)
    data = records.load(outcomes.REPORT, settled(lambda: hot().accept(call, site)))
    receipt = _receipt(site, str(data["record"]))
    version = numbered(site, receipt.version)
    if version is None:
        raise records.no_receipt()
    outcomes.check(data, version)
    with writing():
        outcomes.report(site, receipt, data, datetime.now(UTC))
    return response(Answer(204, [NO_STORE], b""))


def _receipt(site: str, record: str) -> Receipt:
    """The receipt that is shown for this site, of two the one of the record; raises Refused without one."""
    shown = read_all(hot().keyring, tokens(request.headers.get("Poort-Receipt"), request.headers.get("Cookie")))
    own = [receipt for receipt in shown if receipt and receipt.site == site]
    if not own:
        raise records.no_receipt()
    return next((receipt for receipt in own if receipt.record == record), own[0])


def _summary(version: Published) -> dict[str, Any]:
    return {
        "number": version.number,
        "digest": version.digest,
        "published_at": _moment(version.published_at),
    }


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _version(version: Published) -> dict[str, Any]:
    """A version, in effect from its publication until the next one's."""
    later = ended_at(version.site, version.number)
    return {
        "site": version.site,
        **_summary(version),
        "effective_at": _moment(version.published_at),
        "ended_at": later and _moment(later),
        "changes": version.changes,
        "since": {
            "trackers": {name: tracker.since for name, tracker in version.gate.trackers.items()},
            "categories": dict(version.gate.categories),
        },
        "snapshot": version.snapshot,
    }


@views.get("/v1/sites/<site>/versions/<number>")
def version(site: str, number: str) -> Response:
    """The frozen snapshot, its digest (SHA-256 over its RFC 8785 JSON), when it applied, and what it changed."""
    found = numbered(site, int(number)) if re.fullmatch("[1-9][0-9]{0,8}", number) else None
    if found is None:
        raise Refused(404, "unknown_version", "This site has no such version.")
    shown = _version(found)
    # What is in effect gets an end some day; what has ended never changes.
    life = "public, max-age=31536000, immutable" if shown["ended_at"] else "public, max-age=60"
    headers = [("Content-Type", "application/json; charset=utf-8"), ("Cache-Control", life)]
    return response(reply(200, shown)._replace(headers=headers))


def _language(version: Published) -> str:
    languages = version.definition["languages"]
    asked = request.args.get("lang", "")[:2].lower()
    if asked in languages:
        return asked
    return preferred(languages) or str(version.definition["default_language"])


@views.get("/v1/sites/<site>/declaration")
def declaration(site: str) -> Response:
    """The cookie declaration from the current version: HTML, or JSON for who accepts that (C2 to C4)."""
    found = _published(site)
    language = _language(found)
    data = declared.declaration(found, language)
    if request.accept_mimetypes.best_match(["text/html", "application/json"], "text/html") == "application/json":
        answer = response(reply(200, data))
    else:
        answer = _page("visitor/declaration.html", found, language, data=data, page=data["page"])
    answer.headers["Cache-Control"] = "public, max-age=60"
    answer.headers["Vary"] = "Accept, Accept-Language"
    answer.add_etag()
    answer.make_conditional(request)
    return answer


@views.get("/me/<site>")
def page(site: str) -> Response:
    """The visitor's own page; its script shows what the receipt in the address's fragment or in the cookie gives."""
    return _own_page(site, "")


@views.post("/me/<site>")
def page_with_receipt(site: str) -> Response:
    """The same for a form of the site's own pages with the field `receipt`: that way it is in no address either."""
    if not settled(lambda: hot().is_own(site, call_of(request.environ))):
        raise Refused(403, "foreign_origin", "A receipt is taken from the site's own pages only.")
    return _own_page(site, request.form.get("receipt", ""))


# It changes nothing, and the site's own pages hold no token of ours.
csrf.exempt(f"{__name__}.{page_with_receipt.__name__}")


def _own_page(site: str, receipt: str) -> Response:
    found = _published(site)
    answer = _page("visitor/me.html", found, _language(found), receipt=receipt, origins=found.definition["origins"])
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _page(template: str, version: Published, language: str, **more: Any) -> Response:
    """A page about a version, in a language that the site has."""
    with force_locale(language):
        return Response(
            render_template(
                template,
                **more,
                shown=banners.config(version, language),
                language=language,
                languages=version.definition["languages"],
            )
        )
