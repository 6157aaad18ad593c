"""A visitor's records as consent receipts after ISO/IEC TS 27560:2023: JSON-LD in the Data Privacy Vocabulary (DPV)."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from consent.gate import OPTIONAL
from consent.records import as_json, decided_at
from consent.versions import Published

CONTEXT = {
    "dpv": "https://w3id.org/dpv#",
    "dct": "http://purl.org/dc/terms/",
    "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
    "poort": "urn:poort:",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
CONFORMS = "https://w3id.org/dpv/schema/dpv-27560#receipt-eu-gdpr"
PURPOSES = {
    "functional": "dpv:FunctionalityImprovement",
    "analytics": "dpv:ServiceUsageAnalytics",
    "marketing": "dpv:Marketing",
}


Trail = Sequence[Mapping[str, Any]]


def document(
    rows: Sequence[Mapping[str, Any]], versions: Mapping[int, Published], trails: Mapping[uuid.UUID, Trail]
) -> dict[str, Any]:
    """One JSON-LD document with a receipt for every record, oldest first."""
    graph = [_receipt(row, versions[row["version"]], trails.get(row["id"], [])) for row in rows]
    return {"@context": CONTEXT, "@graph": graph}


def _receipt(row: Mapping[str, Any], version: Published, trail: Trail) -> dict[str, Any]:
    shown = as_json(row)
    controller = version.definition["controller"]
    granted = {category for category in OPTIONAL if row["choices"][category]}
    return {
        "@id": f"urn:uuid:{shown['id']}",
        "@type": "dpv:ConsentReceipt",
        "dct:conformsTo": CONFORMS,
        "dct:hasVersion": "27560:2023",
        "dct:identifier": shown["id"],
        "dct:language": row["language"],
        "dpv:hasDataSubject": {"@type": "dpv:DataSubject", "dct:identifier": shown["visitor"]},
        "dpv:hasDataController": _controller(controller),
        "dpv:hasNotice": _notice(version, controller),
        "dpv:hasJurisdiction": version.definition["jurisdiction"],
        "dpv:hasProcess": [_process(category, category in granted, row, version) for category in OPTIONAL],
        "dpv:hasConsentStatus": _status(row, bool(granted)),
        "dpv:hasIndicationMethod": {
            "poort:source": row["source"],
            "poort:action": row["action"],
            "poort:gpc": row["gpc"],
        },
        "dpv:isIndicatedBy": {"@type": "dpv:DataSubject", "dct:identifier": shown["visitor"]},
        "dpv:isIndicatedAtTime": {"@value": shown["decided_at"] or shown["recorded_at"], "@type": "xsd:dateTime"},
        "dpv:hasDuration": _duration(row, version, bool(granted)),
        "dpv:hasConsentControl": {
            "@type": "dpv:WithdrawConsent",
            "poort:how": "the cookie settings on every page of the site",
        },
        "poort:record": shown,
        "poort:trail": [_step(entry) for entry in trail],
    }


def _step(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What became of the decision: whose report it is, and per tracker deleted, told or could_not."""
    results = [{"dct:identifier": name, "poort:result": results} for name, results in entry["trackers"].items()]
    at = {"@value": entry["recorded_at"], "@type": "xsd:dateTime"}
    return {"poort:source": entry["source"], "dct:issued": at, "poort:outcome": results}


def _controller(controller: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "@type": "dpv:DataController",
        "dpv:hasName": controller["name"],
        "dpv:hasContact": controller["email"],
        "dpv:hasAddress": controller["policy_url"],
    }


def _notice(version: Published, controller: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "@type": "dpv:ConsentNotice",
        "dct:source": controller["policy_url"],
        "dct:hasVersion": version.number,
        "poort:sha256": version.digest,
        "dct:issued": version.published_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _process(category: str, granted: bool, row: Mapping[str, Any], version: Published) -> dict[str, Any]:
    trackers = [
        tracker for tracker in version.snapshot["trackers"] if tracker["category"] == category and not tracker["exempt"]
    ]
    return {
        "@type": "dpv:Process",
        "poort:category": category,
        "poort:granted": granted,
        "dpv:hasPurpose": {
            "@type": PURPOSES[category],
            "dct:description": _purpose(version, row["language"], category),
        },
        "dpv:hasLegalBasis": "eu-gdpr:A6-1-a",
        "dpv:hasPersonalData": sorted({cookie["name"] for tracker in trackers for cookie in tracker["cookies"]}),
        "dpv:hasRecipient": [_recipient(tracker, row["trackers"].get(tracker["id"], granted)) for tracker in trackers],
        "dpv:hasStorageCondition": [
            {"poort:cookie": cookie["name"], "dpv:hasDuration": cookie["duration"]}
            for tracker in trackers
            for cookie in tracker["cookies"]
        ],
    }


def _purpose(version: Published, language: str, category: str) -> str:
    return str(version.snapshot["texts"][language]["categories"][category]["purpose"])


def _recipient(tracker: Mapping[str, Any], granted: bool) -> dict[str, Any]:
    role = "dpv:DataProcessor" if tracker["role"] == "processor" else "dpv:DataController"
    return {
        "@type": role,
        "dct:identifier": tracker["id"],
        "dpv:hasName": tracker["vendor"],
        "dpv:hasLocation": tracker["country"],
        "poort:outside_eea": tracker["transfer"],
        "poort:granted": granted,
    }


def _status(row: Mapping[str, Any], granted: bool) -> str:
    """DPV's state of the decision (M2)."""
    if row["action"] == "withdraw":
        return "dpv:ConsentWithdrawn"
    return "dpv:ConsentGiven" if granted or any(row["trackers"].values()) else "dpv:ConsentRefused"


def _duration(row: Mapping[str, Any], version: Published, granted: bool) -> dict[str, Any]:
    days = version.definition["consent_days" if granted or any(row["trackers"].values()) else "refusal_days"]
    end = (decided_at(row) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"@type": "dpv:UntilTimeDuration", "@value": f"P{days}D", "poort:until": end}
