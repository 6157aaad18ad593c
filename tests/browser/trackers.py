"""The trackers of the journeys profile, and Leadinfo, as the browser suite's internet plays them.

Every script here does what the real one does that matters for consent: it sets its first-party cookies (most of them on
the parent domain, as the real ones do), writes its storage keys and calls its collector. Facts: names and hosts as the
vendors publish them. This table is kept apart from the catalogue on purpose: it is the witness, not the accused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

GIF = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
YEAR, HALF_HOUR = 31_536_000, 1_800


@dataclass(frozen=True)
class Tracker:
    """`cookies` sit on the parent domain, `own_host_cookies` on the page's host; `more` is a second script it loads."""

    id: str
    category: str
    script: str
    hosts: tuple[str, ...]
    collector: str
    cookies: tuple[str, ...] = ()
    own_host_cookies: tuple[str, ...] = ()
    local: tuple[str, ...] = ()
    session: tuple[str, ...] = ()
    more: str | None = None
    frame: str | None = None

    @property
    def names(self) -> set[str]:
        """Every first-party cookie and storage key that it leaves behind."""
        return {*self.cookies, *self.own_host_cookies, *self.local, *self.session}


GTAG = "https://www.googletagmanager.com/gtag/js"

JOURNEYS: tuple[Tracker, ...] = (
    Tracker(
        "ga4",
        "analytics",
        f"{GTAG}?id=G-JOURNEYS1",
        ("google-analytics.com", "analytics.google.com", "stats.g.doubleclick.net"),
        "https://region1.google-analytics.com/g/collect?v=2",
        cookies=("_ga", "_ga_JOURNEYS1"),
    ),
    Tracker(
        "hotjar",
        "analytics",
        "https://static.hotjar.com/c/hotjar-42.js?sv=6",
        ("hotjar.com", "hotjar.io"),
        "https://metrics.hotjar.io/v1",
        cookies=("_hjSessionUser_42", "_hjSession_42"),
        own_host_cookies=("_hjTLDTest",),
        local=("_hjUserAttributes",),
        session=("hjViewportId",),
        more="https://script.hotjar.com/modules.js",
    ),
    Tracker(
        "vwo",
        "analytics",
        "https://dev.visualwebsiteoptimizer.com/j.php?a=42",
        ("visualwebsiteoptimizer.com", "d5phz18u4wuww.cloudfront.net", "vwo.com", "wingify.com"),
        "https://dev.visualwebsiteoptimizer.com/v.gif?a=42",
        cookies=("_vwo_uuid", "_vwo_uuid_v2", "_vis_opt_s", "_vis_opt_test_cookie"),
    ),
    Tracker(
        "meta",
        "marketing",
        "https://connect.facebook.net/en_US/fbevents.js",
        ("connect.facebook.net", "www.facebook.com"),
        "https://www.facebook.com/tr?id=42&ev=PageView",
        cookies=("_fbp", "_fbc"),
    ),
    Tracker(
        "linkedin",
        "marketing",
        "https://snap.licdn.com/li.lms-analytics/insight.min.js",
        ("snap.licdn.com", "px.ads.linkedin.com", "px4.ads.linkedin.com", "dc.ads.linkedin.com", "oribi.io"),
        "https://px.ads.linkedin.com/collect?pid=42",
        cookies=("li_fat_id", "li_giant"),
        own_host_cookies=("ln_or",),
    ),
    Tracker(
        "uet",
        "marketing",
        "https://bat.bing.com/bat.js",
        ("bat.bing.com", "bat.bing.net", "bat.r.msn.com"),
        "https://bat.bing.com/action/0?ti=42",
        cookies=("_uetsid", "_uetvid"),
    ),
    Tracker(
        "gads",
        "marketing",
        f"{GTAG}?id=AW-42",
        ("www.googleadservices.com", "googleads.g.doubleclick.net", "pagead2.googlesyndication.com"),
        "https://www.googleadservices.com/pagead/conversion/42/",
        cookies=("_gcl_au",),
    ),
    Tracker(
        "intercom",
        "functional",
        "https://widget.intercom.io/widget/app42",
        ("intercom.io", "intercomcdn.com", "intercomassets.com"),
        "https://api-iam.intercom.io/messenger/web/ping",
        cookies=("intercom-id-app42", "intercom-session-app42", "intercom-device-id-app42"),
        more="https://js.intercomcdn.com/frame.js",
    ),
    Tracker(
        "calendly",
        "functional",
        "https://assets.calendly.com/assets/external/widget.js",
        ("calendly.com",),
        "https://calendly.com/api/booking",
        frame="https://calendly.com/journeys/intro",
    ),
    Tracker(
        "typeform",
        "functional",
        "https://embed.typeform.com/next/embed.js",
        ("typeform.com",),
        "https://api.typeform.com/single-embed/42",
        frame="https://form.typeform.com/to/42",
    ),
    Tracker(
        "activecampaign",
        "marketing",
        "https://diffuser-cdn.app-us1.com/diffuser/diffuser.js",
        ("app-us1.com", "trackcmp.net"),
        "https://trackcmp.net/visit?actid=42",
        cookies=("ac_enable_tracking", "prism_42"),
    ),
    Tracker(
        "saber",
        "functional",
        "https://widget.saberfeedback.com/v2/widget.js",
        ("saberfeedback.com",),
        "https://widget.saberfeedback.com/v2/seen",
    ),
)

