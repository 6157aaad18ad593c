"""The owners' API under /v1/admin: all that the console does, for programs with an API key."""

from consent.views.admin import (  # noqa: F401  # importing them adds their routes
    archive,
    experiment,
    figures,
    gauges,
    organisation,
    publishing,
    sites,
    trackers,
    visitors,
)
from consent.views.admin.doors import register

__all__ = ["register"]
