"""The visitor's download holds every field that ISO/IEC TS 27560 demands (M1), and its states are DPV's (M2)."""

import re
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from consent import exports, gate, records, versions
from consent.catalogue import CATALOGUE
from consent.db import db
from consent.records import ACTIONS, SOURCES
from tests.shop import FIREFOX, NOW, body

Define = Callable[..., versions.Version]
PLACE = "https://consent.shop.example"

# Every mandatory field of regulation M, and where it stands in a receipt; "*" is every item of a list.
MANDATORY = {
    "schema version": "dct:hasVersion",
    "record id": "dct:identifier",
    "pii principal id": "dpv:hasDataSubject.dct:identifier",
    "privacy notice": "dpv:hasNotice.dct:source",
    "language": "dct:language",
    "purpose": "dpv:hasProcess.*.dpv:hasPurpose.dct:description",
    "pii information": "dpv:hasProcess.*.dpv:hasPersonalData.*.dct:title",
    "pii type": "dpv:hasProcess.*.dpv:hasPersonalData.*.@type",
    "pii controllers": "dpv:hasDataController.@id",
    "storage locations": "dpv:hasProcess.*.dpv:hasStorageCondition.0.dpv:hasLocation",
    "retention period": "dpv:hasProcess.0.dpv:hasStorageCondition.1.dpv:hasDuration.@value",
    "jurisdiction": "dpv:hasJurisdiction",
    "recipient third parties": "dpv:hasProcess.*.dpv:hasRecipient.*.dpv:hasName",
    "withdrawal method": "dpv:hasConsentControl.dct:source",
    "party id": "dpv:hasDataController.dct:identifier",
    "party name": "dpv:hasDataController.dpv:hasName",
    "party address": "dpv:hasDataController.dpv:hasAddress",
    "party contact": "dpv:hasDataController.dpv:hasContact",
    "party type": "dpv:hasDataController.@type",
    "recipient id": "dpv:hasProcess.*.dpv:hasRecipient.*.dct:identifier",
    "recipient type": "dpv:hasProcess.*.dpv:hasRecipient.*.@type",
    "recipient contact": "dpv:hasProcess.*.dpv:hasRecipient.*.dpv:hasContact",
    "event time": "dpv:isIndicatedAtTime.@value",
    "validity duration": "dpv:hasDuration.dct:extent.@value",
    "entity id": "dpv:isIndicatedBy.dct:identifier",
    "event type": "dpv:hasIndicationMethod.@type",
    "event state": "dpv:hasConsentStatus",
    # For the GDPR, and to read it by.
    "conforms to": "dct:conformsTo",
    "lawful basis": "dpv:hasProcess.*.dpv:hasLegalBasis",
    "collection method": "dpv:hasIndicationMethod.poort:source",
}


def at(node: Any, path: str) -> Iterator[Any]:
    """Every value at a path; a missing one is an error."""
    step, _, rest = path.partition(".")
    if not path:
        yield node
    elif step == "*":
        assert isinstance(node, list), path
        assert node, f"empty at {path}"
        for item in node:
            yield from at(item, rest)
    else:
        yield from at(node[int(step)] if isinstance(node, list) else node[step], rest)


def row(action: str, source: str = "banner", **changes: Any) -> dict[str, Any]:
    said = {**body(action), "source": source, "decided_at": None, **changes}
    said |= {"id": uuid.uuid4(), "visitor": uuid.UUID(said["visitor"])}
    return {**records.row_of("shop", said, FIREFOX, NOW), **changes}


def receipts(rows: list[dict[str, Any]], made: versions.Version, now: datetime = NOW) -> list[dict[str, Any]]:
    version = versions.published(made)
    document = exports.document(rows, {version.number: version}, {}, version, PLACE, now)
    assert_expands(document)
    return list(document["@graph"])


# -- JSON-LD: what a processor would refuse or lose ---------------------------------------------------------------

KEYWORDS = {"@id", "@type", "@value", "@language"}


def assert_expands(document: dict[str, Any]) -> None:
    """Every term has a prefix that the context declares, and is not lost; a value is a value, and a name is a name."""
    context = document["@context"]
    prefixes = {name for name, value in context.items() if isinstance(value, str)}
    assert all(re.fullmatch(r"(https?|urn):\S+[#/:]", context[name]) for name in prefixes)
    assert set(document) == {"@context", "@graph"}
    for node in document["@graph"]:
        _assert_node(node, prefixes, context)


def _assert_node(node: dict[str, Any], prefixes: set[str], context: dict[str, Any]) -> None:
    if "@value" in node:
        assert set(node) <= {"@value", "@type", "@language"}, "a value has no properties"
        assert node["@value"]
    for term, value in node.items():
        assert term in KEYWORDS or term.partition(":")[0] in prefixes, term
        kind = context.get(term, {}).get("@type")
        if kind == "@json":
            continue
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                _assert_node(item, prefixes, context)
            elif term in ("@type", "@id") or kind == "@id":
                prefix = str(item).partition(":")[0]
                assert prefix in prefixes | {"https", "http", "urn"}, (term, item)


# -- the fields -----------------------------------------------------------------------------------------------------

@pytest.fixture(params=["with trackers", "without trackers", "the whole catalogue"])
def made(request: pytest.FixtureRequest, define: Define) -> versions.Version:
    """A version of the shop."""
    if request.param == "without trackers":
        return define(trackers=[])
    if request.param == "the whole catalogue":
        return define(trackers=[{"id": id} for id, known in CATALOGUE.items() if known["category"] != "necessary"])
    return define()


