"""Time zones: an organisation's days begin and end where it is, also on the two days a year that are not 24 hours."""

from datetime import UTC, date, datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

USUAL_ZONE = ZoneInfo("Europe/Amsterdam")


@cache
def names() -> frozenset[str]:
    """The names that an organisation's zone can have: places (Europe/Amsterdam), and UTC."""
    return frozenset(name for name in available_timezones() if "/" in name and not name.startswith("Etc/")) | {"UTC"}


@cache
def zone(name: str) -> ZoneInfo:
    """The zone with this name; one that is gone from the tables since it was chosen counts as the usual one."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return USUAL_ZONE


def day_of(at: datetime, where: ZoneInfo) -> date:
    """The day that it is there at this moment."""
    return at.astimezone(where).date()


def today(where: ZoneInfo) -> date:
    """Today, there."""
    return day_of(datetime.now(UTC), where)
