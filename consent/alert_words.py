"""What an alert says to people, in the language of the page or the mail."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from flask_babel import format_date, format_decimal, format_percent, gettext

from consent.alerts import BANNER, RATE, RECORDS, UNKNOWN
from consent.catalogue import CATALOGUE
from consent.marks import mark

TITLES: Final = {
    RATE: mark("Fewer visitors agree than before"), BANNER: mark("The banner is hardly shown any more"),
    RECORDS: mark("Choices could not be stored at once"), UNKNOWN: mark("Unknown trackers on the site"),
}
ADVICE: Final = {
    RATE: mark("Look at what changed in these days: a version of the banner, the site, or where visitors come from."),
    BANNER: mark("See whether the tag is still on the site, and whether the site and Poort can be reached."),
    RECORDS: mark("The banner tries again by itself. Whoever runs Poort looks at the disk, the database and the log."),
    UNKNOWN: mark("Add them to the trackers if they belong there, so that visitors are asked; else take them off."),
}
MEASURES: Final = {
    "accept_all": mark("Accepted all"), "functional": mark("Functional"), "analytics": mark("Analytics"),
    "marketing": mark("Marketing"),
}
LISTED: Final = 10


def title(kind: str) -> str:
    """The alert in a few words."""
    return str(gettext(TITLES[kind]))


def sentences(kind: str, facts: Mapping[str, Any]) -> list[str]:
    """What is known of it."""
    return [str(sentence) for sentence in _SAID[kind](facts)]


def advice(kind: str) -> str:
    """What to do about it."""
    return str(gettext(ADVICE[kind]))


def _rate(facts: Mapping[str, Any]) -> list[str]:
    first, last = _day(facts["from"]), _day(facts["to"])
    when = last if first == last else gettext("%(first)s to %(last)s", first=first, last=last)
    return [
        *(gettext("%(what)s: %(after)s of the banners shown, where it was %(before)s.", what=gettext(MEASURES[name]),
                  after=_percent(pair["after"]), before=_percent(pair["before"]))
          for name, pair in facts["measures"].items()),
        gettext("It is about %(when)s, held against the 28 days before. Chance alone does not do this.", when=when),
    ]


def _banner(facts: Mapping[str, Any]) -> list[str]:
    seen, expected = format_decimal(facts["seen"]), format_decimal(facts["expected"])
    day = _day(facts["day"])
    if facts["since"] is None:
        return [gettext("Shown on %(day)s: %(seen)s times. On this day of earlier weeks: about %(expected)s.", day=day,
                        seen=seen, expected=expected)]
    return [gettext("Shown on %(day)s since %(hour)s: %(seen)s times. At this time of earlier weeks: about"
                    " %(expected)s.", day=day, hour=f"{facts['since']:02}:00", seen=seen, expected=expected)]


def _records(facts: Mapping[str, Any]) -> list[str]:
    return [gettext("%(day)s: %(n)s choices.", day=_day(day), n=format_decimal(n))
            for day, n in sorted(facts["days"].items())[-7:]]


def _unknown(facts: Mapping[str, Any]) -> list[str]:
    names = [CATALOGUE[name]["name"] if name in CATALOGUE else name for name in facts["names"]]
    said = ", ".join(names[:LISTED])
    if len(names) > LISTED:
        return [gettext("%(names)s and %(n)s more.", names=said, n=len(names) - LISTED)]
    return [f"{said}."]


def _percent(pair: list[int]) -> str:
    part, whole = pair
    return str(format_percent(part / whole if whole else 0))


def _day(day: str) -> str:
    return str(format_date(date.fromisoformat(day), "d MMMM"))


_SAID: Final = {RATE: _rate, BANNER: _banner, RECORDS: _records, UNKNOWN: _unknown}