@pytest.mark.parametrize("migrated", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("app")
class TestFields:
    @pytest.mark.parametrize("source", [*SOURCES, "recovered"])
    def test_every_mandatory_field_is_there_and_says_something(self, made: versions.Version, source: str) -> None:
        """M1: for each action, each source, with and without trackers."""
        when = {"decided_at": NOW - timedelta(days=3)} if source == "import" else {}
        rows = [row(action, source, **when) for action in ACTIONS]
        for receipt, each in zip(receipts(rows, made), rows, strict=True):
            for field, path in MANDATORY.items():
                values = list(at(receipt, path))
                assert values, field
                assert all(value not in ("", None, [], {}) for value in values), (field, path)
            assert receipt["dpv:hasIndicationMethod"]["poort:source"] == source
            assert receipt["dpv:hasIndicationMethod"]["poort:action"] == each["action"]
            assert receipt["dpv:isIndicatedAtTime"]["@value"].startswith("2026-11-19" if when else "2026-11-22")

    def test_the_address_is_the_owner_s_where_they_gave_one(self, define: Define) -> None:
        controller = {"name": "Webwinkel B.V.", "email": "privacy@shop.example",
                      "policy_url": "https://www.shop.example/privacy", "address": "Kade 1, 1000 AA Amsterdam"}
        (receipt,) = receipts([row("accept_all")], define(controller=controller))
        assert receipt["dpv:hasDataController"]["dpv:hasAddress"] == "Kade 1, 1000 AA Amsterdam"

    def test_what_was_granted_stands_with_each_purpose_and_each_recipient(self, define: Define) -> None:
        (receipt,) = receipts([row("custom", trackers={"hotjar": False})], define())
        granted = {process["poort:category"]: process["poort:granted"] for process in receipt["dpv:hasProcess"]}
        assert granted == {"necessary": True, "functional": True, "analytics": True, "marketing": False}
        analytics = next(each for each in receipt["dpv:hasProcess"] if each["poort:category"] == "analytics")
        assert {each["dct:identifier"]: each["poort:granted"] for each in analytics["dpv:hasRecipient"]} == {
            "ga4": True, "hotjar": False, "own-stats": True}


# -- the states -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("migrated", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("app")
class TestStates:
    @pytest.mark.parametrize(("said", "state"), [
        (["accept_all"], "dpv:ConsentGiven"),
        (["custom"], "dpv:ConsentGiven"),
        (["necessary_only"], "dpv:ConsentRefused"),
        (["accept_all", "withdraw"], "dpv:ConsentWithdrawn"),
        (["accept_all", "accept_all"], "dpv:RenewedConsentGiven"),
        (["necessary_only", "accept_all"], "dpv:ConsentGiven"),
    ])
    def test_a_decision_has_its_state(self, define: Define, said: list[str], state: str) -> None:
        """M2"""
        rows = [row(action, recorded_at=NOW + timedelta(minutes=n)) for n, action in enumerate(said)]
        assert receipts(rows, define(), NOW + timedelta(hours=1))[-1]["dpv:hasConsentStatus"] == state

    def test_what_expired_or_was_overtaken_is_no_consent_any_more(self, define: Define) -> None:
        given = row("custom", choices={"functional": False, "analytics": True, "marketing": False})
        first = versions.published(define())
        second = versions.published(define(trackers=[{"id": "vwo"}]))
        assert exports.state_now(given, first, first, False, NOW + timedelta(days=181)) == "dpv:ConsentExpired"
        assert exports.state_now(given, first, second, False, NOW) == "dpv:ConsentInvalidated"
        assert exports.state_now(given, first, first, False, NOW) == "dpv:ConsentGiven"

    @pytest.mark.parametrize("action", ACTIONS)
    @pytest.mark.parametrize("days", [0, 181])
    def test_the_gate_lets_something_through_in_the_valid_states_alone(
        self, define: Define, action: str, days: int
    ) -> None:
        """M2: gate = the state is a valid one, and not expired."""
        version, now = versions.published(define()), NOW + timedelta(days=days)
        said = row(action)
        state = exports.state_now(said, version, version, False, now)
        receipt = records.receipt_of(said, version)
        through = any(gate.decide(receipt, version.gate, name, now.timestamp()) for name in version.asked)
        assert through is (state in exports.VALID)
        assert through is not (state in exports.INVALID)


@pytest.mark.parametrize("migrated", ["sqlite"], indirect=True)
def test_the_download_itself_is_sound(app: Flask, client: FlaskClient, define: Define) -> None:
    define()
    sent = body("accept_all")
    said: Any = client.post("/v1/sites/shop/consents", json=sent).json
    db.session.rollback()
    answer = client.get("/v1/sites/shop/me/export", headers={"Poort-Receipt": said["receipt"]})
    document = answer.get_json(force=True)
    assert_expands(document)
    for path in MANDATORY.values():
        assert list(at(document["@graph"][0], path))
    assert document["@graph"][0]["dpv:hasConsentControl"]["dct:source"] == "http://localhost/me/shop"
    assert datetime.now(UTC).isoformat()[:10] in document["@graph"][0]["dpv:isIndicatedAtTime"]["@value"]
