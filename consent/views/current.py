"""What a view has at hand of the application that serves it."""

from flask import current_app

from consent.hot import Hot


def hot() -> Hot:
    """What answers the calls of every page: versions, keys, limits and the writer."""
    found: Hot = current_app.extensions["poort"]
    return found