LEADINFO = Tracker(
    "leadinfo",
    "marketing",
    "https://cdn.leadinfo.net/ping.js",
    ("leadinfo.net",),
    "https://collector.leadinfo.net/com.snowplowanalytics.snowplow/tp2",
    cookies=("_li_id.42", "_li_ses.42"),
)

ALL = (*JOURNEYS, LEADINFO)
BY_ID = {tracker.id: tracker for tracker in ALL}
IDS = {tracker.id for tracker in JOURNEYS}
CATEGORIES = ("functional", "analytics", "marketing")


def of(category: str) -> set[str]:
    """The ids of the journeys trackers in one category."""
    return {tracker.id for tracker in JOURNEYS if tracker.category == category}


def names(ids: set[str]) -> set[str]:
    """All first-party cookies and storage keys that these trackers leave behind."""
    return {name for tracker in JOURNEYS if tracker.id in ids for name in tracker.names}


@dataclass(frozen=True)
class Known:
    content_type: str
    body: bytes
    third_party_cookie: str


def owner(host: str, path: str) -> str | None:
    """Whose address it is. Google's one script host is told apart by the id in the query."""
    if host == "www.googletagmanager.com":
        return "gads" if "id=AW-" in path else "ga4"
    for tracker in ALL:
        if any(host == own or host.endswith("." + own) for own in tracker.hosts):
            return tracker.id
    return None


def answer(host: str, path: str) -> Known | None:
    """A script, a frame or a pixel, as the address asks for."""
    name = owner(host, path)
    if name is None:
        return None
    url, tracker = f"https://{host}{path}", BY_ID[name]
    if url == tracker.script:
        return Known("text/javascript", script(tracker).encode(), f"{name}_third")
    if url == tracker.more:
        return Known("text/javascript", b"/* more of the same */", f"{name}_third")
    if url == tracker.frame:
        return Known("text/html", f"<!doctype html><title>{name}</title><p>{name}".encode(), f"{name}_third")
    return Known("image/gif", GIF, f"{name}_third")


def script(tracker: Tracker) -> str:
    """The tracker's own code: note that it ran, write, load its second part, call home."""
    facts = {
        "id": tracker.id,
        "cookies": list(tracker.cookies),
        "own": list(tracker.own_host_cookies),
        "local": list(tracker.local),
        "session": list(tracker.session),
        "more": tracker.more,
        "collector": tracker.collector,
    }
    return f"({TRACKER_JS})({json.dumps(facts)});"


TRACKER_JS = f"""function (me) {{
  (window.ran = window.ran || []).push(me.id);
  var parent = location.hostname.split(".").slice(-2).join("."), value = "=1; path=/; secure; max-age=";
  me.cookies.forEach(function (name) {{ document.cookie = name + value + {YEAR} + "; domain=" + parent; }});
  me.own.forEach(function (name) {{ document.cookie = name + value + {HALF_HOUR}; }});
  me.local.forEach(function (key) {{ localStorage.setItem(key, "1"); }});
  me.session.forEach(function (key) {{ sessionStorage.setItem(key, "1"); }});
  if (me.more) {{
    var part = document.createElement("script");
    part.src = me.more;
    document.head.appendChild(part);
  }}
  navigator.sendBeacon(me.collector, "seen");
}}"""
