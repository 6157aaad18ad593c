"""The OpenAPI document, from the code.

The calls are those of the hot ROUTES and of Flask's url_map, what a call does is its handler's docstring, bodies are
the schemas that check them. The tables of calls add what the code can not tell: the answers.

A call that is not in a table, or a row of one that is no call, is a KeyError or a failing test.
"""

import inspect
import re
from collections.abc import Iterator
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask
from marshmallow import Schema

from consent import bodies, records
from consent.hot import ROUTES, Hot
from consent.openapi import admin, admin_more, visitors
from consent.openapi.says import Call, Says
from consent.openapi.shapes import GateSchema, TrackerDecisionSchema
from consent.sites import KEY

# Whose views are public calls; the others are pages for people.
BLUEPRINTS = ("visitor", "recovery", "leak_reports", "backends", "ops", "docs", "admin")
CALLS: dict[str, Call] = {**visitors.CALLS, **admin.CALLS, **admin_more.CALLS}
PATH = {
    "site": ("The site's key.", {"type": "string", "pattern": f"^{KEY.pattern}$"}, "shop"),
    "tracker": ("The tracker's id.", {"type": "string", "pattern": "^[a-z0-9_-]+$"}, "hotjar"),
    "name": ("The script's name.", {"type": "string", "pattern": "^extra-[0-9a-f]{8}$"}, "extra-1a2b3c4d"),
    "id": ("Its number.", {"type": "integer", "minimum": 1, "maximum": 999_999_999}, 1),
    "member": ("The member's number.", {"type": "integer", "minimum": 1, "maximum": 999_999_999}, 1),
    "invitation": ("The invitation's id.", {"type": "string", "pattern": "^[0-9a-f]{64}$"}, "0" * 64),
    "number": ("The version's number.", {"type": "integer", "minimum": 1, "maximum": 999_999_999}, 1),
}


def calls(app: Flask) -> Iterator[tuple[str, str, str, str]]:
    """Every public call of this application: method, path, a name for it, and what its handler says it does."""
    for route in ROUTES:
        yield route.method, route.template, route.name, _said(getattr(Hot, route.name))
    for rule in app.url_map.iter_rules():
        if rule.endpoint.split(".")[0] not in BLUEPRINTS:
            continue
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield method, path, rule.endpoint.split(".")[1], _said(app.view_functions[rule.endpoint])


def _said(handler: Any) -> str:
    text = inspect.getdoc(handler) or ""
    said = re.sub(r"^`[A-Z]+ [^`]*`: ", "", text.split("\n\n")[0].replace("\n", " "))
    scopes = getattr(handler, "scopes", ())
    needed = f" Needs the scope{'s' * (len(scopes) > 1)} {' and '.join(scopes)}." if scopes else ""
    return said[:1].upper() + said[1:] + needed


def document(app: Flask, public_url: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of this application."""
    plugin = MarshmallowPlugin(schema_name_resolver=_name)
    spec = APISpec(
        "Poort", "1", "3.1.0", plugins=[plugin], servers=[{"url": public_url}],
        info={"description": "Records what each visitor chose, and answers whether a tracker may load. Every refusal "
                             "has one shape; any doubt of the gate is a no."})
    if plugin.converter is not None:  # it has one once it is in a specification
        plugin.converter.add_attribute_function(_bounds)  # type: ignore[no-untyped-call]
    spec.components.security_scheme("receipt", {"type": "apiKey", "in": "header", "name": "Poort-Receipt"})
    spec.components.security_scheme("receiptCookie", {"type": "apiKey", "in": "cookie", "name": "poort"})
    spec.components.security_scheme("metrics", {"type": "http", "scheme": "bearer"})
    spec.components.security_scheme("apiKey", {"type": "http", "scheme": "bearer", "bearerFormat": "poort_..."})
    for method, path, name, said in calls(app):
        operation = _operation(CALLS[f"{method} {path}"], path)
        spec.path(path, operations={method.lower(): {"operationId": name, "summary": said, **operation}})
    return spec.to_dict()


def _name(schema: Any) -> str:
    found = schema if isinstance(schema, type) else type(schema)
    return found.__name__.removesuffix("Schema")


def _bounds(_: Any, of: Any, **__: Any) -> dict[str, Any]:
    """What our own field types refuse and marshmallow does not tell."""
    if isinstance(of, records.Whole):
        return {"minimum": 1, "maximum": 2**31 - 1}
    if isinstance(of, records.When):
        return {"pattern": f"^{bodies.MOMENT}$"}
    return {"pattern": f"^{records.PAGE_GROUP.pattern}$"} if of.name == "page_group" else {}


def _operation(call: Call, path: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "parameters": list(_parameters(call, path)),
        "responses": {str(status): _answer(says) for status, says in sorted(call.answers.items())},
    }
    if call.body is not None:
        media = {"schema": call.body, "example": call.example}
        found["requestBody"] = {"required": True, "content": {kind: dict(media) for kind in call.takes}}
    if call.security:
        found["security"] = list(call.security)
    return found


def _parameters(call: Call, path: str) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"\{(\w+)\}", path):
        meaning, schema, example = PATH[name]
        yield {
            "in": "path", "name": name, "required": True, "description": meaning, "schema": schema, "example": example}
    for place, named in (("query", call.query), ("header", call.headers)):
        for name, meaning in named.items():
            yield {"in": place, "name": name, "description": meaning, "schema": {"type": "string"}}


def _answer(says: Says) -> dict[str, Any]:
    found: dict[str, Any] = {"description": says.meaning}
    if says.body:
        found["content"] = {media: {"schema": _schema(shape, media)} for media, shape in says.body.items()}
    if says.headers:
        found["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in says.headers.items()}
    return found


def _schema(shape: type[Schema] | None, media: str) -> Any:
    if shape is GateSchema:
        return {"anyOf": [GateSchema, TrackerDecisionSchema]}
    return shape or {"type": "object" if media.endswith("json") else "string"}
