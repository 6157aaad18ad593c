"""The API described: `/openapi.json` for programs and `/docs` for people, both from the code. And the trackers."""

import json
import shlex
from typing import Any

from flask import Blueprint, Flask, Response, current_app, render_template
from flask_babel import force_locale

from consent import openapi
from consent.answers import reply
from consent.catalogue import CATALOGUE, marks
from consent.gate import CATEGORIES
from consent.views.errors import response

views = Blueprint("docs", __name__)

# How the page groups the calls: a heading and how their paths start. The first that fits takes a call.
GROUPS = (
    ("Record and ask", ("/v1/sites/{site}/consents", "/v1/sites/{site}/events", "/v1/sites/{site}/gate")),
    ("The script and what it shows", ("/banner/", "/v1/sites/{site}/config", "/v1/sites/{site}/versions",
                                      "/v1/sites/{site}/declaration")),
    ("A visitor's own records", ("/v1/sites/{site}/me", "/me/")),
    ("What owners do, with an API key", ("/v1/admin/",)),
    ("Running Poort", ("/",)),
)


def _document() -> dict[str, Any]:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # Flask's way to the object itself
    if "poort.openapi" not in app.extensions:
        app.extensions["poort.openapi"] = openapi.document(app, app.extensions["poort.settings"].public_url)
    found: dict[str, Any] = app.extensions["poort.openapi"]
    return found


@views.get("/openapi.json")
def document() -> Response:
    """This API in OpenAPI 3.1."""
    answer = response(reply(200, _document()))
    answer.headers["Cache-Control"] = "public, max-age=300"
    return answer


@views.get("/docs")
def page() -> Response:
    """This API, to read."""
    found = _document()
    calls = [
        {"method": method.upper(), "path": path, "curl": _curl(found["servers"][0]["url"], method, path, operation),
         **operation}
        for path, methods in found["paths"].items() for method, operation in methods.items()
    ]
    with force_locale("en"):
        answer = Response(render_template(
            "docs/page.html", language="en", languages=(), groups=_grouped(calls), info=found["info"],
            schemas=found["components"]["schemas"], reference=_reference))
    answer.headers["Cache-Control"] = "public, max-age=300"
    return answer


@views.get("/docs/trackers")
def trackers() -> Response:
    """The trackers that this Poort knows, to read."""
    groups = {name: [row for row in CATALOGUE.values() if row["category"] == name] for name in CATEGORIES}
    with force_locale("en"):
        answer = Response(render_template(
            "docs/trackers.html", language="en", languages=(), marks=marks,
            groups={name: rows for name, rows in groups.items() if rows}))
    answer.headers["Cache-Control"] = "public, max-age=300"
    return answer


def _grouped(calls: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {title: [] for title, _ in GROUPS}
    for call in calls:
        found[next(title for title, starts in GROUPS if call["path"].startswith(starts))].append(call)
    return found


def _reference(schema: dict[str, Any]) -> list[str]:
    """The names of the shapes that a schema refers to, `["text"]` or the like where it names none."""
    if "$ref" in schema:
        return [schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        return [name for one in schema["anyOf"] for name in _reference(one)]
    inner = schema.get("items") or schema.get("additionalProperties")
    return _reference(inner) if isinstance(inner, dict) and inner else []


def _curl(base: str, method: str, path: str, operation: dict[str, Any]) -> str:
    """A command that works, given a receipt where one is needed."""
    for parameter in operation["parameters"]:
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", str(parameter["example"]))
    parts = [f"curl {_CURL.get(method, '')}{shlex.quote(base + path)}"]
    security = operation.get("security", [])
    if any("receipt" in way for way in security):
        parts.append('-H "Poort-Receipt: $RECEIPT"')
    if any("metrics" in way for way in security):
        parts.append('-H "Authorization: Bearer $TOKEN"')
    if any("apiKey" in way for way in security):
        parts.append('-H "Authorization: Bearer $KEY"')
    if method == "put":
        parts.append("-H 'If-Match: \"1\"'")
    if "requestBody" in operation:
        example = operation["requestBody"]["content"]["application/json"]["example"]
        parts += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(json.dumps(example))}"]
    return " \\\n  ".join(parts)


_CURL = {"delete": "-X DELETE ", "put": "-X PUT "}
