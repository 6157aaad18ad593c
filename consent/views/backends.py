"""The gate for back ends that hold no cookie: a CRM or an e-mail tool asks with an API key about a visitor.

No page of a browser reads this: no answer here allows another origin.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, request

from consent import keys, metrics, records, rights
from consent.answers import JSON, NO_STORE, Answer, Call, dumps, error
from consent.gate import Presented
from consent.records import Refused
from consent.versions import Published, settled
from consent.views.current import hot, numbered
from consent.views.door import call_of
from consent.views.errors import response

views = Blueprint("backends", __name__)


@views.post("/v1/sites/<site>/gate")
def ask(site: str) -> Response:
    """May one tracker load for this visitor, or all of them, by the latest record; asked with an API key."""
    call = call_of(request.environ)
    return _with_key(
        site, call, lambda version: _answer(site, version, records.load(records.QUESTION, hot().body(call))))


@views.get("/v1/sites/<site>/requests")
def requests(site: str) -> Response:
    """What visitors asked for by law and what was done, newest first; asked with an API key. It names nobody."""
    return _with_key(
        site, call_of(request.environ),
        lambda _: dumps({"requests": [rights.as_json(found) for found in rights.listed(site)]}))


def _with_key(site: str, call: Call, make: Callable[[Published], bytes]) -> Response:
    """What `make` answers, for a caller whose API key opens the site."""
    hot().within_limit(call, "")
    key = keys.find(_bearer(call.header("authorization")))
    if key is None:
        return response(_NO_KEY)
    if not keys.permits(key, "gate"):
        raise Refused(403, "no_scope", "This key may not ask the gate: it lacks the scope gate.")
    if not keys.opens(key, site):
        raise Refused(404, "unknown_site", "There is no published site with this key.")
    answer = make(settled(lambda: hot().published(site)))
    keys.used(key, datetime.now(UTC).date())
    return response(Answer(200, [JSON, NO_STORE], answer))


_NO_KEY = error(
    401, "no_key", "Send the key of an organisation that is not revoked: Authorization: Bearer poort_...", None,
    ("WWW-Authenticate", "Bearer"))


def _bearer(header: str | None) -> str:
    scheme, _, text = (header or "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""


def _answer(site: str, version: Published, asked: dict[str, Any]) -> bytes:
    shown, newest = _latest(site, asked["visitor"])
    if newest is not None and newest > version.number:
        version = settled(lambda: hot().publications.at_least(site, newest)) or version
    if asked["tracker"] is None:
        return version.table.all([shown], time.time(), asked["gpc"])
    body, reason = version.table.one([shown], asked["tracker"], time.time(), asked["gpc"])
    metrics.decided(reason)
    return body


def _latest(site: str, visitor: Any) -> tuple[Presented, int | None]:
    """The receipt of the visitor's latest record, and the version that it names. A restricted one is none (G8)."""
    row = records.latest(site, visitor, after=rights.restricted_at(site, visitor))
    if row is None:
        return None, None
    number: int = row["version"]
    shown = numbered(site, number)
    return (records.receipt_of(row, shown), number) if shown is not None else (None, None)
