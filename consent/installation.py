"""Whether Poort's tag is on a page as it should be: what the page is asked, and the checklist that follows."""

import json
import re
from contextlib import suppress
from html import unescape
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

from consent.sightings import Sightings

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Response
    from playwright.sync_api import Page as Tab

OK, WRONG, ADVICE, UNSURE = "ok", "wrong", "advice", "unsure"
# In this order on the list.
CHECKS: Final = (
    "page", "tag", "site", "runs", "version", "banner", "first", "integrity", "policy", "alone", "nothing_before",
)
SCRIPT: Final = re.compile(r"/banner/(?:v1/poort|([a-z0-9-]{1,63}))\.js(?:[?#]|$)")
_TAG: Final = re.compile(r"<script\b[^>]*?\bsrc\s*=\s*[\"']?([^\"'\s>]+)[^>]*>", re.I)
_DATA_SITE: Final = re.compile(r"\bdata-site\s*=\s*[\"']?([a-z0-9-]+)", re.I)
_VERSION: Final = re.compile(r"[\"']?version[\"']?:(\d+)")
MOST_NOTED: Final = 50

# Scripts that run: those that Poort or another platform holds back do not.
FACTS: Final = r"""() => {
  const runs = (script) => !script.type || /javascript|module/.test(script.type);
  const all = [...document.querySelectorAll("script")].filter(runs);
  const ours = all.filter((script) => /\/banner\/(?:v1\/poort|[a-z0-9-]+)\.js(?:[?#]|$)/.test(script.src)
    && !/declaration\.js/.test(script.src));
  let site = null;
  const ready = !!window.Poort && typeof window.Poort.getConsent === "function";
  try { site = ready ? String(window.Poort.getConsent().site) : null; } catch {}
  return {ready, site, tags: ours.slice(0, 5).map((script) => ({
    src: script.src.slice(0, 300), integrity: script.integrity.slice(0, 200), site: script.dataset.site || null,
    auto: "auto" in script.dataset, head: document.head.contains(script), before: all.indexOf(script),
  }))};
}"""


class Expected(NamedTuple):
    """What a page of the site should have. `asks`: whether the published version asks for consent at all."""

    site: str
    url: str
    version: int | None
    asks: bool


class Clues:
    """What the browser says beside its requests: the console's complaints, our script and what it sends."""

    def __init__(self) -> None:
        self._complaints: list[str] = []
        self._scripts: list[Response] = []
        self._shown: int | None = None

    def listen(self, tab: "Tab") -> None:
        """From now on."""
        tab.on("console", self._heard)
        tab.on("response", self._answered)

    def _heard(self, message: "ConsoleMessage") -> None:
        if message.type == "error" and len(self._complaints) < MOST_NOTED:
            self._complaints.append(message.text[:500])

    def _answered(self, response: "Response") -> None:
        if len(self._scripts) < MOST_NOTED and (SCRIPT.search(response.url) or "/config?" in response.url):
            self._scripts.append(response)

    def asked(self, request: dict[str, Any]) -> None:
        """A request of the page; the one that counts the banner says which version is shown."""
        if re.search(r"/v1/sites/[a-z0-9-]+/events$", request["url"]):
            with suppress(ValueError, TypeError, KeyError):
                self._shown = int(json.loads(request.get("postData") or "{}")["version"])

    def facts(self) -> dict[str, Any]:
        """What it comes to."""
        statuses = [response.status for response in self._scripts if SCRIPT.search(response.url)]
        return {"complaints": self._complaints, "statuses": statuses, "version": self._shown or self._baked()}

    def _baked(self) -> int | None:
        """The version in the script itself, or in what it fetched."""
        from playwright.sync_api import Error

        for response in self._scripts:
            with suppress(Error, UnicodeDecodeError):
                if found := _VERSION.search(response.text()):
                    return int(found[1])
        return None


class Check(NamedTuple):
    """A line of the list: `state` is ok, wrong, advice or unsure; `detail` what was found, if that helps."""

    check: str
    state: str
    detail: str = ""


def checklist(seen: Sightings, leaks: int, expected: Expected) -> list[Check]:
    """All checks of a page that a browser has looked at."""
    first = seen.pages[0]
    if first.status is None or first.status >= 400:
        told = first.error or str(first.status)
        return [Check("page", WRONG, told), *(Check(name, UNSURE) for name in CHECKS[1:])]
    tags = _tags(seen.facts, expected)
    return [
        Check("page", OK),
        Check("tag", OK if tags else WRONG, tags[0]["src"] if tags else ""),
        _site(seen.facts, tags, expected),
        Check("runs", OK if seen.facts.get("ready") else WRONG, _status(seen.facts)),
        _version(seen.facts.get("version"), expected),
        _banner(seen.facts, expected),
        _first(tags),
        _integrity(seen.facts, tags),
        _policy(seen.facts, expected),
        _alone(seen),
        Check("nothing_before", WRONG if leaks else OK, str(leaks) if leaks else ""),
    ]


