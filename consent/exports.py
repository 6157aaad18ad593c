"""A visitor's records as consent receipts after ISO/IEC TS 27560:2023: JSON-LD in the Data Privacy Vocabulary (DPV)."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from consent import gate
from consent.gate import OPTIONAL
from consent.records import as_json, decided_at, grants_any, lasting, receipt_of
from consent.retention import claim_days
from consent.versions import Published

Rows = Sequence[Mapping[str, Any]]
Trail = Sequence[Mapping[str, Any]]
Node = dict[str, Any]

_IRI = {"@type": "@id"}  # the value names something, and is no text
CONTEXT = {
    "dpv": "https://w3id.org/dpv#",
    "dct": "http://purl.org/dc/terms/",
    "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
    "loc": "https://w3id.org/dpv/loc#",
    "poort": "urn:poort:",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "dct:conformsTo": _IRI, "dct:source": _IRI, "dpv:hasLegalBasis": _IRI, "dpv:hasConsentStatus": _IRI,
    "dpv:hasJurisdiction": _IRI, "dpv:hasLocation": _IRI,
    "poort:record": {"@type": "@json"},
}
SCHEMA = "27560:2023"
CONFORMS = "https://w3id.org/dpv/schema/dpv-27560#receipt-eu-gdpr"
PURPOSES = {
    "functional": "dpv:FunctionalityImprovement",
    "analytics": "dpv:ServiceUsageAnalytics",
    "marketing": "dpv:Marketing",
}
# What is kept of the visitor to show that they were asked, and what they answered (GDPR 7(1)).
PROOF: Final = (
    "choice", "moment", "version shown", "language", "browser family", "system family", "device class",
    "random number of this visitor on this site", "how long the answer took, in seven steps", "variant shown",
)

# The states of DPV in which processing may go on, and the others that a decision here can be in (M2).
GIVEN, RENEWED = VALID = ("dpv:ConsentGiven", "dpv:RenewedConsentGiven")
REFUSED, WITHDRAWN, EXPIRED, INVALIDATED = INVALID = (
    "dpv:ConsentRefused", "dpv:ConsentWithdrawn", "dpv:ConsentExpired", "dpv:ConsentInvalidated")


def document(
    rows: Rows, versions: Mapping[int, Published], trails: Mapping[uuid.UUID, Trail], current: Published,
    place: str, now: datetime,
) -> Node:
    """One JSON-LD document with a receipt for every record, oldest first.

    `current`: the version that counts `now`; `place`: the origin under which the records are kept.
    """
    graph, found = [], states(rows, versions, current, now)
    for row in rows:
        steps = [_step(entry) for entry in trails.get(row["id"], [])]
        graph.append({**_receipt(row, versions[row["version"]], place, found[row["id"]]), "poort:trail": steps})
    return {"@context": CONTEXT, "@graph": graph}


def states(
    rows: Rows, versions: Mapping[int, Published], current: Published, now: datetime
) -> dict[uuid.UUID, str]:
    """DPV's state of each record: of what was said last as it is `now`, of the others as it was then (M2)."""
    return {
        row["id"]: state_now(row, versions[row["version"]], current, renewed, now) if last else state_then(row, renewed)
        for row, renewed, last in _in_order(rows)
    }


def _in_order(rows: Rows) -> list[tuple[Mapping[str, Any], bool, bool]]:
    """Each record, whether one before it gave consent, and whether it is what the visitor said last."""
    last = max(rows, key=lambda row: (decided_at(row), row["recorded_at"], row["id"]), default=None)
    return [(row, any(map(grants_any, rows[:number])), row is last) for number, row in enumerate(rows)]


def state_then(row: Mapping[str, Any], renewed: bool) -> str:
    """DPV's state of the decision when it was made (M2). `renewed`: consent was given before."""
    if row["action"] == "withdraw":
        return WITHDRAWN
    if not grants_any(row):
        return REFUSED
    return RENEWED if renewed else GIVEN


