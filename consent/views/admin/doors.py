"""The door of the owners' API: whose key it is, what the key may do, which site it opens, how much it may ask.

A view says what it needs: `@views.get("/sites/<site>")`, `@needs("read")`. It is called with the key, and with the site
instead of its name. What is another organisation's looks like what is not there.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Final

from flask import Blueprint, Flask, Response, current_app, request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from marshmallow import RAISE, Schema, ValidationError, fields, validate

from consent import audit, keys
from consent.answers import error, reply
from consent.config import Settings
from consent.keys import ApiKey
from consent.records import Refused, invalid, load, parse_json
from consent.sites import flatten
from consent.sizes import largest
from consent.views.current import hot
from consent.views.door import call_of
from consent.views.errors import response

View = Callable[..., Response]

views = Blueprint("admin", __name__, url_prefix="/v1/admin")

_REVISION: Final = re.compile(r'(?:W/)?"([1-9][0-9]{0,8})"')  # a proxy that compresses makes it weak
_NO_KEY: Final = error(
    401, "no_key", "Send an API key of your organisation that is neither revoked nor over: "
    "Authorization: Bearer poort_...", None, ("WWW-Authenticate", "Bearer"))


class KeyLimit:
    """Calls per minute with one key, counted in this process's memory."""

    def __init__(self, per_minute: int) -> None:
        self._limit = RateLimitItemPerMinute(per_minute)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def hit(self, key: ApiKey) -> None:
        """Count a call; raises Refused."""
        if not self._limiter.hit(self._limit, str(key.id)):
            raise Refused(429, "too_many", "Too many with this key; try again in a minute.")


def register(app: Flask, settings: Settings) -> None:
    """Add the API to the application. The limit is the application's, as settings are."""
    app.extensions["poort.api_limit"] = KeyLimit(settings.api_limit)
    app.register_blueprint(views)


# Who asks -------------------------------------------------------------------------------------------------------------

def needs(*scopes: str, everywhere: bool = False) -> Callable[[View], View]:
    """For a key with these scopes, with `everywhere` for one of all sites: without a key 401, without a scope 403, and
    for what the key does not open 404.
    """

    def around(view: View) -> View:
        @wraps(view)
        def guarded(**where: Any) -> Response:
            key = _key()
            if key is None:
                return response(_NO_KEY)
            _permit(key, scopes, everywhere)
            if "site" in where:
                where["site"] = keys.site_for(key, where["site"])
            return view(key, **where)

        guarded.scopes = scopes  # type: ignore[attr-defined]  # for the description of the API, and for tests
        return guarded

    return around


def _key() -> ApiKey | None:
    """The key of this call; None when it shows none that counts. Who guesses is limited by address."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    key = keys.find(text.strip()) if scheme.lower() == "bearer" else None
    if key is None:
        hot().within_limit(call_of(request.environ), "")
        return None
    current_app.extensions["poort.api_limit"].hit(key)
    keys.used(key, datetime.now(UTC).date())
    return key


def _permit(key: ApiKey, scopes: Sequence[str], everywhere: bool) -> None:
    for scope in scopes:
        if not keys.permits(key, scope):
            raise Refused(403, "no_scope", f"This key may not do that: it lacks the scope {scope}.")
    if everywhere and key.site is not None:
        raise Refused(403, "one_site", "This key is for one site; this needs a key for all sites of the organisation.")


def by(key: ApiKey) -> audit.By:
    """Who does it."""
    return audit.By(key_id=key.id, via="api")


# What is asked --------------------------------------------------------------------------------------------------------

def raw_body() -> bytes:
    """The body, whole, of a kind and a size that is read; raises Refused."""
    if request.mimetype != "application/json":
        raise Refused(415, "media_type", "Send the body as application/json.")
    length = request.content_length
    if length is None:
        raise Refused(411, "length_required", "Send a Content-Length.")
    if length > largest(request.path):
        raise Refused(413, "too_large", f"The body may have {largest(request.path)} bytes at most.")
    body = request.get_data()
    if len(body) != length:
        raise Refused(400, "cut_off", "The body is shorter than its Content-Length says.")
    return body


def body(schema: Schema) -> dict[str, Any]:
    """The body as the schema loads it; raises Refused."""
    return load(schema, raw_body())


def plain_body() -> dict[str, Any]:
    """The body, one JSON object of any shape; raises Refused."""
    data = parse_json(raw_body())
    if not isinstance(data, dict):
        raise Refused(400, "bad_json", "The body must be one JSON object.")
    return data


def query(schema: Schema, lists: Mapping[str, list[str]] = {}) -> dict[str, Any]:
    """What stands behind the ? as the schema loads it; raises Refused. `lists`: what may be named more than once."""
    try:
        return dict(schema.load({**request.args.to_dict(), **lists}))
    except ValidationError as error:
        raise invalid(flatten(error.messages)) from error


class PageSchema(Schema):
    """A page of a long list. `limit` is how much of it."""

    class Meta:
        unknown = RAISE

    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))


def revision() -> int:
    """The revision that the caller has read; raises Refused without it. What is no revision is none of ours."""
    told = request.headers.get("If-Match", "").strip()
    if not told or told == "*":
        raise Refused(428, "no_revision", 'Send the revision that you have read: If-Match: "3".')
    found = _REVISION.fullmatch(told)
    if found is None:
        raise stale()
    return int(found[1])


def stale() -> Refused:
    """Somebody else was first."""
    return Refused(412, "stale", "Somebody else changed the draft since that revision. Read it again.")


# What is answered -----------------------------------------------------------------------------------------------------

def answer(data: Any, status: int = 200, **headers: str) -> Response:
    """JSON that nobody keeps."""
    return response(reply(status, data, *((name.replace("_", "-"), value) for name, value in headers.items())))
