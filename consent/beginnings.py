"""How an owner begins: the organisation, and a first definition of a site from an address and a profile.

The profiles are the five definitions of examples/: what they say of firms that do not exist is said of the owner's.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from flask import current_app
from sqlalchemy import select

from consent import audit
from consent.accounts import AccountError, Membership, Organisation, User, create_organisation
from consent.audit import Audit
from consent.db import db
from consent.marks import mark
from consent.sites import KEY, Site

EXAMPLES: Final = Path(__file__).resolve().parent.parent / "examples"
EMPTY, LOOK = "empty", "look"  # what else one begins with than a profile
# What a profile says about its firm, and the owner says otherwise.
_OWN: Final = ("key", "name", "organisation", "controller", "policy", "origins", "cookie_domain", "languages",
               "default_language")
_SECOND_LEVEL: Final = frozenset({"co", "com", "org", "net", "ac", "gov", "edu"})


class Profile(NamedTuple):
    """A kind of firm, and which definition of examples/ stands for it."""

    name: str
    about: str
    key: str  # of the site in the example


PROFILES: Final = {
    "journeys-www": Profile(
        mark("Marketing website"),
        mark("You advertise and measure: Google Analytics, Google Ads, Meta, LinkedIn, Hotjar, and forms and chat of "
             "others."), "journeys-www"),
    "journeys-app": Profile(
        mark("Platform with chat"),
        mark("Customers sign in and work there; Intercom is the only thing of others."), "journeys-app"),
    "erp-www": Profile(
        mark("Website of a software firm"),
        mark("Google Analytics and Google Ads, LinkedIn, and chat with Intercom."), "erp-www"),
    "erp-app": Profile(
        mark("Application behind a login"),
        mark("A session cookie, chat with Intercom, and statistics of your own."), "erp-app"),
    "docs": Profile(
        mark("Business website that recognises visiting firms"),
        mark("Leadinfo, a contact form and page statistics of your own."), "docs"),
    "hours": Profile(
        mark("Only necessary cookies and private statistics"),
        mark("Plausible under the Dutch exemption: nothing to consent to, so no banner appears."), "hours"),
    "integrator": Profile(
        mark("No trackers at all"),
        mark("No banner; visitors get a cookie declaration and a page of their own."), "integrator"),
}


class NotOpen(Exception):
    """This user makes no organisation here: they were a member of one, and nobody signs up by themselves."""


class BadBeginning(Exception):
    """What can not be begun with: the field, and a sentence."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(f"{field}: {sentence}")
        self.field, self.sentence = field, sentence


def found_organisation(user: User, name: str, by: audit.By) -> Organisation:
    """A new organisation with the user as its owner; raises BadBeginning, NotOpen. The caller commits.

    Only for who has none: a member of one is invited to another.
    """
    if user.memberships:
        raise BadBeginning("name", mark("You are a member of an organisation already."))
    if not may_found(user):
        raise NotOpen
    try:
        organisation = create_organisation(user, name)
    except AccountError as error:
        raise BadBeginning("name", str(error)) from error
    audit.note(organisation.id, "organisation.create", by)
    return organisation


def may_found(user: User) -> bool:
    """Whether they may make an organisation: where nobody signs up by themselves, not who was a member of one.

    An account that was made without an organisation was made for that.
    """
    if current_app.extensions["poort.settings"].sign_up:
        return True
    left = Audit.details["member"].as_integer() == user.id
    query = select(Audit.id).where(Audit.what == "member.remove", left)
    return db.session.scalar(query.limit(1)) is None


def owned(user: User) -> list[Organisation]:
    """The organisations that the user may make a site in, by name."""
    query = select(Organisation).join(Membership, Membership.organisation_id == Organisation.id)
    mine = query.where(Membership.user_id == user.id, Membership.role == "owner")
    return list(db.session.scalars(mine.order_by(Organisation.name)))


# What follows from a name and an address -----------------------------------------------------------------------------