def state_now(row: Mapping[str, Any], version: Published, current: Published, renewed: bool, now: datetime) -> str:
    """The state of what a visitor said last, as the gate sees it: among VALID as long as something may load by it."""
    then = state_then(row, renewed)
    if then in INVALID:
        return then
    receipt, at = receipt_of(row, version), now.timestamp()
    reasons = {gate.decide(receipt, current.gate, name, at).reason for name in current.asked}
    if "granted" in reasons or not reasons:
        return then
    return EXPIRED if "expired" in reasons else INVALIDATED


def _receipt(row: Mapping[str, Any], version: Published, place: str, state: str) -> Node:
    shown = as_json(row)
    definition = version.definition
    subject = {"@type": "dpv:DataSubject", "dct:identifier": shown["visitor"]}
    return {
        "@id": f"urn:uuid:{shown['id']}",
        "@type": "dpv:ConsentReceipt",
        "dct:conformsTo": CONFORMS,
        "dct:hasVersion": SCHEMA,
        "dct:identifier": shown["id"],
        "dct:language": row["language"],
        "dpv:hasDataSubject": subject,
        "dpv:hasDataController": _controller(definition),
        "dpv:hasNotice": _notice(version),
        "dpv:hasJurisdiction": f"loc:{definition['jurisdiction']}",
        "dpv:hasProcess": [_proof(row, version, place), *_processes(row, version)],
        "dpv:hasConsentStatus": state,
        "dpv:hasIndicationMethod": {
            "@type": "dpv:ExpressedConsent",
            "poort:source": row["source"],
            "poort:action": row["action"],
            "poort:gpc": row["gpc"],
        },
        "dpv:isIndicatedBy": subject,
        "dpv:isIndicatedAtTime": _moment(shown["decided_at"] or shown["recorded_at"]),
        "dpv:hasDuration": _validity(row, version),
        "dpv:hasConsentControl": {
            "@type": "dpv:WithdrawConsent",
            "poort:how": "the cookie settings on every page of the site, or the visitor's own page",
            "dct:source": f"{place}/me/{version.site}",
        },
        "poort:record": shown,
    }


def _moment(text: str) -> Node:
    return {"@value": text, "@type": "xsd:dateTime"}


def _lasts(text: str) -> Node:
    return {"@value": text, "@type": "xsd:duration"}


def _step(entry: Mapping[str, Any]) -> Node:
    """What became of the decision: whose report it is, and per tracker deleted, told or could_not."""
    results = [{"dct:identifier": name, "poort:result": results} for name, results in entry["trackers"].items()]
    return {"poort:source": entry["source"], "dct:issued": _moment(entry["recorded_at"]), "poort:outcome": results}


def _controller(definition: Mapping[str, Any]) -> Node:
    controller = definition["controller"]
    return {
        "@id": f"urn:poort:party:{definition['key']}",
        "@type": "dpv:DataController",
        "dct:identifier": definition["key"],
        "dpv:hasName": controller["name"],
        "dpv:hasContact": controller["email"],
        # Not every definition has one; the privacy statement has to name it (GDPR 13(1)(a)).
        "dpv:hasAddress": controller.get("address", controller["policy_url"]),
    }


def _notice(version: Published) -> Node:
    return {
        "@type": "dpv:ConsentNotice",
        "dct:source": version.definition["controller"]["policy_url"],
        "dct:hasVersion": version.number,
        "poort:sha256": version.digest,
        "dct:issued": _moment(version.published_at.strftime("%Y-%m-%dT%H:%M:%SZ")),
    }


