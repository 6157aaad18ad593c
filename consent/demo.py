"""The demo: the sites of the `journeys` profile, a shop with the same trackers, its owner, and stand-ins for trackers.

Loading it again changes nothing that is there already.
"""

import json
import os
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from flask_security import hash_password, verify_password

from consent import demo_figures, sites, versions
from consent.accounts import create_user, find_user, organisation_named
from consent.config import INSTANCE
from consent.db import db
from consent.zones import today, zone

PROFILE: Final = Path(__file__).resolve().parent.parent / "examples" / "journeys.json"
LOGIN: Final = INSTANCE / "demo-login"
KEY: Final = "demo"
SHOP: Final = "Kom & Kan"
ORGANISATION: Final = "Demo"
OWNER: Final = "demo@poort.example"

COOKIES_SET: Final = 3  # of each tracker, the first in the catalogue: its best known
SECONDS: Final = {"Y": 31_536_000, "M": 2_592_000, "W": 604_800, "D": 86_400, "TH": 3_600, "TM": 60, "TS": 1}


class Login(NamedTuple):
    """What the demo's owner signs in with."""

    email: str
    password: str


def definitions(public_url: str) -> list[dict[str, Any]]:
    """The profile's sites, and the shop that `/demo/` shows: the same trackers, at Poort's own address."""
    profile: list[dict[str, Any]] = json.loads(PROFILE.read_text(encoding="utf-8"))
    website = next(site for site in profile if site["key"] == "journeys-www")
    controller = {"name": SHOP, "email": "privacy@kom-en-kan.example", "policy_url": f"{public_url}/demo/#privacy"}
    shop = {
        **website, "key": KEY, "name": SHOP, "organisation": ORGANISATION, "controller": controller,
        "origins": [public_url], "cookie_domain": None,
    }
    return [*profile, shop]


def load(public_url: str, now: datetime, login: Path = LOGIN) -> Login:
    """Apply and publish the sites, and make their owner. The caller commits."""
    organisations = set()
    for definition in definitions(public_url):
        site, _ = sites.apply(definition)
        versions.publish(site, now)
        organisations.add(site.organisation.name)
        if site.key == KEY:
            demo_figures.load(db.session.connection(), KEY, site.current or 1, today(zone(site.organisation.time_zone)))
    owner = Login(OWNER, kept_password(login))
    make_owner(owner, sorted(organisations))
    return owner


def kept_password(login: Path) -> str:
    """The password of this install: random, and kept in a file for its user alone, so that every start can print it."""
    try:
        return login.read_text(encoding="utf-8").split()[1]
    except FileNotFoundError:
        return _new_password(login)


def _new_password(login: Path) -> str:
    password = os.urandom(12).hex()
    login.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(login, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(f"{OWNER} {password}\n")
    return password


def make_owner(login: Login, organisations: list[str]) -> None:
    """An owner of these organisations with this password; what is printed at the start has to work."""
    for name in organisations:
        organisation = organisation_named(name)
        user = find_user(login.email)
        if user is None or all(member.organisation_id != organisation.id for member in user.memberships):
            create_user(login.email, login.password, organisation, "owner")
    user = find_user(login.email)
    if user is not None and not verify_password(login.password, user.password):
        user.password = hash_password(login.password)
        db.session.flush()


def welcome(public_url: str, owner: Login) -> str:
    """What the console shows at the start: where to look, and how to sign in."""
    rows = {
        "Start here": f"{public_url}/", "The demo": f"{public_url}/demo/", "The console": f"{public_url}/console/",
        "  e-mail": owner.email, "  password": owner.password,
    }
    return "\n".join(["", "  Poort", *(f"  {name:<12} {value}" for name, value in rows.items()), ""])


# What stands in for a tracker --------------------------------------------------------------------------------------


def stand_in(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the stand-in of a version's tracker leaves behind: well-known first-party cookies, and a storage key."""
    own = [cookie for cookie in row["cookies"] if "domain" not in cookie][:COOKIES_SET]
    return {
        "tracker": row["id"], "name": row["name"],
        "cookies": [{"name": _filled(cookie["name"]), "seconds": seconds(cookie["duration"])} for cookie in own],
        "storage": [{"name": _filled(key["name"]), "kind": key["kind"]} for key in row["storage"][:1]],
    }


def _filled(pattern: str) -> str:
    return pattern.replace("*", "demo")


def seconds(duration: str) -> int | None:
    """How long a cookie lives; None for one that ends with the browser. A month counts 30 days."""
    if duration in ("session", "persistent"):
        return None if duration == "session" else SECONDS["Y"]
    date, _, time = duration.removeprefix("P").partition("T")
    days, clock = (re.findall(r"(\d+)([A-Z])", part) for part in (date, time))
    return sum(int(n) * SECONDS[unit] for n, unit in days) + sum(int(n) * SECONDS[f"T{unit}"] for n, unit in clock)