def _tags(facts: dict[str, Any], expected: Expected) -> list[dict[str, Any]]:
    """Poort's tags in the page; those of the expected address first."""
    found = list(facts.get("tags", ()))
    return sorted(found, key=lambda tag: not tag["src"].startswith(f"{expected.url}/"))


def _named(tag: dict[str, Any]) -> str | None:
    found = SCRIPT.search(tag["src"])
    return (found[1] if found else None) or tag["site"]


def _site(facts: dict[str, Any], tags: list[dict[str, Any]], expected: Expected) -> Check:
    named = facts.get("site") or (_named(tags[0]) if tags else None)
    if named is None:
        return Check("site", UNSURE)
    return Check("site", OK if named == expected.site else WRONG, named)


def _status(facts: dict[str, Any]) -> str:
    bad = [status for status in facts.get("statuses", ()) if status >= 400]
    return str(bad[0]) if bad else ""


def _version(found: int | None, expected: Expected) -> Check:
    if expected.version is None:
        return Check("version", WRONG)
    if found is None:
        return Check("version", UNSURE)
    # A cache may keep the script for some minutes after a publication: that is no fault of the page.
    return Check("version", OK if found == expected.version else ADVICE, str(found))


def _banner(facts: dict[str, Any], expected: Expected) -> Check:
    if not facts.get("ready"):
        return Check("banner", UNSURE)
    if bool(facts.get("banner")) == expected.asks:
        return Check("banner", OK, "shown" if expected.asks else "hidden")
    return Check("banner", WRONG, "hidden" if expected.asks else "shown")


def _first(tags: list[dict[str, Any]]) -> Check:
    """Before all others it has to be where it holds back what nobody tagged; elsewhere that is the quickest."""
    if not tags:
        return Check("first", UNSURE)
    tag = tags[0]
    if tag["head"] and tag["before"] == 0:
        return Check("first", OK)
    return Check("first", WRONG if tag["auto"] else ADVICE, str(tag["before"]))


def _integrity(facts: dict[str, Any], tags: list[dict[str, Any]]) -> Check:
    broken = [text for text in facts.get("complaints", ()) if "integrity" in text and SCRIPT.search(_quoted(text))]
    if broken:
        return Check("integrity", WRONG)
    if not tags:
        return Check("integrity", UNSURE)
    return Check("integrity", OK, "used" if tags[0]["integrity"] else "")


def _quoted(text: str) -> str:
    """The address that a complaint of the browser is about."""
    found = re.search(r"'(https?://[^']+)'", text)
    return found[1] if found else ""


def _policy(facts: dict[str, Any], expected: Expected) -> Check:
    host = urlsplit(expected.url).netloc
    for text in facts.get("complaints", ()):
        if "Content Security Policy" in text and (host in text or SCRIPT.search(_quoted(text))):
            found = re.search(r"directive: \"?([a-z-]+)", text)
            return Check("policy", WRONG, found[1] if found else "")
    return Check("policy", OK)


def _alone(seen: Sightings) -> Check:
    others = [name for name in seen.platforms if name != "poort"]
    return Check("alone", WRONG if others else OK, ", ".join(others))


def plain_checklist(status: int | None, error: str, html: str, expected: Expected) -> list[Check]:
    """What the page's HTML alone can tell. A tag that is not in it may still come from a tag manager."""
    if status is None or status >= 400:
        return [Check("page", WRONG, error or str(status)), *(Check(name, UNSURE) for name in CHECKS[1:])]
    tags = [(unescape(found[1]), found[0]) for found in _TAG.finditer(html) if SCRIPT.search(unescape(found[1]))]
    known = {"page": Check("page", OK), "tag": Check("tag", UNSURE if "googletagmanager.com" in html else WRONG)}
    if tags:
        tag = min(tags, key=lambda one: not one[0].startswith(f"{expected.url}/"))
        data = _DATA_SITE.search(tag[1])
        named = (SCRIPT.search(tag[0]) or [None, None])[1] or (data[1] if data else None)
        known["tag"] = Check("tag", OK, tag[0][:300])
        known["site"] = Check("site", OK if named == expected.site else WRONG, named or "")
    return [known.get(name, Check(name, UNSURE)) for name in CHECKS]
