"""How many bytes a body may have. What visitors send is small; what owners send may hold a whole definition."""

import re
from typing import Final

from consent.records import LARGEST

_LARGER: Final = (
    (re.compile(r"/(?:v1/admin|console)/.*"), 262_144),
    (re.compile(r"/v1/sites/[^/]+/leaks"), 65_536),  # a browser tells several violations at once
)


def largest(path: str) -> int:
    """The limit at this path."""
    return next((limit for pattern, limit in _LARGER if pattern.fullmatch(path)), LARGEST)
