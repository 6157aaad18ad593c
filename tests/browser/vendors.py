"""The vendors that can be told, as recorders: what each has to hear, call by call, in every state of a visitor.

`PAGE` is JavaScript that puts a recorder where each vendor's own queue or function would be, as if its snippet had run.
Expectations come from the vendors' documentation, not from our adapters.
"""

from __future__ import annotations

from typing import Any

Call = list[Any]

PAGE = """
window.heard = [];
const note = (name) => function () { heard.push([name, ...arguments]); };
const queue = (name) => {
  const found = [];
  found.push = function () { heard.push([name, ...arguments]); return Array.prototype.push.apply(found, arguments); };
  return found;
};
for (const name of ["uetq", "_hsp", "_hsq", "VWO", "_uxa", "_paq"]) window[name] = queue(name);
for (const name of ["fbq", "pintrk", "zE", "Intercom", "clarity"]) window[name] = note(name);
window.intercomSettings = { app_id: "app42" };
window.ttq = {};
for (const name of ["holdConsent", "grantConsent", "revokeConsent"]) window.ttq[name] = note("ttq." + name);
window.dataLayer = [];
window.dataLayer.push = function (one) {
  const real = Object.prototype.toString.call(one) === "[object Arguments]";
  heard.push(real ? ["gtag", ...one] : ["dataLayer", one]);
  return Array.prototype.push.apply(this, arguments);
};
"""

# Which of the recorders an adapter speaks to.
GLOBALS = {
    "google": {"gtag"},
    "uet": {"uetq"},
    "clarity": {"clarity"},
    "meta": {"fbq"},
    "tiktok": {"ttq.holdConsent", "ttq.grantConsent", "ttq.revokeConsent"},
    "pinterest": {"pintrk"},
    "hubspot": {"_hsp", "_hsq"},
    "zendesk": {"zE"},
    "intercom": {"Intercom"},
    "vwo": {"VWO"},
    "contentsquare": {"_uxa"},
    "matomo": {"_paq"},
}

CATEGORY = {
    **dict.fromkeys(("zendesk", "intercom"), "functional"),
    **dict.fromkeys(("ga4", "clarity", "vwo", "csq", "matomo"), "analytics"),
    **dict.fromkeys(("gads", "uet", "meta", "tiktok", "pinterest", "hubspot"), "marketing"),
}


def state(*granted: str, decided: bool = True, **trackers: bool) -> dict[str, Any]:
    """What an adapter is told: these categories are granted, their trackers with them but for those named."""
    return {
        "categories": {name: name in granted for name in ("functional", "analytics", "marketing")},
        "trackers": {id: category in granted for id, category in CATEGORY.items()} | trackers,
        "decided": decided,
    }


NOTHING = state(decided=False)
ALL = state("functional", "analytics", "marketing")
NO_MARKETING = state("functional", "analytics")
NONE = state()

# What a visitor does, as the states of one page, the last of which is looked at.
STEPS: dict[str, list[dict[str, Any]]] = {
    "no choice": [NOTHING],
    "grant": [NOTHING, ALL],
    "refuse": [NOTHING, NONE],
    "change": [ALL, NO_MARKETING],
    "withdraw": [ALL, NONE],
    "grant again": [ALL, NONE, ALL],
    "next page, granted": [ALL],
    "next page, refused": [NONE],
}


def consent(command: str, ads: bool, analytics: bool, functional: bool, **more: int) -> Call:
    """A consent command of Google's with all seven types."""
    of = {True: "granted", False: "denied"}
    types = {
        **dict.fromkeys(("ad_storage", "ad_user_data", "ad_personalization"), of[ads]),
        "analytics_storage": of[analytics],
        **dict.fromkeys(("functionality_storage", "personalization_storage"), of[functional]),
        "security_storage": "granted",
    }
    return ["gtag", "consent", command, types | more]


def settings(ads: bool) -> list[Call]:
    """What else Google is told about advertising."""
    signals = {"anonymize_ip": True, "allow_google_signals": ads, "allow_ad_personalization_signals": ads}
    return [["gtag", "set", "ads_data_redaction", not ads], ["gtag", "set", signals]]


DEFAULT = [
    consent("default", False, False, False, wait_for_update=500),
    ["gtag", "set", "url_passthrough", False],
]


def uet(command: str, word: str) -> Call:
    return ["uetq", "consent", command, {"ad_storage": word}]


def clarity(ads: str, analytics: str) -> Call:
    return ["clarity", "consentv2", {"ad_Storage": ads, "analytics_Storage": analytics}]


def hubspot(analytics: bool, advertisement: bool, functionality: bool) -> Call:
    wish = {"analytics": analytics, "advertisement": advertisement, "functionality": functionality}
    return ["_hsp", ["setHubSpotConsent", wish]]


def zendesk(cookies: str) -> Call:
    return ["zE", "messenger:set", "cookies", cookies]


