"""The consent platforms that a scan knows when it sees them, and where the buttons of their banners are. Pure data.

A platform that is not here is looked at as a page without one: what loads before any choice is seen all the same.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from consent.patterns import in_domain


class Platform(NamedTuple):
    """`hosts` it is served from, `globals` and `elements` it leaves in a page; its buttons as CSS selectors.

    `reopen` is what opens its settings again, as a statement in the page, and `off`, then, the button of all off;
    `undo` is a statement that takes a consent back by itself.
    """

    id: str
    name: str
    hosts: tuple[str, ...] = ()
    globals: tuple[str, ...] = ()
    elements: str = ""
    accept: str = ""
    reject: str = ""
    reopen: str = ""
    off: str = ""
    banner: str = ""
    undo: str = ""


POORT: Final = Platform(
    "poort", "Poort", (), ("Poort",), "#poort-banner", "#poort-accept-all", "#poort-reject-all",
    "window.Poort.showPreferences()", '[data-poort="withdraw"]', '[data-poort="banner"]',
)
OTHERS: Final = (
    Platform(
        "cookieconsent", "CookieConsent", (), (), "#cc-main", "#cc-main .cm [data-role=all]",
        "#cc-main .cm [data-role=necessary]", banner="#cc-main .cm", undo="window.CookieConsent.acceptCategory([])"),
    Platform(
        "klaro", "Klaro", ("cdn.kiprotect.com",), ("klaro",), ".klaro", ".klaro .cookie-notice .cm-btn-success",
        ".klaro .cookie-notice .cn-decline", banner=".klaro .cookie-notice",
        undo="var all = window.klaro.getManager(); all.changeAll(false); all.saveAndApplyConsents()"),
    Platform(
        "cookiebot", "Cookiebot", ("cookiebot.com", "cookiebot.eu"), ("Cookiebot",), "#CybotCookiebotDialog",
        "#CybotCookiebotDialogBodyLevelButtonLevelOptinAllowAll", "#CybotCookiebotDialogBodyButtonDecline",
        banner="#CybotCookiebotDialog", undo="window.Cookiebot.withdraw()"),
    Platform(
        "onetrust", "OneTrust", ("cookielaw.org", "onetrust.com"), ("OneTrust",), "#onetrust-consent-sdk",
        "#onetrust-accept-btn-handler", "#onetrust-reject-all-handler", banner="#onetrust-banner-sdk",
        undo="window.OneTrust.RejectAll()"),
    Platform(
        "usercentrics", "Usercentrics", ("usercentrics.eu",), ("UC_UI",), "#usercentrics-root",
        "#usercentrics-root [data-testid=uc-accept-all-button]", "#usercentrics-root [data-testid=uc-deny-all-button]",
        banner="#usercentrics-root [data-testid=uc-default-banner]", undo="window.UC_UI.denyAllConsents()"),
    Platform(
        "didomi", "Didomi", ("privacy-center.org", "didomi.io"), ("Didomi",), "#didomi-host",
        "#didomi-notice-agree-button", "#didomi-notice-disagree-button", banner="#didomi-notice",
        undo="window.Didomi.setUserDisagreeToAll()"),
    Platform(
        "complianz", "Complianz", (), ("complianz",), ".cmplz-cookiebanner", ".cmplz-cookiebanner .cmplz-accept",
        ".cmplz-cookiebanner .cmplz-deny", banner=".cmplz-cookiebanner", undo="window.cmplz_deny_all()"),
    Platform(
        "cookieyes", "CookieYes", ("cdn-cookieyes.com",), ("getCkyConsent",), ".cky-consent-container",
        ".cky-consent-container .cky-btn-accept", ".cky-consent-container .cky-btn-reject",
        banner=".cky-consent-container", undo="window.performBannerAction('reject')"),
    Platform(
        "iubenda", "iubenda", ("iubenda.com",), ("_iub",), "#iubenda-cs-banner", ".iubenda-cs-accept-btn",
        ".iubenda-cs-reject-btn", "window._iub.cs.api.openPreferences()", ".purposes-btn-reject", "#iubenda-cs-banner"),
    Platform(
        "tarteaucitron", "tarteaucitron", (), ("tarteaucitron",), "#tarteaucitronRoot", "#tarteaucitronPersonalize2",
        "#tarteaucitronAllDenied2", banner="#tarteaucitronAlertBig",
        undo="window.tarteaucitron.userInterface.respondAll(false)"),
    Platform(
        "orejime", "Orejime", (), ("orejime", "Orejime"), ".orejime-Env", ".orejime-Button--save",
        ".orejime-Button--decline", banner=".orejime-Banner"),
    Platform("cookiefirst", "CookieFirst", ("cookiefirst.com",), ("CookieFirst",), "#cookiefirst-root"),
    Platform("cookiescript", "CookieScript", ("cookie-script.com",), ("CookieScript",), "#cookiescript_injected"),
    Platform("osano", "Osano", ("osano.com",), ("Osano",), ".osano-cm-window"),
    Platform("termly", "Termly", ("termly.io",), ("Termly",), "#termly-code-snippet-support"),
    Platform("axeptio", "Axeptio", ("axept.io",), ("axeptioSDK",), "#axeptio_overlay"),
    Platform("consentmanager", "consentmanager", ("consentmanager.net",), ("cmp_id",), "#cmpbox"),
    Platform("borlabs", "Borlabs Cookie", (), ("BorlabsCookie",), "#BorlabsCookieBox"),
    Platform("civic", "Cookie Control", ("civiccomputing.com",), ("CookieControl",), "#ccc"),
    Platform("quantcast", "Quantcast Choice", ("quantcast.mgr.consensu.org", "inmobi.com"), (), "#qc-cmp2-container"),
    Platform("sourcepoint", "Sourcepoint", ("privacy-mgmt.com", "sp-prod.net"), ("_sp_",), "[id^=sp_message]"),
    Platform("trustarc", "TrustArc", ("trustarc.com",), ("truste",), "#truste-consent-track"),
)
ALL: Final = (POORT, *OTHERS)
BY_ID: Final = {platform.id: platform for platform in ALL}
# The cookies and keys in which they keep the choice itself (A9).
CHOICES: Final = (
    "poort", "poort_*", "CookieConsent", "CookieConsentBulk*", "OptanonConsent", "OptanonAlertBoxClosed", "cc_cookie",
    "klaro", "orejime", "eupubconsent-v2", "euconsent-v2", "didomi_token", "uc_*", "cmplz_*", "cookieyes-consent",
    "_iub_cs-*", "tarteaucitron", "cookiefirst-consent", "CookieScriptConsent", "osano_consentmanager*",
    "TERMLY_API_CACHE", "axeptio_*", "borlabs-cookie", "CookieControl", "notice_preferences", "notice_gdpr_prefs",
)
# What a page is asked to find out which of them are there.
SIGNS: Final = [[platform.id, list(platform.globals), platform.elements] for platform in ALL]


def serving(hosts: Iterable[str]) -> list[str]:
    """The ids of the platforms that these hosts belong to."""
    found = {platform.id for platform in OTHERS for host in hosts for own in platform.hosts if in_domain(host, own)}
    return sorted(found)


def serves(host: str) -> bool:
    """Whether the host is a consent platform's own."""
    return any(in_domain(host, own) for platform in OTHERS for own in platform.hosts)
