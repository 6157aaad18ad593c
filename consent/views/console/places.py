"""The places of the console: what the bar at the top and the tabs of a site lead to. Shown are those with a page."""

from typing import NamedTuple

from flask import current_app

from consent.marks import mark


class Place(NamedTuple):
    """A page, and what the link to it says."""

    endpoint: str
    name: str
    owners: bool = False  # for owners alone


EVERYWHERE = (
    Place("console.index", mark("Sites")),
    Place("accounts.members", mark("Members")),
    Place("accounts.keys", mark("API keys"), owners=True),
    Place("audit.page", mark("Audit list"), owners=True),
    Place("console.show_jobs", mark("Jobs"), owners=True),
)

OF_A_SITE = (
    Place("console.site", mark("Overview")),
    Place("trackers.page", mark("Trackers")),
    Place("editor.page", mark("Banner")),
    Place("settings.page", mark("Settings")),
    Place("publishing.page", mark("Publish")),
    Place("history.page", mark("Versions")),
    Place("tag.page", mark("Tag")),
    Place("scans.page", mark("Look at the site")),
    Place("reports.page", mark("Report")),
    Place("experiment.page", mark("Experiment")),
    Place("alerts.page", mark("Alerts")),
    Place("leaks.page", mark("Leaks")),
    Place("visitors.page", mark("Visitors"), owners=True),
)


def shown(places: tuple[Place, ...], is_owner: bool) -> list[Place]:
    """The places that there are for this member."""
    there = current_app.view_functions
    return [place for place in places if place.endpoint in there and (is_owner or not place.owners)]


STEPS = {"trackers": "trackers.page", "banner": "editor.page", "check": "publishing.page",
         "publish": "publishing.page", "tag": "tag.page", "verify": "scans.page"}


def of_step(name: str) -> str | None:
    """The endpoint where this step of the checklist is done, if there is one."""
    endpoint = STEPS[name]
    return endpoint if endpoint in current_app.view_functions else None
