"""The versions of a site: listing them, going back to one, and dropping what a draft changed.

Nothing published is ever changed or taken away: to go back is to publish an old definition under a new number, and
visitors are asked again by the same rules as for any other version.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select

from consent import audit, sites, versions
from consent.accounts import User
from consent.changes import Change
from consent.db import db
from consent.sites import NotFound, Site
from consent.versions import Version

PAGE = 25
HIGHEST = 2**31  # a number in the database


def listed(site: Site, before: int | None = None, most: int = PAGE) -> list[Row[Any]]:
    """The versions, newest first, without their snapshots; those below `before`. `email` is who published it."""
    columns = (Version.number, Version.digest, Version.published_at, Version.via, Version.restored, Version.changes,
               Version.reasons, Version.published_by, User.email)
    query = select(*columns).outerjoin(User, User.id == Version.published_by).where(Version.site == site.key)
    if before is not None:
        query = query.where(Version.number < before)
    return list(db.session.execute(query.order_by(Version.number.desc()).limit(most)))


def numbers(site: Site, most: int = 200) -> list[int]:
    """The numbers of the last versions, newest first."""
    query = select(Version.number).where(Version.site == site.key).order_by(Version.number.desc())
    return list(db.session.scalars(query.limit(most)))


def version_of(site: Site, number: int) -> Version:
    """This version of the site; raises NotFound."""
    found: Version | None = db.session.get(Version, (site.key, number)) if 0 < number < HIGHEST else None
    if found is None:
        raise NotFound("There is no such version.")
    return found


def current(site: Site) -> Version | None:
    """The version that visitors see."""
    return db.session.get(Version, (site.key, site.current)) if site.current else None


def snapshot_of(version: Version) -> dict[str, Any]:
    """All that it froze."""
    found: dict[str, Any] = json.loads(version.snapshot)
    return found


def definition_of(version: Version) -> dict[str, Any]:
    """The definition as it was published."""
    found: dict[str, Any] = snapshot_of(version)["definition"]
    return found


def editor(site: Site) -> str | None:
    """The address of who changed the draft last, if that was a user who is still there."""
    return db.session.scalar(select(User.email).where(User.id == site.edited_by)) if site.edited_by else None


def again(site: Site, number: int) -> dict[str, Any]:
    """The definition of a version as today's schema reads it; raises NotFound, and DefinitionError when it refuses."""
    definition = definition_of(version_of(site, number))
    return sites.parse_definition({**definition, "key": site.key, "organisation": site.organisation.name})


def would_change(site: Site, definition: Mapping[str, Any]) -> list[Change]:
    """What publishing this definition would change against the current version."""
    return versions.changes_of(current(site), versions.freeze(definition))


def restore(
    site: Site, number: int, revision: int, now: datetime, by: audit.By, reasons: Mapping[str, str] | None = None
) -> tuple[Version, bool]:
    """Publish the definition of an old version as a new one, with the draft made the same; also whether it is new.

    `revision` is the site's when the draft was read. The caller commits. Raises NotFound, DefinitionError,
    sites.Stale, linter.Blocked and linter.Unexplained.
    """
    sites.change(site, again(site, number), revision, by)
    return versions.publish(site, now, by, reasons, restored=number)


def discard(site: Site, revision: int, by: audit.By) -> None:
    """Make the draft what is published; raises NotFound when nothing is, DefinitionError, sites.Stale. The caller
    commits.
    """
    sites.change(site, again(site, site.current or 0), revision, by)
