"""Sites and their drafts, for programs: list, make, read, replace."""

from typing import Any

from flask import Response, request
from marshmallow import fields
from sqlalchemy.exc import IntegrityError

from consent import sites
from consent.db import iso, writing
from consent.keys import ApiKey, sites_of
from consent.records import Refused, invalid
from consent.shapes import matching
from consent.sites import KEY, Site
from consent.views.admin.doors import PageSchema, answer, by, needs, plain_body, query, revision, stale, views


class SitesPageSchema(PageSchema):
    """A page of the list of sites: those after one."""

    after = fields.String(load_default="", validate=matching(rf"(?:{KEY.pattern})?", "Not the key of a site."))


_PAGE = SitesPageSchema()


@views.get("/sites")
@needs("read")
def list_sites(key: ApiKey) -> Response:
    """The sites that the key opens, by their names, without their definitions."""
    page = query(_PAGE)
    found = sites_of(key, page["after"], page["limit"] + 1)
    shown = found[:page["limit"]]
    return answer({"sites": [summary(site) for site in shown], "next": shown[-1].key if shown != found else None})


@views.post("/sites")
@needs("write", everywhere=True)
def create_site(key: ApiKey) -> Response:
    """Make a site with this definition as its draft. Its organisation is the key's."""
    definition = _definition(key, plain_body())
    try:
        with writing():
            site = sites.create(definition, key.organisation, by(key))
            return _draft(site, 201, Location=f"{request.path}/{site.key}")
    except IntegrityError as error:
        raise Refused(409, "taken", "There is a site with this key; keys are for all organisations of this Poort.",
                      {"key": "Is taken."}) from error


@views.get("/sites/<site>")
@needs("read")
def show_site(key: ApiKey, site: Site) -> Response:
    """The draft of a site, and its revision, by which it is replaced."""
    return _draft(site)


@views.put("/sites/<site>")
@needs("write")
def replace_draft(key: ApiKey, site: Site) -> Response:
    """Replace the draft if it is the one that was read, as If-Match says. The same again changes nothing."""
    expected = revision()
    definition = _definition(key, plain_body(), site.key)
    try:
        with writing():
            if site.revision != expected:
                raise stale()
            if site.draft != definition or site.managed != "api":
                sites.change(site, definition, expected, by(key))
            return _draft(site)
    except sites.Stale as error:
        raise stale() from error


def _definition(key: ApiKey, data: dict[str, Any], name: str | None = None) -> dict[str, Any]:
    """The definition with its defaults, of the key's organisation, and for the site of this name; raises Refused."""
    own = {"organisation": key.organisation.name} | ({} if name is None else {"key": name})
    others = {field: "Is not that of this call." for field, value in own.items() if data.get(field, value) != value}
    if others:
        raise invalid(others)
    try:
        return sites.parse_definition({**data, **own})
    except sites.DefinitionError as error:
        raise invalid(error.faults) from error


def summary(site: Site) -> dict[str, Any]:
    """A site without its definition."""
    return {
        "site": site.key, "name": site.name, "current": site.current, "revision": site.revision,
        "managed": site.managed, "edited_at": site.edited_at and iso(site.edited_at),
    }


def _draft(site: Site, status: int = 200, **headers: str) -> Response:
    return answer({**summary(site), "definition": site.draft}, status, ETag=f'"{site.revision}"', **headers)


