"""What a user agent says: browser, system, device, and whether it is a program. Nothing else of it is kept (G1)."""

import re
from functools import lru_cache
from typing import Any, Final

import user_agents
from crawleruseragents import is_crawler  # type: ignore[import-untyped]  # has no annotations

from consent.sightings import OWN_NAME

UNKNOWN: Final = "Other"  # a browser or a system of no known family


def _family(text: str) -> str:
    # The parser copies parts of unknown user agents; only what looks like a name is kept.
    return text if re.fullmatch(r"[A-Za-z][A-Za-z0-9 .+-]{0,39}", text) else UNKNOWN


@lru_cache(maxsize=8_192)
def agent(text: str) -> dict[str, Any]:
    """Browser and system family, device class, and whether it says it is a bot. A parse takes a millisecond.

    The parser knows some 500 bots by name, crawler-user-agents the rest and the tools that drive browsers.
    """
    parsed = user_agents.parse(text)
    device = "mobile" if parsed.is_mobile else "tablet" if parsed.is_tablet else "desktop" if parsed.is_pc else "other"
    return {
        "browser": _family(parsed.browser.family),
        "os": _family(parsed.os.family),
        "device": device,
        "bot": bool(parsed.is_bot) or OWN_NAME in text or is_crawler(text),
    }
