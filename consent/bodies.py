"""The bodies of POST, read in microseconds. Says yes only, and only to what the marshmallow schema takes too.

The schemas in consent/records.py are the reference and the documentation. What is not plainly right is None here, and
the schema says what is wrong with it (or takes it after all). tests/test_bodies.py feeds both the same hostile bodies.
"""

import re
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, TypeVar

from msgspec import UNSET, DecodeError, Meta, Struct, UnsetType
from msgspec.json import Decoder

Identifier = Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
Whole = Annotated[int, Meta(gt=0, lt=2**31)]
Language = Annotated[str, Meta(min_length=2, max_length=8)]
PageGroup = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,64}$")]
Variant = Annotated[str, Meta(pattern="^[a-z0-9-]{1,31}$")]
LONGEST_TOOK: Final = 86_400_000  # ms: a day
Took = Annotated[int, Meta(ge=0, le=LONGEST_TOOK)]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
MOMENT: Final = r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"

T = TypeVar("T")


class Choices(Struct, forbid_unknown_fields=True):
    """Every category, granted or refused."""

    functional: bool
    analytics: bool
    marketing: bool


class Consent(Struct, forbid_unknown_fields=True):
    """The body of `POST /v1/sites/{site}/consents`."""

    id: Identifier
    visitor: Identifier
    version: Whole
    action: Literal["accept_all", "necessary_only", "custom", "withdraw"]
    choices: Choices
    source: Literal["banner", "settings", "api", "import"]
    language: Language
    trackers: dict[Name, bool] | UnsetType = UNSET
    gpc: bool | UnsetType = UNSET
    page_group: PageGroup | UnsetType | None = UNSET
    decided_at: str | UnsetType | None = UNSET
    took: Took | UnsetType | None = UNSET
    variant: Variant | UnsetType | None = UNSET


class Event(Struct, forbid_unknown_fields=True):
    """The body of `POST /v1/sites/{site}/events`."""

    type: Literal["shown", "visit"]
    version: Whole
    language: Language
    page_group: PageGroup | UnsetType | None = UNSET
    again: bool | UnsetType = UNSET
    variant: Variant | UnsetType | None = UNSET
    choices: Choices | UnsetType = UNSET
    trackers: dict[Name, bool] | UnsetType = UNSET


_CONSENT: Final = Decoder(Consent)
_EVENT: Final = Decoder(Event)
_CONSENT_STRINGS: Final = 15  # the names of 7 required fields and 3 categories, and 5 values
_EVENT_STRINGS: Final = 5
_MOMENT: Final = re.compile(MOMENT)


def _decoded(decoder: Decoder[T], body: bytes) -> T | None:
    """What is written plainly: printable ASCII without escapes, in which a sign is what it looks like."""
    if not body.isascii() or b"\\" in body:
        return None
    text = body.decode("ascii")
    try:
        return decoder.decode(text) if text.isprintable() else None
    except DecodeError:
        return None


def _has(body: bytes, strings: int) -> bool:
    """Whether there are so many strings in it and no more: the decoder overlooks a key that is there twice."""
    return body.count(b'"') == 2 * strings


def moment(text: str) -> datetime | None:
    """The moment that is written there, in UTC; None when it is none."""
    if not _MOMENT.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:  # the 31st of February
        return None


def _text(value: str | UnsetType | None) -> tuple[str | None, int]:
    """A text that may be null or left out, and how many strings it takes with its name."""
    if value is UNSET:
        return None, 0
    return (value, 2) if isinstance(value, str) else (None, 1)


def consent(body: bytes) -> dict[str, Any] | None:
    """The decision in `body` as ConsentSchema loads it; None when the schema has to look."""
    found = _decoded(_CONSENT, body)
    if found is None:
        return None
    trackers = {} if found.trackers is UNSET else found.trackers
    page_group, strings = _text(found.page_group)
    decided_at, more = _text(found.decided_at)
    decided = None if decided_at is None else moment(decided_at)
    if decided_at is not None and decided is None:
        return None
    variant, others = _text(found.variant)
    named = [one is not UNSET for one in (found.took, found.trackers, found.gpc)]
    strings += more + others + sum(named) + len(trackers)
    if not _has(body, _CONSENT_STRINGS + strings):
        return None
    return {
        "id": uuid.UUID(found.id), "visitor": uuid.UUID(found.visitor), "version": found.version,
        "action": found.action, "source": found.source, "language": found.language, "choices": _choices(found.choices),
        "trackers": trackers, "gpc": found.gpc is True, "page_group": page_group,
        "decided_at": decided, "took": None if found.took is UNSET else found.took, "variant": variant,
    }


def _choices(found: Choices) -> dict[str, bool]:
    return {"functional": found.functional, "analytics": found.analytics, "marketing": found.marketing}


def event(body: bytes) -> dict[str, Any] | None:
    """The event in `body` as EventSchema loads it; None when the schema has to look."""
    found = _decoded(_EVENT, body)
    if found is None:
        return None
    page_group, strings = _text(found.page_group)
    variant, more = _text(found.variant)
    visit, trackers = found.type == "visit", {} if found.trackers is UNSET else found.trackers
    strings += more + (found.again is not UNSET) + (found.trackers is not UNSET) + len(trackers)
    choices = None if found.choices is UNSET else _choices(found.choices)
    strings += 0 if choices is None else 4
    if not _has(body, _EVENT_STRINGS + strings) or visit != (choices is not None):
        return None
    if (visit and (found.again is True or variant)) or (trackers and not visit):
        return None
    return {
        "type": found.type, "version": found.version, "language": found.language, "page_group": page_group,
        "again": found.again is True, "variant": variant, "choices": choices, "trackers": trackers,
    }
