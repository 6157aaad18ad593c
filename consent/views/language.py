"""In which language a page speaks: what the address asks (?lang=), else what this session chose, else the browser."""

from collections.abc import Sequence
from urllib.parse import urlencode

from babel import Locale
from flask import Flask, has_request_context, request, session
from flask_babel import Babel, format_decimal, format_percent, get_locale

from consent.accounts import TRANSLATIONS
from consent.sites import LANGUAGES

# Flask-Security's own texts are filed under nl_NL; British dates put the day before the month.
_LOCALES = {"nl": "nl_NL", "en": "en_GB"}


def register(app: Flask) -> None:
    """Give templates `_()`, numbers and dates in the reader's language, and the links to the other one."""
    Babel(app, locale_selector=locale, default_translation_directories=str(TRANSLATIONS))
    app.context_processor(lambda: {"language": language(), "languages": LANGUAGES, "in_language": in_language})
    app.jinja_env.globals["country"] = country
    app.jinja_env.filters.update(whole=format_decimal, share=share, decimal=decimal)


def language() -> str:
    """nl or en."""
    asked = request.args.get("lang", "")
    if asked in LANGUAGES:
        return asked
    chosen = session.get("language")
    return chosen if chosen in LANGUAGES else preferred(LANGUAGES) or LANGUAGES[0]


def preferred(offered: Sequence[str]) -> str | None:
    """The language that the browser likes best, by its first part: en-GB before nl is English."""
    wanted = (tag[:2].lower() for tag in request.accept_languages.values())
    return next((tag for tag in wanted if tag in offered), None)


def locale() -> str:
    """The locale of this request; commands speak English."""
    return _LOCALES[language()] if has_request_context() else _LOCALES["en"]


def remember() -> None:
    """Keep the language that the address asks for. For signed-in pages, which have a session anyway; nobody else
    gets a cookie for it."""
    if request.args.get("lang") in LANGUAGES:
        session["language"] = request.args["lang"]


def in_language(other: str) -> str:
    """The address of this page in another language."""
    values = {**request.args.to_dict(), "lang": other}
    return f"{request.path}?{urlencode(values)}"


def decimal(number: float) -> str:
    """A number with two decimals."""
    return str(format_decimal(number, "#,##0.00"))


def share(part: float | None) -> str:
    """A part of one as a percentage; a dash when there is nothing to take a part of."""
    return "–" if part is None else str(format_percent(part, "#,##0.#%"))


def country(code: str) -> str:
    """The name of a country in the reader's language."""
    return str((get_locale() or Locale("en")).territories.get(code, code))
