"""What a definition's fields and values are called on the console's pages."""

from collections.abc import Mapping
from typing import Any, Final

from flask import g
from flask_babel import gettext

from consent.marks import mark

FIELDS: Final = {
    "name": mark("Name"), "organisation": mark("Organisation"), "key": mark("Key"),
    "controller": mark("Who asks"), "controller.name": mark("Who asks: name"),
    "controller.email": mark("Who asks: e-mail address"), "controller.policy_url": mark("Privacy statement"),
    "controller.address": mark("Who asks: postal address"), "policy": mark("Last revision of the statement"),
    "policy.date": mark("Day of the last revision"), "policy.material": mark("Visitors have to be told"),
    "policy.summary": mark("What changed in the statement"), "policy.summary.nl": mark("What changed, in Dutch"),
    "policy.summary.en": mark("What changed, in English"), "policy.affects": mark("Asks again about"),
    "origins": mark("Origins"), "cookie_domain": mark("Cookie domain"), "languages": mark("Languages"),
    "default_language": mark("Default language"), "trackers": mark("Trackers"), "order": mark("Order of the trackers"),
    "consent_days": mark("Days after consent"), "refusal_days": mark("Days after refusal"),
    "claim_days": mark("Days that proof is kept"), "release": mark("Trackers load"), "audience": mark("Audience"),
    "google_consent_mode": mark("Google consent mode"),
    "google_consent_mode_reason": mark("Reason for the advanced mode"),
    "request_working_days": mark("Working days for a request"), "jurisdiction": mark("Jurisdiction"),
    "experiment": mark("Experiment"), "experiment.variants": mark("Variants"),
    "count_visits": mark("Count visits"), "texts": mark("Texts"), "look": mark("Look"),
}


def field(path: str) -> str:
    """What the field at this path of a definition is called: "Trackers: hotjar, category"."""
    if path in FIELDS:
        return _name(path)
    first, _, rest = path.partition(".")
    name = _name(first) if first in FIELDS else first
    return f"{name}: {rest.replace('.', ', ')}" if rest else name


def _name(path: str) -> str:
    """Translated once in a request: a page can name hundreds of fields."""
    known: dict[str, str] = g.setdefault("field_names", {})
    if path not in known:
        known[path] = str(gettext(FIELDS[path]))
    return known[path]


def value(found: Any) -> str:
    """A value as text: a list with commas, what has fields with their names; a dash for nothing."""
    if found is None or found == [] or found == {}:
        return "–"
    if isinstance(found, bool):
        return str(gettext("yes") if found else gettext("no"))
    if isinstance(found, list):
        return ", ".join(value(each) for each in found)
    if isinstance(found, Mapping):
        return "; ".join(f"{name}: {value(each)}" for name, each in found.items())
    return str(found)
