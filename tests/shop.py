"""The shop that most tests are about, and the bodies that its visitors send."""

import uuid
from datetime import UTC, datetime
from typing import Any

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

DEFINITION: dict[str, Any] = {
    "key": "shop",
    "name": "Webwinkel",
    "organisation": "Webwinkel B.V.",
    "controller": {
        "name": "Webwinkel B.V.",
        "email": "privacy@shop.example",
        "policy_url": "https://www.shop.example/privacy",
    },
    "origins": ["https://www.shop.example"],
    "cookie_domain": "shop.example",
    "default_language": "nl",
    "languages": ["nl", "en"],
    "trackers": [
        {"id": "ga4"},
        {"id": "hotjar"},
        {"id": "meta"},
        {"id": "intercom", "category": "functional"},
        {
            "id": "own-stats",
            "name": "Own statistics",
            "vendor": "Webwinkel B.V.",
            "country": "NL",
            "category": "analytics",
            "hosts": ["stats.shop.example"],
            "cookies": [{"name": "_own_*", "duration": "P13M"}],
            "purpose": {"nl": "Telt bezoeken.", "en": "Counts visits."},
        },
    ],
    "consent_days": 180,
    "refusal_days": 180,
    "release": "acknowledged",
    "audience": "general",
    "jurisdiction": "NL",
}

CHOICES = {
    "accept_all": {"functional": True, "analytics": True, "marketing": True},
    "necessary_only": {"functional": False, "analytics": False, "marketing": False},
    "withdraw": {"functional": False, "analytics": False, "marketing": False},
    "custom": {"functional": True, "analytics": True, "marketing": False},
}


def body(action: str = "custom", **changes: Any) -> dict[str, Any]:
    """A decision as the banner sends it, with a new id and a new visitor."""
    return {
        "id": str(uuid.uuid4()),
        "visitor": str(uuid.uuid4()),
        "version": 1,
        "action": action,
        "choices": dict(CHOICES[action]),
        "trackers": {},
        "source": "banner",
        "language": "nl",
        "gpc": False,
        "page_group": None,
        **changes,
    }
