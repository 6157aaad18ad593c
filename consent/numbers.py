"""Numbers as people, addresses and forms write them."""

import re
from typing import Final

_NUMBER: Final = re.compile("[0-9]{1,9}")  # what fits a 32-bit column on PostgreSQL; int() reads far more than digits


def number(text: str) -> int | None:
    """The number that a text of one to nine ASCII digits says; None for every other text."""
    return int(text) if _NUMBER.fullmatch(text) else None
