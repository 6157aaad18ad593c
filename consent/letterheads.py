"""Mails of several parts: the text, and the same as a page (templates/mail). Each is whole without the other."""

import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from flask import current_app
from flask_babel import force_locale

WIDTH: Final = 72
LOCALES: Final = {"nl": "nl_NL", "en": "en_GB"}  # as on the pages


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """What is said within is said in this language."""
    with force_locale(LOCALES[language]):
        yield


def page(template: str, **values: Any) -> str:
    """The HTML of a mail. Not by render_template: there is no request, nor anybody signed in."""
    found: str = current_app.jinja_env.get_template(f"mail/{template}").render(**values)
    return found


def wrapped(text: str, first: str = "", further: str = "") -> str:
    """A paragraph in lines as mail programs quote them; an address stays on one line."""
    if "://" in text:
        return first + text
    return textwrap.fill(" ".join(text.split()), WIDTH, initial_indent=first, subsequent_indent=further,
                         break_long_words=False, break_on_hyphens=False)


def listed(items: Iterable[str]) -> str:
    """A list, an item on each line."""
    return "\n".join(wrapped(item, "- ", "  ") for item in items)
