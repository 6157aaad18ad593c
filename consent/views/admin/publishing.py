"""Check, compare and publish, for programs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from flask import Response, request
from marshmallow import RAISE, Schema, ValidationError, fields, validate
from sqlalchemy.exc import IntegrityError

from consent import linter, sites, versions
from consent.db import db, iso, writing
from consent.keys import ApiKey
from consent.linter import Finding
from consent.records import Refused, invalid
from consent.shapes import plain_text
from consent.sites import Site, flatten
from consent.versions import Version
from consent.views.admin.doors import answer, body, by, needs, plain_body, revision, stale, views


class PublishSchema(Schema):
    """The body of publishing. Every soft finding needs a reason, which the version keeps, by `RULE:path`."""

    class Meta:
        unknown = RAISE

    reasons = fields.Dict(
        keys=fields.String(validate=validate.Length(1, 200)), values=plain_text(linter.LONGEST_REASON),
        load_default=dict, validate=validate.Length(max=1_000))


PUBLISH = PublishSchema()


@views.post("/check")
@needs("read")
def check_definition(key: ApiKey) -> Response:
    """Hold a definition against the rules of the law, whether it is a site's or not; nothing is stored."""
    data = plain_body()
    try:
        definition = sites.parse_definition({"organisation": key.organisation.name, **data})
    except sites.DefinitionError as error:
        return _checked(*linter.refused(error.faults))
    return _checked(linter.check(definition))


@views.get("/sites/<site>/check")
@needs("read")
def check_draft(key: ApiKey, site: Site) -> Response:
    """Hold the draft of a site against the rules of the law."""
    return _checked(linter.check(site.draft))


def _checked(findings: Sequence[Finding], faults: dict[str, str] | None = None) -> Response:
    return answer({
        "publishable": not faults and not any(found.hard for found in findings),
        "findings": [{"key": found.key, **found.as_json()} for found in findings],
        "faults": faults or {},
    })


@views.get("/sites/<site>/changes")
@needs("read")
def show_changes(key: ApiKey, site: Site) -> Response:
    """What publishing the draft would change, and what of it asks visitors again."""
    try:
        digest, found = versions.preview(site)
    except ValidationError as error:
        raise outdated(error) from error
    current = db.session.get(Version, (site.key, site.current)) if site.current else None
    return answer({
        "site": site.key, "revision": site.revision, "current": site.current, "digest": digest,
        "pending": current is None or digest != current.digest, "changes": [change.as_json() for change in found],
    })


@views.post("/sites/<site>/versions")
@needs("publish")
def publish_draft(key: ApiKey, site: Site) -> Response:
    """Publish the draft as the next version; what is published already stays as it is. With If-Match just the revision
    that was checked.
    """
    asked = body(PUBLISH)
    expected = revision() if request.headers.get("If-Match") else None
    try:
        return _publish(key, site, expected, asked["reasons"])
    except IntegrityError:  # of two who publish at once the second finds it done
        return _publish(key, site, expected, asked["reasons"])


def _publish(key: ApiKey, site: Site, expected: int | None, reasons: dict[str, str]) -> Response:
    with writing(), explained():
        if expected not in (None, site.revision):
            raise stale()
        version, new = versions.publish(site, datetime.now(UTC), by(key), reasons)
        return answer(made(version), 201 if new else 200, Location=f"{request.path}/{version.number}")


@contextmanager
def explained() -> Iterator[None]:
    """Say why something is not published; raises Refused."""
    try:
        yield
    except linter.Blocked as error:
        raise Refused(409, "blocked", "Nothing was published: this breaks the law. Change it first.",
                      _told(error.findings)) from error
    except linter.Unexplained as error:
        raise Refused(422, "unexplained", "Nothing was published: change this, or give a reason in `reasons`.",
                      {f"reasons.{path}": text for path, text in _told(error.findings).items()}) from error
    except ValidationError as error:
        raise outdated(error) from error


def _told(findings: Sequence[Finding]) -> dict[str, str]:
    return {found.key: f"{found.what['en']} {found.mend['en']}" for found in findings}


def outdated(error: ValidationError) -> Refused:
    """The catalogue of a newer Poort may refuse what an older one took."""
    return invalid({f"definition.{path}": text for path, text in flatten(error.messages).items()})


def made(version: Any) -> dict[str, Any]:
    """A version without what it froze; `version` is one, or a row of a list of them."""
    return {
        "number": version.number, "digest": version.digest, "published_at": iso(version.published_at),
        "via": version.via, "published_by": version.published_by, "restored": version.restored,
        "reasons": version.reasons or {}, "changes": version.changes,
    }
