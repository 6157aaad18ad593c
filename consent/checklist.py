"""What is left before a site asks its visitors rightly: each step by what there is, not by what somebody ticked."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final, NamedTuple

from sqlalchemy import exists, select

from consent import linter, scans, versions
from consent.counts import DailyCount
from consent.db import db
from consent.sites import Site
from consent.versions import Version

RECENT: Final = timedelta(days=30)
PUBLISH: Final = 3  # the place of this step


class Step(NamedTuple):
    """`name` is what it is about; `n` counts what the text of the step tells, such as findings."""

    name: str
    done: bool
    n: int = 0


def steps(site: Site, version: Version | None, findings: Sequence[linter.Finding], today: date) -> list[Step]:
    """The steps from a new site to one whose banner was seen to work, in the order in which they are done."""
    draft, open_ = site.draft, unanswered(version, findings)
    named = bool(draft["trackers"]) or version is not None  # to publish none says that there are none
    dressed = "texts" in draft or "look" in draft or version is not None
    published = version is not None and not versions.pending(site, version)
    confirmed = installed(site)
    return [
        Step("trackers", named, len(draft["trackers"])),
        Step("banner", dressed),
        Step("check", not open_, len(open_)),
        Step("publish", published, site.current or 0),
        Step("tag", confirmed or _seen(site, today)),
        Step("verify", confirmed),
    ]


def unanswered(version: Version | None, findings: Sequence[linter.Finding]) -> list[linter.Finding]:
    """The findings that nobody gave a reason for when the current version was published."""
    reasons = (version.reasons if version else None) or {}
    return [found for found in findings if found.hard or found.key not in reasons]


def _seen(site: Site, today: date) -> bool:
    """Whether a visitor's browser told of the banner in the last days."""
    recent = exists().where(DailyCount.site == site.key, DailyCount.day > today - RECENT, DailyCount.n > 0)
    return bool(db.session.scalar(select(recent)))


def installed(site: Site) -> bool:
    """Whether the last look has confirmed that the tag runs and that nothing loads before consent."""
    looks = select(scans.Scan.status).where(
        scans.Scan.site == site.key, scans.Scan.kind == scans.INSTALL, scans.Scan.state == scans.DONE)
    return db.session.scalar(looks.order_by(scans.Scan.id.desc()).limit(1)) == 0
