"""What the schema of a definition says of a fault, in the reader's language.

The schema speaks English, for files and the API. What is not in this list is shown as it says it.
"""

import re
from collections.abc import Mapping
from typing import Final

from flask_babel import gettext

from consent.marks import mark
from consent.views.console import tracker_words

SAID: Final = (
    mark("Not an origin; write it as the browser does: https://www.shop.example, without a path."),
    mark("Not a web address that starts with https://."),
    mark("Not a day; write it as 2026-11-22."),
    mark("Belongs to a material change: only that asks anybody again (F4)."),
    mark("Names something twice."),
    mark("Use 1 to 63 lower-case letters, digits and hyphens."),
    mark("Must be 1 to 395 days (13 months)."),
    mark("Must be 30 to 1825 days (five years)."),
    mark("Must be 1 to 20 working days."),
    mark("Use a country code of two capitals, such as NL."),
    mark("Is not among the languages."),
    mark("A refusal is remembered at least as long as a consent (F1)."),
    mark("Not a domain such as shop.example; leave it out for one host alone."),
    mark("Says what changed; is needed."),
    mark("Is needed for the advanced mode (J4)."),
    mark("Needs Google's trackers in the list: visitors are told."),
    mark("Belongs to the advanced mode alone."),
    mark("The organisation needs a name of 1 to 200 characters, without blanks around it."),
    mark("There is an organisation with this name already; ask its owner for an invitation."),
    mark("Missing data for required field."),
    mark("Not a valid email address."),
    mark("Not a valid integer."),
    mark("must be plain text on one line, without blanks around it"),
    mark("Unknown field."),
)
_PATTERNS: Final = (
    (r"The origin (?P<origin>\S+) is not within this domain\.",
     mark("The origin %(origin)s is not within this domain.")),
    (r"Length must be between (?P<least>\d+) and (?P<most>\d+)\.",
     mark("Must have %(least)s to %(most)s characters or items.")),
    (r"Must be greater than or equal to (?P<least>\d+) and less than or equal to (?P<most>\d+)\.",
     mark("Must be %(least)s to %(most)s.")),
    (r"[Mm]ust be one of:? (?P<choices>.+?)\.?", mark("Must be one of these: %(choices)s.")),
)


def said(fault: str) -> str:
    """One fault."""
    if fault in SAID or fault in tracker_words.FAULTS:
        return str(gettext(fault))
    for pattern, sentence in _PATTERNS:
        if found := re.fullmatch(pattern, fault):
            return str(gettext(sentence, **found.groupdict()))
    return str(gettext(fault)) if fault else fault


def in_words(faults: Mapping[str, str]) -> dict[str, str]:
    """All of them, by their path."""
    return {path: said(fault) for path, fault in faults.items()}
