"""What the table of calls is written with: an answer, a call, and what many of them share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from marshmallow import Schema, fields

JSON, HTML, SCRIPT = "application/json", "text/html", "text/javascript"


class ErrorSchema(Schema):
    """Every refusal: a code for programs, a sentence for people, and which field is wrong how."""

    error = fields.String(required=True)
    message = fields.String(required=True)
    fields_ = fields.Dict(keys=fields.String(), values=fields.String(), data_key="fields")


@dataclass(frozen=True)
class Says:
    """An answer: what it means, the shape of its body by media type (None: text or bytes), its headers."""

    meaning: str
    body: Mapping[str, type[Schema] | None] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """What the code can not tell of a call. `query` and `headers`: parameters, with what they are for."""

    answers: Mapping[int, Says]
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: type[Schema] | None = None
    example: Mapping[str, Any] | None = None
    security: Sequence[Mapping[str, list[str]]] = ()
    takes: Sequence[str] = (JSON, "text/plain")


def refused(meaning: str, **headers: str) -> Says:
    """An answer in the shape of every error."""
    return Says(meaning, {JSON: ErrorSchema}, {name.replace("_", "-"): text for name, text in headers.items()})


WAIT = "Seconds to wait."
NO_SITE = refused("There is no published site with this key.")
AWAY = refused("The database can not be reached; nothing was stored.", Retry_After=WAIT)
