"""Experiments with the banner: what a site definition says of one, and what each of its variants makes of it. Pure.

    as_variant(definition, "b")  -> the definition as variant b makes it, without an experiment
    variants(definition)         -> {"a": {...}, "b": {...}}; empty without an experiment
    bucket("summer", "b")        -> "summer:b", under which it is counted

A variant has other words or another look, never another purpose: that would ask for another consent (F4). Each one is
held against the law as if it were the banner (`agree` here, linter.py for the rest), so none can make one of the two
choices weigh more (B4).
"""

from collections.abc import Mapping
from typing import Any, Final

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate, validates_schema

from consent import look, wording
from consent.gate import OPTIONAL
from consent.shapes import LANGUAGES, matching, one_of

ANSWERED: Final = "answered"
GOALS: Final = (*OPTIONAL, ANSWERED)
FEWEST, MOST = 2, 4
LONGEST_ID: Final = 31  # two of them and a colon fit in a column
MOST_SHARE = 100
PARTS: Final = ("texts", "look")

NOT_AN_ID: Final = "Use 1 to 31 lower-case letters, digits and hyphens."
MANY: Final = "Must be two to four variants: the first is the banner as it is."
TWICE: Final = "Names a variant twice."
FIRST_IS_PLAIN: Final = "Has no words or look of its own: the first variant is the banner as the definition makes it."
NOTHING_VARIES: Final = "Needs words or a look of its own, or it is the first variant once more."
USED: Final = "Was the name of another experiment of this site, whose numbers it would add to. Give it a new name."
SAME: Final = "Makes the same banner as another variant."

Definition = Mapping[str, Any]


def _id(**kwargs: Any) -> fields.String:
    pattern = rf"[a-z0-9](?:[a-z0-9-]{{0,{LONGEST_ID - 2}}}[a-z0-9])?"
    return fields.String(validate=matching(pattern, NOT_AN_ID), **kwargs)


