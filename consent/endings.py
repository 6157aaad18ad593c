"""The end of an experiment: the banner of the variant that is kept becomes a version, and the experiment goes.

    end(site, "summer", "b", now, by)  publishes what is published now with b's words and look, and nothing else
    keep(site, "summer", "b", by)      puts them in the draft, where that has other changes to look at first
"""

from datetime import datetime
from typing import Any

from consent import audit, experiments, history, sites, versions
from consent.sites import NotFound, Site
from consent.versions import Version


class Pending(Exception):
    """The draft has changes of its own, which would be published with it."""


def end(site: Site, name: str, variant: str, now: datetime, by: audit.By) -> Version:
    """Publish this variant of the running experiment; the first is the banner as it was. The caller commits.

    The reasons that the version has for what the check found are kept. Raises NotFound when it does not run or has no
    such variant, Pending, sites.Stale, linter.Blocked, linter.Unexplained and ValidationError.
    """
    version = _current(site, name, variant)
    if versions.pending(site, version):
        raise Pending
    keep(site, name, variant, by)
    return versions.publish(site, now, by, _reasons(version, variant))[0]


def keep(site: Site, name: str, variant: str, by: audit.By) -> None:
    """Put the words and the look of this variant of the running experiment in the draft, without the experiment.

    The caller commits. Raises NotFound, sites.Stale and DefinitionError.
    """
    published = history.definition_of(_current(site, name, variant))
    made = experiments.as_variant({**site.draft, "experiment": published["experiment"]}, variant)
    sites.change(site, sites.parse_definition(made), site.revision, by)


def _current(site: Site, name: str, variant: str) -> Version:
    version = history.current(site)
    found: Any = experiments.experiment_of(history.definition_of(version)) if version else None
    if version is None or found is None or found["id"] != name:
        raise NotFound("This experiment does not run.")
    if variant not in [one["id"] for one in found["variants"]]:
        raise NotFound("There is no such variant.")
    return version


def _reasons(version: Version, variant: str) -> dict[str, str]:
    """The reasons of the version; those for this variant by where it stands now."""
    inside = f":{experiments.path_of(variant)}."
    return {key.replace(inside, ":"): reason for key, reason in (version.reasons or {}).items()}
