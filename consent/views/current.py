"""What a view has at hand of the application that serves it."""

from flask import current_app

from consent.hot import Hot
from consent.versions import Published, settled


def hot() -> Hot:
    """What answers the calls of every page: versions, keys, limits and the writer."""
    found: Hot = current_app.extensions["poort"]
    return found


def numbered(site: str, number: int) -> Published | None:
    """A version of a site by its number, as it was published; None when there is none. Raises Unavailable."""
    return settled(lambda: hot().publications.get(site, number))
