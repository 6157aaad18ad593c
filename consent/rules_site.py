"""The rules about the site itself: where it is, how long a choice holds, whom it is for."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from consent.gate import OPTIONAL
from consent.rules import LOCAL, Hit, Subject, hit, rule, says, written

SHORTEST_REFUSAL: Final = 180  # days: six months
LONGEST_CONSENT: Final = 395  # thirteen months
YEAR: Final = 365
CLAIM: Final = 395  # retention.CLAIM_DAYS, which is not imported: it stands on versions.py, as this does under it
MOST_ASKED: Final = 60  # trackers that a visitor is asked about, before choosing becomes work


@rule("C6")
def policy_opens(subject: Subject) -> Iterator[Hit]:
    """By the shape of its address; nothing is fetched."""
    url = (subject.definition.get("controller") or {}).get("policy_url", "")
    parts, path = urlsplit(url), "controller.policy_url"
    local = bool(LOCAL.fullmatch(parts.hostname or ""))
    if local and subject.public:
        yield hit("local", path, url=url)
    elif parts.scheme == "http" and not local:
        yield hit("insecure", path, url=url)
    elif parts.path in ("", "/") and not parts.query and not parts.fragment:
        yield hit("home", path, url=url)


@rule("C7")
def not_too_many(subject: Subject) -> Iterator[Hit]:
    """Nobody reads a hundred of them, and the one who chooses has to."""
    number = len(subject.asked)
    if number > MOST_ASKED:
        yield hit("many", "trackers", number=number, most=MOST_ASKED)


@rule("F1")
def refusal_kept(subject: Subject) -> Iterator[Hit]:
    """At least as long as a consent, and half a year."""
    consent, refusal = _days(subject)
    if refusal < consent:
        yield hit("sooner", "refusal_days", refusal=refusal, consent=consent)
    if refusal < SHORTEST_REFUSAL:
        yield hit("short", "refusal_days", refusal=refusal)


@rule("F2")
def consent_ends(subject: Subject) -> Iterator[Hit]:
    """Never over thirteen months."""
    consent, _ = _days(subject)
    if consent > LONGEST_CONSENT:
        yield hit("over", "consent_days", consent=consent)
    elif consent > YEAR:
        yield hit("long", "consent_days", consent=consent)


def _days(subject: Subject) -> tuple[int, int]:
    return subject.definition.get("consent_days", 180), subject.definition.get("refusal_days", 180)


@rule("F3")
def material_asks(subject: Subject) -> Iterator[Hit]:
    """What is materially different about the policy asks those again whom it concerns."""
    policy = subject.definition.get("policy") or {}
    if policy.get("material") and not policy.get("affects"):
        yield hit("nobody", "policy.affects")


@rule("F4")
def only_who_is_concerned(subject: Subject) -> Iterator[Hit]:
    """A policy that is said to change everything asks all refusers again, too."""
    policy = subject.definition.get("policy") or {}
    if policy.get("material") and set(OPTIONAL) <= set(policy.get("affects") or ()):
        yield hit("everybody", "policy.affects")


@rule("F5")
def cookie_kept(subject: Subject) -> Iterator[Hit]:
    """On the site's own domain, and out of others' reach."""
    parents = Counter(".".join(host.split(".")[-2:]) for host in subject.hosts if not LOCAL.fullmatch(host))
    shared = [parent for parent, number in parents.items() if number > 1 and "." in parent]
    if shared and not subject.definition.get("cookie_domain"):
        yield hit("apart", "cookie_domain", domain=shared[0])
    for number, origin in enumerate(subject.definition.get("origins", [])):
        if origin.startswith("http://") and not LOCAL.fullmatch(urlsplit(origin).hostname or ""):
            yield hit("insecure", f"origins.{number}", origin=origin)


@rule("G3")
def forgotten_in_time(subject: Subject) -> Iterator[Hit]:
    """Longer than the default takes a reason of the owner's own."""
    days = subject.definition.get("claim_days", CLAIM)
    if days > CLAIM:
        yield hit("long", "claim_days", days=days)


@rule("H1")
def children_known(subject: Subject) -> Iterator[Hit]:
    """A site that calls itself one for children is one, or says why not."""
    if subject.children:
        return
    name = written("audience", "audience", "nl", _names(subject))
    if word := says("children", name) or says("children", name._replace(language="en")):
        yield hit("looks", "audience", word=word)


def _names(subject: Subject) -> str:
    return " ".join([str(subject.definition.get("name", "")), *(re.sub(r"[.-]", " ", host) for host in subject.hosts)])


@rule("J4")
def basic_mode(subject: Subject) -> Iterator[Hit]:
    """Google's tags load after a choice, not before."""
    if subject.definition.get("google_consent_mode") == "advanced":
        reason = subject.definition.get("google_consent_mode_reason")
        yield hit("advanced", "google_consent_mode", reason=reason)