def key_for(name: str) -> str:
    """A key that nobody has, from the name: "Café Zó!" is cafe-zo."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:50].strip("-") or "site"
    like = select(Site.key).where((Site.key == stem) | Site.key.startswith(f"{stem}-", autoescape=True))
    taken = set(db.session.scalars(like))
    return next(key for key in (stem, *(f"{stem}-{n}" for n in range(2, len(taken) + 3))) if key not in taken)


def is_free(key: str) -> bool:
    """Whether no site has this key, or it is none: then the definition says what is wrong."""
    return not KEY.fullmatch(key) or db.session.get(Site, key) is None


def where(address: str) -> tuple[list[str], str | None]:
    """The origins that pages at this address have, and the domain that a choice holds for; raises BadBeginning.

        where("shop.example/contact") -> (["https://shop.example", "https://www.shop.example"], "shop.example")
        where("https://app.shop.example") -> (["https://app.shop.example"], None)
    """
    wrong = BadBeginning("address", mark("This is no web address. Write it as www.shop.example."))
    text = address.strip()
    try:
        parts = urlsplit(text if re.match(r"[a-z]+://", text, re.I) else f"https://{text}")
        host, port = (parts.hostname or "").lower(), parts.port
        host = host.encode("idna").decode() if host and not host.isascii() else host
    except ValueError:
        raise wrong from None
    if parts.scheme not in ("https", "http") or not re.fullmatch(r"[a-z0-9.-]+", host):
        raise wrong
    if "." not in host and "://" not in text and host != "localhost":  # a name of an intranet comes with its scheme
        raise wrong
    default = {"https": 443, "http": 80}[parts.scheme]
    tail = f":{port}" if port and port != default else ""
    bare = host.removeprefix("www.")
    if tail or not _has_www(bare):
        return [f"{parts.scheme}://{host}{tail}"], None
    return [f"{parts.scheme}://{bare}", f"{parts.scheme}://www.{bare}"], bare


def _has_www(host: str) -> bool:
    """Whether the host is a domain of its own, which people also reach with www before it."""
    labels = host.split(".")
    if len(labels) < 2 or _is_number(host):
        return False
    return len(labels) == 2 or (len(labels) == 3 and labels[1] in _SECOND_LEVEL and len(labels[2]) == 2)


def _is_number(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


# The first definition ------------------------------------------------------------------------------------------------


@cache
def _examples() -> Mapping[str, Mapping[str, Any]]:
    found: dict[str, Any] = {}
    for file in sorted(EXAMPLES.glob("*.json")):
        read = json.loads(file.read_text(encoding="utf-8"))
        found.update({site["key"]: site for site in (read if isinstance(read, list) else [read])})
    return found


def from_profile(start: str, own: Mapping[str, Any]) -> dict[str, Any]:
    """The definition that says `own` of its site, and for the rest what the profile says; not parsed yet."""
    if start not in PROFILES:
        return {**own, "trackers": []}
    example = _examples()[PROFILES[start].key]
    return {**{name: _said_of(value, example, own) for name, value in example.items() if name not in _OWN}, **own}


def _said_of(value: Any, example: Mapping[str, Any], own: Mapping[str, Any]) -> Any:
    """What the example says of its firm, said of the owner's: the names, and the domain in hosts."""
    if isinstance(value, list):
        return [_said_of(each, example, own) for each in value]
    if isinstance(value, dict):
        return {name: _said_of(each, example, own) for name, each in value.items()}
    if not isinstance(value, str):
        return value
    names = _names(example, own)
    return re.sub("|".join(map(re.escape, names)), lambda found: names[found[0]], value)


def _names(example: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, str]:
    """Each name of the example's firm, and the owner's; the longer ones first."""
    domain = str(urlsplit(example["controller"]["policy_url"]).hostname).removeprefix("www.")
    host = str(urlsplit(next(iter(own["origins"]), "")).hostname or "").removeprefix("www.")
    brand = str(example["organisation"]).split()[0]
    slug = re.sub(r"[^a-z0-9]", "", str(own["key"])) or "site"
    return {
        domain: host, str(example["controller"]["name"]): str(own["controller"]["name"])[:60].strip(),
        brand: str(own["name"])[:40].strip(), brand.lower(): slug,
    }


def has_own(definition: Mapping[str, Any]) -> bool:
    """Whether it lists services of the owner's, whose hosts and cookies the profile can only guess."""
    return any("vendor" in entry for entry in definition["trackers"])
