"""The shapes that a tracker's fields may have, in the catalogue and in a site definition alike. Pure."""

import re
from collections.abc import Callable
from datetime import date
from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, validate, validates, validates_schema

from consent.patterns import DURATION, HOST, matches

LANGUAGES: Final = ("nl", "en")
OUR_NAME: Final = "poort"  # the receipt's cookie and key: a pattern that matches it would erase the choice itself

IDENT: Final = r"[A-Za-z_][A-Za-z0-9_-]*"
ELEMENT: Final = rf"[#.]{IDENT}|\[(?:id|class|name|data-[a-z-]+)\^={IDENT}\]"


def matching(pattern: str, message: str) -> Callable[[str], None]:
    """A validator: the whole text has to match."""
    compiled = re.compile(pattern)

    def check(value: str) -> None:
        if not compiled.fullmatch(value):
            raise ValidationError(message)

    return check


def plain_text(longest: int, **kwargs: Any) -> fields.String:
    """One line of text without blanks around it."""
    # No control characters (PostgreSQL refuses a NUL) and no lone surrogates (they have no UTF-8).
    plain = r"(?!\s)[^\x00-\x1f\x7f\ud800-\udfff]+(?<!\s)"
    check = matching(plain, "must be plain text on one line, without blanks around it")
    return fields.String(validate=validate.And(validate.Length(1, longest), check), **kwargs)


def flag(**kwargs: Any) -> fields.Boolean:
    """true or false, and nothing that looks like it."""
    return fields.Boolean(truthy={True}, falsy={False}, **kwargs)


def one_of(values: tuple[str, ...], **kwargs: Any) -> fields.String:
    """One of these words."""
    return fields.String(validate=validate.OneOf(values, error="must be one of {choices}"), **kwargs)


def https(**kwargs: Any) -> fields.Url:
    """An https address."""
    return fields.Url(schemes={"https"}, error_messages={"invalid": "must be an https address"}, **kwargs)


def country(**kwargs: Any) -> fields.String:
    """A code of ISO 3166-1."""
    # UK, EU and EL are what people write, and no codes of ISO 3166-1.
    message = "must be a country by ISO 3166-1, such as NL or GB"
    return fields.String(validate=matching(r"(?!UK|EU|EL)[A-Z]{2}", message), **kwargs)


def tracker_id(**kwargs: Any) -> fields.String:
    """The name that a tracker has in tags, choices and addresses."""
    shape = matching(r"[a-z0-9]+(?:[-_][a-z0-9]+)*", "must be lower-case letters and digits, joined by - or _")
    return fields.String(validate=validate.And(validate.Length(1, 40), shape), **kwargs)


def several(inner: Any, longest: int = 100, **kwargs: Any) -> fields.List[Any]:
    """A list that ends."""
    return fields.List(inner, validate=validate.Length(max=longest), **kwargs)


def hosts(**kwargs: Any) -> fields.List[Any]:
    """Hosts, exact or *.suffix."""
    message = "must be a host such as cdn.shop.example or *.shop.example"
    return several(fields.String(validate=matching(rf"(?:\*\.)?{HOST}", message)), **kwargs)


def paths(**kwargs: Any) -> fields.List[Any]:
    """A host and the beginning of a path."""
    message = "must be a host and a path such as cdn.shop.example/js/"
    return several(fields.String(validate=matching(rf"{HOST}/[A-Za-z0-9_./?=&%~+-]+", message)), **kwargs)


def elements(**kwargs: Any) -> fields.List[Any]:
    """Simple selectors of nodes that a tracker adds: #id, .class or [attribute^=prefix]."""
    message = "must be an id #name, a class .name or an attribute's beginning [id^=name]"
    check = validate.And(matching(ELEMENT, message), _spares_the_banner)
    return several(fields.String(validate=check), longest=20, **kwargs)


def _spares_the_banner(selector: str) -> None:
    attribute, prefixed, name = selector.strip("#.[]").rpartition("^=")
    if prefixed and len(name) < 3:
        raise ValidationError("needs at least three characters to begin with")
    if attribute == "data-poort" or name.startswith(OUR_NAME) or (prefixed and OUR_NAME.startswith(name)):
        raise ValidationError("would match the banner itself")


def purpose(longest: int, **kwargs: Any) -> fields.Nested:
    """A sentence in each language."""
    sentences: dict[str, Any] = {language: plain_text(longest, required=True) for language in LANGUAGES}
    return fields.Nested(Schema.from_dict(sentences, name=f"Purpose{longest}Schema"), **kwargs)


def own_purpose(longest: int) -> fields.Nested:
    """A sentence in each language of the site, which alone knows them (catalogue.check_languages)."""
    def one_at_least(self: Schema, data: dict[str, str], **_: Any) -> None:
        if not data:
            raise ValidationError("is needed for a tracker of your own")

    sentences: dict[str, Any] = {language: plain_text(longest) for language in LANGUAGES}
    sentences["one_at_least"] = validates_schema(one_at_least)
    return fields.Nested(type(f"OwnPurpose{longest}Schema", (Schema,), sentences))


class Said(fields.Field[Any]):
    """A sentence: once, in the site's own language, or in each language."""

    def __init__(self, longest: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._once, self._each = plain_text(longest), purpose(longest)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return (self._each if isinstance(value, dict) else self._once).deserialize(value, attr, data)


class AgreementSchema(Schema):
    """A processing agreement on file."""

    date = fields.String(required=True)
    url = fields.Url(schemes={"https"}, error_messages={"invalid": "must be an https address"})

    @validates("date")
    def a_day(self, value: str, **_: Any) -> None:
        """As 2026-11-22."""
        try:
            right = date.fromisoformat(value).isoformat() == value
        except ValueError:
            right = False
        if not right:
            raise ValidationError("must be a day such as 2026-11-22")


class Agreement(fields.Field[Any]):
    """Whether there is a processing agreement: yes or no, or since when and where it is to be read."""

    _plain, _filed = flag(), fields.Nested(AgreementSchema)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return (self._filed if isinstance(value, dict) else self._plain).deserialize(value, attr, data)


def _name_pattern(value: str) -> None:
    stem = value.removesuffix("*")
    if "*" in stem:
        raise ValidationError("may have * only at the end")
    if stem != value and len(stem) < 3:
        raise ValidationError("needs at least three characters before the *")
    if matches(value, OUR_NAME):
        raise ValidationError("would match the visitor's own choice")


class CookieSchema(Schema):
    """One cookie of a tracker; with `server` only the site's server can expire it."""

    name = fields.String(required=True, validate=validate.And(
        # A slash is no part of a name by RFC 6265, but browsers keep it and Crisp writes it.
        matching(r"[!#$%&'*+./^_`|~0-9A-Za-z-]{1,128}", "must be a cookie's name"), _name_pattern))
    duration = fields.String(required=True, validate=matching(
        DURATION, "must be session, persistent or an ISO 8601 duration such as P13M or PT30M"))
    domain = fields.String(validate=matching(HOST, "must be a domain such as vendor.example"))
    server = flag()


class StorageSchema(Schema):
    """One key that a tracker keeps in the page's storage (A4)."""

    name = fields.String(required=True, validate=validate.And(
        matching(r"[\x21-\x7e]{1,128}", "must be a storage key without blanks"), _name_pattern))
    kind = one_of(("local", "session"), required=True)
