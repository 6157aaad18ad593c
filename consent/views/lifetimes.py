"""How long a cookie is kept, in the reader's words: P2Y is 2 years."""

import re

from babel.units import format_unit
from flask_babel import get_locale, gettext

_PARTS = re.compile(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_UNITS = ("year", "month", "week", "day", "hour", "minute", "second")


def lifetime(duration: str) -> str:
    """An ISO 8601 duration, `session` or `persistent`, as the catalogue writes it."""
    if duration == "session":
        return str(gettext("until you close the browser"))
    match = _PARTS.fullmatch(duration)
    if match is None:
        return str(gettext("until you delete it"))
    parts = zip(match.groups(), _UNITS, strict=True)
    return ", ".join(format_unit(int(number), unit, locale=get_locale()) for number, unit in parts if number)
