"""The thirty-two trackers of the profiles, as the browser suite's internet plays them (`acts.py` says how).

Facts: names and hosts as the vendors publish them. This table is kept apart from the catalogue on purpose: it is the
witness, not the accused.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Tracker:
    """`cookies` sit on the parent domain, `own_host_cookies` on the page's host; `more` is a second file it loads.

    `script` is what starts it: a script, or a style sheet where `sheet` says so. `hosts` are its own with all that ends
    in them, `paths` its parts of hosts that several trackers share.
    """

    id: str
    category: str
    script: str
    hosts: tuple[str, ...]
    collector: str | None = None
    cookies: tuple[str, ...] = ()
    own_host_cookies: tuple[str, ...] = ()
    local: tuple[str, ...] = ()
    session: tuple[str, ...] = ()
    more: str | None = None
    frame: str | None = None
    pixel: str | None = None
    paths: tuple[str, ...] = ()
    sheet: bool = False

    @property
    def urls(self) -> list[str]:
        """Every address that it asks for."""
        return [url for url in (self.script, self.collector, self.more, self.frame, self.pixel) if url]

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
        paths=("www.googletagmanager.com/gtag/js?id=G-",),
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
        pixel="https://www.facebook.com/tr?id=42&noscript=1",
    ),
    Tracker(
        "linkedin",
        "marketing",
        "https://snap.licdn.com/li.lms-analytics/insight.min.js",
        ("snap.licdn.com", "px.ads.linkedin.com", "px4.ads.linkedin.com", "dc.ads.linkedin.com", "oribi.io"),
        "https://px.ads.linkedin.com/collect?pid=42",
        cookies=("li_fat_id", "li_giant"),
        own_host_cookies=("ln_or",),
        pixel="https://px.ads.linkedin.com/collect/?pid=42&fmt=gif",
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
        pixel="https://www.googleadservices.com/pagead/conversion/42/?label=a",
        paths=("www.googletagmanager.com/gtag/js?id=AW-", "www.google.com/pagead/", "www.google.com/ccm/"),
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

OTHERS: tuple[Tracker, ...] = (
    Tracker(
        "leadinfo",
        "marketing",
        "https://cdn.leadinfo.net/ping.js",
        ("leadinfo.net",),
        "https://collector.leadinfo.net/com.snowplowanalytics.snowplow/tp2",
        cookies=("_li_id.42", "_li_ses.42"),
    ),
    Tracker(
        "gtm",
        "marketing",
        "https://www.googletagmanager.com/gtm.js?id=GTM-42",
        (),
        frame="https://www.googletagmanager.com/ns.html?id=GTM-42",
        paths=("www.googletagmanager.com/gtm.js", "www.googletagmanager.com/ns.html"),
    ),
    Tracker(
        "dclk",
        "marketing",
        "https://securepubads.g.doubleclick.net/tag/js/gpt.js",
        ("doubleclick.net", "2mdn.net"),
        "https://ad.doubleclick.net/activity;src=42",
        cookies=("__gads", "__gpi", "__eoi"),
        frame="https://42.fls.doubleclick.net/activityi;src=42",
        pixel="https://ad.doubleclick.net/ddm/activity/src=42",
    ),
    Tracker(
        "csq",
        "analytics",
        "https://t.contentsquare.net/uxa/42.js",
        ("contentsquare.net", "contentsquare.com"),
        "https://c.contentsquare.net/pageview?pid=42",
        cookies=("_cs_id", "_cs_c", "_cs_s"),
    ),
    Tracker(
        "clarity",
        "analytics",
        "https://www.clarity.ms/tag/42",
        ("clarity.ms",),
        "https://k.clarity.ms/collect",
        cookies=("_clck", "_clsk"),
        session=("_cltk",),
        more="https://www.clarity.ms/s/0.8/clarity.js",
    ),
    Tracker(
        "stripe",
        "functional",
        "https://js.stripe.com/v3/",
        ("js.stripe.com", "m.stripe.com", "m.stripe.network", "stripecdn.com"),
        "https://m.stripe.com/6",
        cookies=("__stripe_mid", "__stripe_sid"),
    ),
    Tracker(
        "youtube",
        "marketing",
        "https://www.youtube.com/iframe_api",
        ("www.youtube.com", "www.youtube-nocookie.com", "i.ytimg.com", "googlevideo.com"),
        "https://www.youtube.com/api/stats/qoe",
        frame="https://www.youtube.com/embed/abc42",
    ),
    Tracker(
        "vimeo",
        "marketing",
        "https://player.vimeo.com/api/player.js",
        ("player.vimeo.com", "vimeocdn.com"),
        "https://player.vimeo.com/stats",
        frame="https://player.vimeo.com/video/42",
    ),
    Tracker(
        "gmaps",
        "marketing",
        "https://maps.googleapis.com/maps/api/js?key=42",
        ("maps.googleapis.com", "maps.gstatic.com", "maps.google.com"),
        "https://maps.googleapis.com/maps/api/mapsjs/gen_204",
        frame="https://www.google.com/maps/embed?pb=42",
        paths=("www.google.com/maps/",),
    ),
    Tracker(
        "gfonts",
        "functional",
        "https://fonts.googleapis.com/css2?family=Roboto",
        ("fonts.googleapis.com", "fonts.gstatic.com"),
        more="https://fonts.gstatic.com/s/roboto/v42/roboto.woff2",
        sheet=True,
    ),
    Tracker(
        "recaptcha",
        "functional",
        "https://www.google.com/recaptcha/api.js",
        ("www.recaptcha.net",),
        "https://www.google.com/recaptcha/api2/clr",
        local=("_grecaptcha",),
        more="https://www.gstatic.com/recaptcha/releases/42/recaptcha__nl.js",
        paths=("www.google.com/recaptcha/", "www.gstatic.com/recaptcha/"),
    ),
    Tracker(
        "xads",
        "marketing",
        "https://static.ads-twitter.com/uwt.js",
        ("static.ads-twitter.com", "analytics.twitter.com"),
        "https://analytics.twitter.com/1/i/adsct?txn_id=42",
        cookies=("_twclid",),
        pixel="https://t.co/i/adsct?txn_id=42",
        paths=("t.co/i/adsct",),
    ),
    Tracker(
        "tiktok",
        "marketing",
        "https://analytics.tiktok.com/i18n/pixel/events.js?sdkid=42",
        ("analytics.tiktok.com",),
        "https://analytics.tiktok.com/api/v2/pixel",
        cookies=("_ttp", "_tt_enable_cookie", "ttcsid_42"),
    ),
    Tracker(
        "pinterest",
        "marketing",
        "https://s.pinimg.com/ct/core.js",
        ("s.pinimg.com", "ct.pinterest.com"),
        "https://ct.pinterest.com/v3/?tid=42",
        cookies=("_pin_unauth", "_derived_epik"),
        pixel="https://ct.pinterest.com/v3/?event=init&tid=42&noscript=1",
    ),
    Tracker(
        "hubspot",
        "marketing",
        "https://js.hs-scripts.com/42.js",
        ("hs-scripts.com", "hs-analytics.net", "hubspot.com"),
        "https://track.hubspot.com/__ptq.gif?a=42",
        cookies=("__hstc", "hubspotutk", "__hssc", "__hssrc"),
        more="https://js.hs-analytics.net/analytics/42/42.js",
    ),
    Tracker(
        "matomo",
        "analytics",
        "https://cdn.matomo.cloud/klantpad.matomo.cloud/matomo.js",
        ("matomo.cloud",),
        "https://klantpad.matomo.cloud/matomo.php",
        cookies=("_pk_id.42.1f", "_pk_ses.42.1f"),
    ),
    Tracker(
        "plausible",
        "analytics",
        "https://plausible.io/js/script.js",
        (),
        "https://plausible.io/api/event",
        paths=("plausible.io/js/", "plausible.io/api/event"),
    ),
    Tracker(
        "zendesk",
        "functional",
        "https://static.zdassets.com/ekr/snippet.js?key=42",
        ("zdassets.com", "zendesk.com", "zopim.com"),
        "https://ekr.zdassets.com/compose/42",
        cookies=("__zlcmid",),
        local=("ZD-suid", "ZD-buid"),
    ),
    Tracker(
        "crisp",
        "functional",
        "https://client.crisp.chat/l.js",
        ("crisp.chat", "crisp.im"),
        "https://client.relay.crisp.chat/w/42",
        cookies=("crisp-client%2Fsession%2F42",),
    ),
    Tracker(
        "sentry",
        "functional",
        "https://browser.sentry-cdn.com/8.0.0/bundle.min.js",
        ("sentry-cdn.com", "ingest.sentry.io"),
        "https://o42.ingest.sentry.io/api/42/envelope/",
    ),
)

ALL = (*JOURNEYS, *OTHERS)
EMBEDDED = ("youtube", "vimeo", "gmaps", "calendly", "typeform")
BY_ID = {tracker.id: tracker for tracker in ALL}
IDS = {tracker.id for tracker in JOURNEYS}
CATEGORIES = ("functional", "analytics", "marketing")


def of(category: str) -> set[str]:
    """The ids of the journeys trackers in one category."""
    return {tracker.id for tracker in JOURNEYS if tracker.category == category}


def names(ids: set[str]) -> set[str]:
    """All first-party cookies and storage keys that these trackers leave behind."""
    return {name for tracker in ALL if tracker.id in ids for name in tracker.names}


@cache
def owner(host: str, path: str) -> str | None:
    """Whose address it is; of a host that several share the longest match says so."""
    found = [(len(part), tracker.id) for tracker in ALL for part in tracker.paths if f"{host}{path}".startswith(part)]
    found += [
        (len(own), tracker.id) for tracker in ALL for own in tracker.hosts if host == own or host.endswith("." + own)
    ]
    return max(found, default=(0, None))[1]
