"""Receipts of decisions that a restored database does not know: the visitor's browser sends them once."""

from datetime import UTC, datetime

from flask import Blueprint, Response, current_app, request

from consent import records, recovery
from consent.answers import reply
from consent.config import Settings
from consent.db import writing
from consent.receipts import Receipt, read_all, tokens
from consent.records import Refused
from consent.versions import Published, settled
from consent.views.current import hot, numbered
from consent.views.door import call_of
from consent.views.errors import response
from consent.views.visitor import preflight, share

views = Blueprint("recovery", __name__)
views.after_request(share)
views.add_url_rule("/v1/sites/<site>/receipts", "preflight", preflight, methods=["OPTIONS"])


@views.post("/v1/sites/<site>/receipts")
def recover(site: str) -> Response:
    """Take a valid receipt for the record that it stands for, when that was lost: after a backup was put back."""
    receipt, version = _shown(site)
    row = recovery.existing(receipt, version)
    if row is not None:
        return _answer(row, version, 200)
    now = datetime.now(UTC)
    recovery.check(receipt, version, hot().publications.lost, now)
    settings: Settings = current_app.extensions["poort.settings"]
    current = settled(lambda: hot().published(site))
    agent = request.headers.get("User-Agent", "")
    with writing():
        row, new = recovery.recover(receipt, version, current, agent, settings.secret_keys, now,
                                    hot().publications.zone(site))
    return _answer(row, version, 201 if new else 200)


def _shown(site: str) -> tuple[Receipt, Published]:
    """The receipt in the header, and the version that it names; raises Refused."""
    call = call_of(request.environ)
    settled(lambda: hot().published(site))
    if not settled(lambda: hot().is_own(site, call)):
        raise Refused(403, "foreign_origin", "This site's receipts are taken from its own pages only.")
    hot().within_limit(call, site)
    found = read_all(hot().keyring, tokens(request.headers.get("Poort-Receipt"), None))
    receipt = next((one for one in found if one and one.site == site), None)
    if receipt is None:
        raise Refused(401, "no_receipt", "Show a receipt of this site in the header Poort-Receipt.")
    version = numbered(site, receipt.version)
    if version is None:
        raise records.invalid({"version": "The site has no such version."})
    return receipt, version


def _answer(row: dict[str, object], version: Published, status: int) -> Response:
    """The record and its receipt, signed with the newest key."""
    token = hot().keyring.issue(records.receipt_of(row, version))
    return response(reply(status, {"record": records.as_json(row), "receipt": token}))
