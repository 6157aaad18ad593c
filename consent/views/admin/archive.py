"""The versions of a site, bringing one back, and the tag, for programs."""

from datetime import UTC, datetime

from flask import Response, current_app
from marshmallow import fields, validate
from sqlalchemy.exc import IntegrityError

from consent import history, sites, tags
from consent.db import writing
from consent.keys import ApiKey
from consent.records import invalid
from consent.sites import Site
from consent.views.admin.doors import PageSchema, answer, body, by, needs, query, revision, stale, views
from consent.views.admin.publishing import PUBLISH, explained, made


class VersionsPageSchema(PageSchema):
    """A page of the versions: those before one, newest first."""

    before = fields.Integer(load_default=None, validate=validate.Range(1, history.HIGHEST - 1))


_PAGE = VersionsPageSchema()


@views.get("/sites/<site>/versions")
@needs("read")
def list_versions(key: ApiKey, site: Site) -> Response:
    """The versions of a site, newest first, with who made each and why its findings are right."""
    page = query(_PAGE)
    found = history.listed(site, page["before"], page["limit"] + 1)
    shown = found[:page["limit"]]
    return answer({"versions": [made(row) for row in shown], "next": shown[-1].number if shown != found else None})


@views.get("/sites/<site>/versions/<int:number>")
@needs("read")
def show_version(key: ApiKey, site: Site, number: int) -> Response:
    """One version with all that it froze."""
    version = history.version_of(site, number)
    return answer({**made(version), "snapshot": history.snapshot_of(version)})


@views.post("/sites/<site>/versions/<int:number>/restore")
@needs("publish", "write")
def restore_version(key: ApiKey, site: Site, number: int) -> Response:
    """Publish an old version as a new one; the draft becomes the same, so If-Match names the one that was read."""
    asked, expected = body(PUBLISH), revision()
    try:
        with writing(), explained():
            version, new = history.restore(site, number, expected, datetime.now(UTC), by(key), asked["reasons"])
            where = f"/v1/admin/sites/{site.key}/versions/{version.number}"
            return answer(made(version), 201 if new else 200, Location=where)
    except (sites.Stale, IntegrityError) as error:
        raise stale() from error
    except sites.DefinitionError as error:
        raise invalid({f"definition.{path}": text for path, text in error.faults.items()}) from error


@views.get("/sites/<site>/tag")
@needs("read")
def show_tag(key: ApiKey, site: Site) -> Response:
    """What the owner puts on the site's pages, in every form that it has."""
    url = current_app.extensions["poort.settings"].public_url
    return answer({
        "plain": sites.snippet(site, url), "pinned": tags.pinned(site, url),
        "auto": sites.snippet(site, url, auto=True), "wordpress": tags.wordpress(site, url),
        "nginx": tags.nginx(site, url), "declaration": sites.declaration_snippet(site, url),
        "durable": tags.durable(url),
    })
