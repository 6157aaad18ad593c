"""The catalogue, and what a vendor's snippet is, for programs."""

from dataclasses import asdict
from typing import Any

from flask import Response
from marshmallow import RAISE, Schema, fields, validate

from consent import catalogue_search, snippets
from consent.catalogue import CATALOGUE, Tracker
from consent.catalogue_search import Hit
from consent.keys import ApiKey
from consent.records import invalid
from consent.views.admin.doors import answer, body, needs, query, views


class SnippetSchema(Schema):
    """The body of what is to be recognised: a vendor's snippet as it was given."""

    class Meta:
        unknown = RAISE

    snippet = fields.String(required=True, validate=validate.Length(1, snippets.LONGEST))


class SearchSchema(Schema):
    """What is looked for: a name, a vendor, a host, an address, a cookie. Left out: everything."""

    class Meta:
        unknown = RAISE

    q = fields.String(load_default="", validate=validate.Length(max=2_000))


_SNIPPET, _SEARCH = SnippetSchema(), SearchSchema()


@views.post("/snippets")
@needs("read")
def recognise_snippet(key: ApiKey) -> Response:
    """Recognise the trackers of a vendor's snippet, and give the form of it that waits; nothing is run or stored."""
    try:
        found = snippets.recognise(body(_SNIPPET)["snippet"])
    except snippets.TooLong as error:
        raise invalid({"snippet": f"Has more than {snippets.LONGEST} characters, or too many tags."}) from error
    return answer({**asdict(found), "strangers": found.strangers})


@views.get("/catalogue")
@needs("read")
def search_catalogue(key: ApiKey) -> Response:
    """The trackers that this Poort knows, those that fit best when something is looked for."""
    wanted = query(_SEARCH)["q"]
    found = catalogue_search.find(wanted) if wanted else [Hit(row, "all") for row in CATALOGUE.values()]
    return answer({"trackers": [{**_tracker(hit.tracker), "found_by": hit.by} for hit in found]})


def _tracker(row: Tracker) -> dict[str, Any]:
    return {"id": row["id"], "name": row["name"], "vendor": row["vendor"], "country": row["country"],
            "role": row["role"], "category": row["category"], "hosts": list(row["hosts"]), "paths": list(row["paths"]),
            "cookies": [one["name"] for one in row["cookies"]], "storage": [one["name"] for one in row["storage"]]}