def _proof(row: Mapping[str, Any], version: Published, place: str) -> Node:
    """What the site does with the record itself, whatever was chosen."""
    definition = version.definition
    return {
        "@type": "dpv:Process",
        "poort:category": "necessary",
        "poort:granted": True,
        "dpv:hasPurpose": {
            "@type": "dpv:LegalCompliance", "dct:description": _purpose(version, row["language"], "necessary")},
        "dpv:hasLegalBasis": "eu-gdpr:A6-1-c",
        "dpv:hasPersonalData": [_data(what) for what in PROOF],
        "dpv:hasRecipient": [_controller(definition)],
        "dpv:hasStorageCondition": [
            {**_located(definition["jurisdiction"]), "dct:source": place},
            _kept(_lasts(f"P{_days(row, version) + claim_days(definition)}D")),
        ],
    }


def _processes(row: Mapping[str, Any], version: Published) -> list[Node]:
    """What was asked, a process for each category in which the version has something to ask."""
    asked: dict[str, list[Mapping[str, Any]]] = {category: [] for category in OPTIONAL}
    for tracker in version.snapshot["trackers"]:
        if not tracker["exempt"] and tracker["category"] in asked:
            asked[tracker["category"]].append(tracker)
    return [_process(category, found, row, version) for category, found in asked.items() if found]


def _process(category: str, trackers: Rows, row: Mapping[str, Any], version: Published) -> Node:
    granted: bool = row["choices"][category]
    return {
        "@type": "dpv:Process",
        "poort:category": category,
        "poort:granted": granted,
        "dpv:hasPurpose": {
            "@type": PURPOSES[category],
            "dct:description": _purpose(version, row["language"], category),
        },
        "dpv:hasLegalBasis": "eu-gdpr:A6-1-a",
        "dpv:hasPersonalData": [
            _data("network address and what the browser sends with every request"), *map(_data, _names(trackers))],
        "dpv:hasRecipient": [_recipient(tracker, row["trackers"].get(tracker["id"], granted)) for tracker in trackers],
        "dpv:hasStorageCondition": [condition for tracker in trackers for condition in _stored(tracker)],
    }


def _data(what: str) -> Node:
    return {"@type": "dpv:PersonalData", "dct:title": what}


def _names(trackers: Rows) -> list[str]:
    return sorted({one["name"] for tracker in trackers for one in (*tracker["cookies"], *tracker["storage"])})


def _stored(tracker: Mapping[str, Any]) -> list[Node]:
    """Where a tracker keeps what it learns, and what it keeps in the visitor's browser for how long."""
    lives = [(one["name"], one["duration"]) for one in tracker["cookies"]]
    kept = [{**_kept(_lasts(life) if life.startswith("P") else life), "poort:cookie": name} for name, life in lives]
    return [{**_located(tracker["country"]), "dct:identifier": tracker["id"]}, *kept]


def _located(country: str) -> Node:
    return {"@type": "dpv:StorageLocation", "dpv:hasLocation": f"loc:{country}"}


def _kept(duration: Any) -> Node:
    return {"@type": "dpv:StorageDuration", "dpv:hasDuration": duration}


def _purpose(version: Published, language: str, category: str) -> str:
    return str(version.snapshot["texts"][language]["categories"][category]["purpose"])


def _recipient(tracker: Mapping[str, Any], granted: bool) -> Node:
    role = "dpv:DataProcessor" if tracker["role"] == "processor" else "dpv:DataController"
    return {
        "@type": role,
        "dct:identifier": tracker["id"],
        "dpv:hasName": tracker["vendor"],
        "dpv:hasContact": tracker["policy_url"] or "by way of the controller",
        "dpv:hasLocation": f"loc:{tracker['country']}",
        "poort:outside_eea": tracker["transfer"],
        "poort:granted": granted,
    }


def _days(row: Mapping[str, Any], version: Published) -> int:
    days: int = version.definition[lasting(row)]
    return days


def _validity(row: Mapping[str, Any], version: Published) -> Node:
    days = _days(row, version)
    end = (decided_at(row) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"@type": "dpv:UntilTimeDuration", "dct:extent": _lasts(f"P{days}D"), "poort:until": _moment(end)}