def _points(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.5 <= value <= 50:
        raise ValidationError("Must be a number from 0.5 to 50: the smallest difference that matters, in points.")


def _part(whole: type[Schema], name: str, *, without: str = "") -> type[Schema]:
    """The fields of a schema without its rules over more than one: those are about what a variant makes of them."""
    found = {field: kind for field, kind in whole._declared_fields.items() if field != without}
    return Schema.from_dict(found, name=name)


_WordsSchema = _part(wording.WordsSchema, "VariantWordsSchema", without="categories")  # a purpose can not vary
_TextsSchema = Schema.from_dict({name: fields.Nested(_WordsSchema) for name in LANGUAGES}, name="VariantTextsSchema")
_LookSchema = _part(look.LookSchema, "VariantLookSchema")


class VariantSchema(Schema):
    """One banner of an experiment: what it says and shows otherwise, and its share of the showings."""

    class Meta:
        unknown = RAISE

    id = _id(required=True)
    share = fields.Integer(load_default=1, strict=True, validate=validate.Range(
        1, MOST_SHARE, error="Must be a whole number from 1 to 100: its part against those of the others."))
    texts = fields.Nested(_TextsSchema)
    look = fields.Nested(_LookSchema)

    @post_load
    def without_blanks(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Nothing is written in one way alone, or the same draft would be two versions."""
        return wording.pruned(wording.pruned(data))


class ExperimentSchema(Schema):
    """The field `experiment` of a site definition. It runs while the version that has it is the current one."""

    class Meta:
        unknown = RAISE

    id = _id(required=True)
    goal = one_of(GOALS, required=True)
    smallest = fields.Raw(load_default=5, validate=_points)
    showings = fields.Integer(strict=True, validate=validate.Range(1_000, 1_000_000_000, error=(
        "Must be 1000 or more: after how many showings it ends without a difference.")))
    variants = fields.List(
        fields.Nested(VariantSchema), required=True, validate=validate.Length(FEWEST, MOST, error=MANY))

    @validates_schema(skip_on_field_errors=True)
    def distinct(self, data: dict[str, Any], **_: Any) -> None:
        """The first is the banner as it is; each of the others is something else."""
        first, *others = data["variants"]
        faults: dict[int, Any] = {}
        if any(name in first for name in PARTS):
            faults[0] = [FIRST_IS_PLAIN]
        for number, variant in enumerate(others, 1):
            if not any(name in variant for name in PARTS):
                faults[number] = [NOTHING_VARIES]
            if variant["id"] in [one["id"] for one in data["variants"][:number]]:
                faults[number] = {"id": [TWICE]}
        if faults:
            raise ValidationError({"variants": faults})


def experiment_of(definition: Definition) -> Mapping[str, Any] | None:
    """The experiment of a definition; None when it has none."""
    found: Mapping[str, Any] | None = definition.get("experiment")
    return found


def bucket(experiment: str, variant: str) -> str:
    """The name under which what a variant did is counted."""
    return f"{experiment}:{variant}"


def path_of(variant: str) -> str:
    """Where a variant stands in the definition, for readers: by its id, which stays when others come or go."""
    return f"experiment.variants.{variant}"


def without(definition: Definition) -> dict[str, Any]:
    """The definition without its experiment."""
    return {name: value for name, value in definition.items() if name != "experiment"}


def as_variant(definition: Definition, variant: str) -> dict[str, Any]:
    """The definition as this variant makes it: its words and look over the definition's own, and no experiment.

    Raises KeyError for a variant that there is not.
    """
    found = {one["id"]: one for one in definition["experiment"]["variants"]}[variant]
    plain = without(definition)
    parts = {name: _over(plain.get(name, {}), found.get(name, {})) for name in PARTS}
    return plain | {name: part for name, part in parts.items() if part}


def variants(definition: Definition) -> dict[str, dict[str, Any]]:
    """What each variant makes of a definition, by its id in the order of the experiment; empty without one."""
    experiment = experiment_of(definition)
    if experiment is None:
        return {}
    return {one["id"]: as_variant(definition, one["id"]) for one in experiment["variants"]}


def _over(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The base with what is told otherwise, at every depth."""
    deeper = {name: _over(base[name], value) for name, value in own.items()
              if isinstance(value, Mapping) and isinstance(base.get(name), Mapping)}
    return {**base, **own, **deeper}


def question(definition: Definition) -> dict[str, Any] | None:
    """What an experiment compares: its goal, its plan, and what each variant shows how often. With another answer to
    this it is another experiment, whose numbers may not be added to those of before.
    """
    experiment = experiment_of(definition)
    if experiment is None:
        return None
    made = {id: {name: one.get(name, {}) for name in PARTS} for id, one in variants(definition).items()}
    shares = {one["id"]: one["share"] for one in experiment["variants"]}
    planned = {name: experiment.get(name) for name in ("goal", "smallest", "showings")}
    return {**planned, "shares": shares, "banners": made}


def turns(before: Definition | None, after: Definition) -> list[tuple[str, dict[str, Any]]]:
    """What publishing a definition after another one means for experiments: the names and facts for the audit list.

    An experiment ends with a winner when what comes after it is what one of its variants made.
    """
    ids = [one["experiment"]["id"] if one and "experiment" in one else None for one in (before, after)]
    if ids[0] == ids[1]:
        return []
    found: list[tuple[str, dict[str, Any]]] = []
    if before is not None and ids[0] is not None:
        kept = [id for id, made in variants(before).items() if _banner(made) == _banner(after)]
        found.append(("experiment.end", {"experiment": ids[0], "kept": kept[0] if kept else None}))
    return [*found, ("experiment.start", {"experiment": ids[1]})] if ids[1] is not None else found


def _banner(definition: Definition) -> list[Any]:
    return [definition.get(name, {}) for name in PARTS]


def agree(definition: Definition) -> None:
    """Whether each variant makes a banner that says what it has to, can be read, and is another than the others.

    Raises ValidationError with the path of each fault.
    """
    faults: dict[str, Any] = {}
    seen: list[Any] = []
    for id, made in variants(definition).items():
        found = _faults(made)
        shown = None if found else _shown(made)
        if found or shown in seen:
            faults[id] = found or [SAME]
        seen.append(shown)
    if faults:
        raise ValidationError({"experiment": {"variants": faults}})


def _faults(made: Definition) -> dict[str, Any]:
    """What the banner's own rules say of a variant's words and look as a whole."""
    schemas = {"texts": wording.TextsSchema(), "look": look.LookSchema()}
    return {name: found for name, schema in schemas.items() if (found := schema.validate(made.get(name, {})))}


def _shown(made: Definition) -> tuple[list[dict[str, Any]], str]:
    """What visitors get to see of it, however it is written."""
    own = made.get("texts", {})
    return [wording.reworded(language, own.get(language, {})) for language in made["languages"]], look.css(
        made.get("look", {}))
