"""How long a cookie is kept, in words: P2Y is 2 years.

The words stand here because CLDR's Dutch, as Babel 2.18 ships it, has none for days and hours.
"""

import re

from consent.banners import texts

_PARTS = re.compile(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_WORDS = {
    "nl": ("jaar/jaar", "maand/maanden", "week/weken", "dag/dagen", "uur/uur", "minuut/minuten", "seconde/seconden"),
    "en": ("year/years", "month/months", "week/weeks", "day/days", "hour/hours", "minute/minutes", "second/seconds"),
}


def in_words(duration: str, language: str) -> str:
    """An ISO 8601 duration, `session` or `persistent`, as the catalogue writes it; `language` is nl or en."""
    match = _PARTS.fullmatch(duration)
    if match is None:
        return str(texts()[language][duration])
    pairs = zip(match.groups(), _WORDS[language], strict=True)
    return ", ".join(f"{number} {words.split('/')[number != '1']}" for number, words in pairs if number)