BOOT: Call = ["Intercom", "boot", {"app_id": "app42", "disabled": False}]
SHUTDOWN: Call = ["Intercom", "shutdown"]
HUBSPOT_OFF: list[Call] = [["_hsp", ["revokeCookieConsent"]], ["_hsq", ["doNotTrack"]]]
MATOMO_OFF: list[Call] = [["_paq", ["forgetConsentGiven"]], ["_paq", ["deleteCookies"]]]

# Adapter, state: exactly these calls in this order. What is not listed is silence.
EXPECTED: dict[str, dict[str, list[Call]]] = {
    "google": {
        "no choice": [*DEFAULT, *settings(False)],
        "grant": [*settings(True), consent("update", True, True, True)],
        "refuse": [consent("update", False, False, False)],
        "change": [*settings(False), consent("update", False, True, True)],
        "withdraw": [*settings(False), consent("update", False, False, False)],
        "grant again": [*settings(True), consent("update", True, True, True)],
        "next page, granted": [*DEFAULT, *settings(True), consent("update", True, True, True)],
        "next page, refused": [*DEFAULT, *settings(False), consent("update", False, False, False)],
    },
    "uet": {
        "no choice": [uet("default", "denied")],
        "grant": [uet("update", "granted")],
        "refuse": [uet("update", "denied")],
        "change": [uet("update", "denied")],
        "withdraw": [uet("update", "denied")],
        "grant again": [uet("update", "granted")],
        "next page, granted": [uet("default", "denied"), uet("update", "granted")],
        "next page, refused": [uet("default", "denied"), uet("update", "denied")],
    },
    "clarity": {
        "no choice": [clarity("denied", "denied")],
        "grant": [clarity("granted", "granted")],
        "change": [clarity("denied", "granted")],
        "withdraw": [clarity("denied", "denied")],
        "grant again": [clarity("granted", "granted")],
        "next page, granted": [clarity("granted", "granted")],
        "next page, refused": [clarity("denied", "denied")],
    },
    "meta": {
        "no choice": [["fbq", "consent", "revoke"]],
        "grant": [["fbq", "consent", "grant"]],
        "change": [["fbq", "consent", "revoke"]],
        "withdraw": [["fbq", "consent", "revoke"]],
        "grant again": [["fbq", "consent", "grant"]],
        "next page, granted": [["fbq", "consent", "grant"]],
        "next page, refused": [["fbq", "consent", "revoke"]],
    },
    "tiktok": {
        "no choice": [["ttq.holdConsent"]],
        "grant": [["ttq.grantConsent"]],
        "refuse": [["ttq.revokeConsent"]],
        "change": [["ttq.revokeConsent"]],
        "withdraw": [["ttq.revokeConsent"]],
        "grant again": [["ttq.grantConsent"]],
        "next page, granted": [["ttq.grantConsent"]],
        "next page, refused": [["ttq.revokeConsent"]],
    },
    "pinterest": {
        "no choice": [["pintrk", "setconsent", False]],
        "grant": [["pintrk", "setconsent", True]],
        "change": [["pintrk", "setconsent", False]],
        "withdraw": [["pintrk", "setconsent", False]],
        "grant again": [["pintrk", "setconsent", True]],
        "next page, granted": [["pintrk", "setconsent", True]],
        "next page, refused": [["pintrk", "setconsent", False]],
    },
    "hubspot": {
        "no choice": [hubspot(False, False, False)],
        "grant": [hubspot(True, True, True)],
        "change": HUBSPOT_OFF,
        "withdraw": HUBSPOT_OFF,
        "grant again": [["_hsq", ["doNotTrack", {"track": True}]], hubspot(True, True, True)],
        "next page, granted": [hubspot(True, True, True)],
        "next page, refused": [hubspot(False, False, False)],
    },
    "zendesk": {
        "no choice": [zendesk("none")],
        "grant": [zendesk("all")],
        "withdraw": [zendesk("none")],
        "grant again": [zendesk("all")],
        "next page, granted": [zendesk("all")],
        "next page, refused": [zendesk("none")],
    },
    "intercom": {
        "no choice": [SHUTDOWN],
        "grant": [BOOT],
        "withdraw": [SHUTDOWN],
        "grant again": [BOOT],
        "next page, refused": [SHUTDOWN],
    },
    "vwo": {"withdraw": [["VWO", ["optOutVisitor"]]]},
    "contentsquare": {"withdraw": [["_uxa", ["optout"]]], "grant again": [["_uxa", ["optin"]]]},
    "matomo": {
        "no choice": [["_paq", ["requireConsent"]]],
        "grant": [["_paq", ["setConsentGiven"]]],
        "withdraw": MATOMO_OFF,
        "grant again": [["_paq", ["setConsentGiven"]]],
        "next page, granted": [["_paq", ["setConsentGiven"]]],
        "next page, refused": [["_paq", ["requireConsent"]]],
    },
}


def expected(adapter: str, step: str) -> list[Call]:
    return EXPECTED[adapter].get(step, [])


def said_to(adapter: str, heard: list[Call]) -> list[Call]:
    """Of all that was heard, what concerns one vendor."""
    return [call for call in heard if call[0] in GLOBALS[adapter]]
