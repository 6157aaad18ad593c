"""How long a cookie is kept, in the reader's words."""

from flask_babel import get_locale

from consent.lifetimes import in_words


def lifetime(duration: str) -> str:
    """An ISO 8601 duration, `session` or `persistent`, as the catalogue writes it."""
    locale = get_locale()
    return in_words(duration, locale.language if locale else "en")
