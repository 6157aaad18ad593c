"""What the reports of scans say, in English; the pages translate it."""

from typing import Any, Final

from flask_babel import gettext

from consent.marks import mark

PHASES: Final = {
    "before": mark("Before any choice"),
    "refused": mark("After refusing"),
    "accepted": mark("After accepting"),
    "withdrawn": mark("After withdrawing"),
    "no_script": mark("Without JavaScript"),
}
RULES: Final = {
    "A1": mark("Nothing stands on the visitor's device without consent, but what is necessary."),
    "A2": mark("No tracker is asked for without consent."),
    "D4": mark("After withdrawing, trackers load no more and what they stored is gone."),
    "K6": mark("Trackers for browsers without script (noscript) wait for consent too."),
    "O2": mark("Nothing happens before a choice that regulators write letters about."),
    "O3": mark("All that was found is known, and visitors are told of it."),
}
WHAT: Final = {
    "request": mark("request"),
    "cookie": mark("cookie"),
    "storage": mark("storage"),
    "host": mark("host"),
}
CATEGORIES: Final = {
    "necessary": mark("necessary"),
    "functional": mark("functional"),
    "analytics": mark("analytics"),
    "marketing": mark("marketing"),
}
UNDONE: Final = {
    "no_banner": mark("The page shows no banner that could be answered."),
    "unknown_banner": mark("This consent platform's buttons are not known."),
    "no_button": mark("The banner's button did not appear."),
    "no_withdrawal": mark("Withdrawing could not be done on this page."),
}
LIMITS: Final = {
    "requests": mark("There were more requests than are told apart; the rest is left out."),
    "hosts": mark("There were more hosts than a report has room for; the rest is left out."),
    "cookies": mark("There were more cookies than a report has room for; the rest is left out."),
    "keys": mark("There were more stored keys than a report has room for; the rest is left out."),
    "egress_bytes": mark("The pages sent more than a scan takes; the rest was cut off."),
    "egress_connections": mark("The pages made more connections than a scan takes; the rest was refused."),
    "egress_seconds": mark("It took longer than a scan may; the rest was refused."),
    "no_sandbox": mark("The browser ran without its sandbox: the system does not let it."),
    "no_browser": mark("There is no browser on the server: only the page's HTML was read."),
    "not_allowed": mark("Not connected to, for it is not on the public internet: %(host)s."),
}
FAILED: Final = {
    "no_browser": mark("There is no browser on the server to look with. Ask whoever runs Poort to install it."),
    "cut_off": mark("The scan was cut off twice and was given up."),
    "time": mark("The pages took longer than ten minutes."),
    "page": mark("One page took longer than a minute and a half: its script does not end."),
    "no_sandbox": mark("The browser has no sandbox on the server. Ask whoever runs Poort to allow it one."),
    "memory": mark("The pages took more memory than a scan may have."),
    "browser": mark("The browser broke off."),
    "broken": mark("Something went wrong on the server; its log says what."),
}
INITIATORS: Final = {
    "script": mark("script"),
    "parser": mark("the page's HTML"),
    "redirect": mark("redirect from"),
    "preload": mark("preload"),
    "connection": mark("a connection made ahead, or a worker"),
    "other": mark("the browser does not tell"),
}
# Why a page could not be opened; anything else is the browser's own word for it.
ERRORS: Final = {
    "address": mark("its address is not on the public internet"),
    "port": mark("only ports 80 and 443 are looked at"),
    "unknown": mark("its name is not known"),
    "unreachable": mark("nobody answers there"),
    "timeout": mark("it took too long"),
    "redirects": mark("it leads elsewhere and elsewhere again"),
}
# For each check its name, and what to say in each state; %(found)s is what was found.
CHECKS: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "page": (mark("The page answers"), {
        "ok": mark("Yes."), "wrong": mark("No: %(found)s. Check the address, and whether the site is reachable.")}),
    "tag": (mark("Poort's tag is on the page"), {
        "ok": mark("Yes: %(found)s"),
        "wrong": mark("No. Copy the tag and put it in the head of every page."),
        "unsure": mark("Not in the HTML; a tag manager may still put it there.")}),
    "site": (mark("It is the tag of this site"), {
        "ok": mark("Yes: %(found)s"), "wrong": mark("No, it is the tag of %(found)s. Copy this site's own tag."),
        "unsure": mark("That could not be seen.")}),
    "runs": (mark("The script runs"), {
        "ok": mark("Yes, window.Poort is ready."),
        "wrong": mark("No. A policy, a wrong checksum or a wrong address keeps it away: see below. %(found)s"),
        "unsure": mark("That takes a browser.")}),
    "version": (mark("It shows the published version"), {
        "ok": mark("Yes, version %(found)s."),
        "wrong": mark("Nothing is published yet. Publish the site first."),
        "advice": mark("It shows version %(found)s. A cache can keep an older one for some minutes; look again later."),
        "unsure": mark("That could not be seen.")}),
    "banner": (mark("Visitors are asked when they should be"), {
        "ok": mark("Yes."), "wrong": mark("No. The banner should be there and is not, or the other way round."),
        "unsure": mark("That could not be seen.")}),
    "first": (mark("The tag stands first in the head"), {
        "ok": mark("Yes."),
        "wrong": mark("No. With data-auto it has to be the first script: what stands before it is not held back."),
        "advice": mark("No. It works there too; first in the head the banner appears sooner."),
        "unsure": mark("That could not be seen.")}),
    "integrity": (mark("The checksum (SRI) is right"), {
        "ok": mark("Nothing is wrong with it."),
        "wrong": mark("No, so the browser refuses the script. Copy the tag again: the script has changed since."),
        "unsure": mark("That could not be seen.")}),
    "policy": (mark("The page's Content-Security-Policy lets it work"), {
        "ok": mark("Yes."),
        "wrong": mark("No, %(found)s keeps it away. Add Poort's address to script-src, connect-src and style-src."),
        "unsure": mark("That takes a browser.")}),
    "alone": (mark("No second consent platform is on the page"), {
        "ok": mark("No other one was seen."),
        "wrong": mark("There is: %(found)s. Take it off the pages; two banners contradict each other."),
        "unsure": mark("That takes a browser.")}),
    "nothing_before": (mark("Nothing loads before consent"), {
        "ok": mark("Right: nothing did."),
        "wrong": mark("No, %(found)s times something did: see the list. Tag it, or hold it back with data-auto."),
        "unsure": mark("That takes a browser.")}),
}
STATES: Final = {
    "ok": mark("right"), "wrong": mark("to mend"), "advice": mark("could be better"), "unsure": mark("not seen"),
}


def check(found: dict[str, Any]) -> tuple[str, str]:
    """The name of a check and its sentence."""
    name, sentences = CHECKS[found["check"]]
    sentence = sentences.get(found["state"]) or UNSEEN
    detail = error(found["detail"]) if found["check"] == "page" else found["detail"]
    return gettext(name), gettext(sentence, found=detail).replace(": .", ".").strip()


def error(found: str | None) -> str:
    """Why a page did not come."""
    return gettext(ERRORS[found]) if found in ERRORS else (found or "–").replace("_", " ")


UNSEEN: Final = mark("That could not be seen.")


def limit(found: str) -> str:
    """A limit in words."""
    kind, _, host = found.partition(" ")
    return gettext(LIMITS[kind], host=host) if kind in LIMITS else found
