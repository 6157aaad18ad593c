"""Experiments with the banner, for programs: where one stands, what one would take, and its end.

To start one is to put it in the draft and publish that.
"""

from datetime import UTC, datetime

from flask import Response, request
from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates
from sqlalchemy.exc import IntegrityError

from consent import endings, experiments, results, sites
from consent.db import writing
from consent.keys import ApiKey
from consent.records import Refused
from consent.shapes import one_of
from consent.sites import NotFound, Site
from consent.views.admin.doors import answer, body, by, needs, query, stale, views
from consent.views.admin.publishing import explained, made, outdated


class ExperimentQuerySchema(Schema):
    """Which experiment; the running one when left out."""

    class Meta:
        unknown = RAISE

    id = fields.String(load_default="", validate=validate.Length(max=experiments.LONGEST_ID))


class PlanSchema(Schema):
    """The body of a plan: what is compared, the smallest difference that matters, and how often each is shown."""

    class Meta:
        unknown = RAISE

    goal = one_of(experiments.GOALS, required=True)
    smallest = fields.Float(load_default=5.0, validate=validate.Range(0.5, 50))
    shares = fields.List(
        fields.Integer(strict=True, validate=validate.Range(1, experiments.MOST_SHARE)), load_default=lambda: [1, 1],
        validate=validate.Length(experiments.FEWEST, experiments.MOST))

    @validates("smallest")
    def a_number(self, value: float, **_: object) -> None:
        """JSON's true is none, though Python counts it as one."""
        if isinstance(value, bool):
            raise ValidationError("Not a valid number.")


class EndSchema(Schema):
    """The body of an end: which experiment, and the variant that is kept; the first is the banner as it was."""

    class Meta:
        unknown = RAISE

    id = fields.String(required=True, validate=validate.Length(1, experiments.LONGEST_ID))
    variant = fields.String(required=True, validate=validate.Length(1, experiments.LONGEST_ID))


_QUERY, _PLAN, _END = ExperimentQuerySchema(), PlanSchema(), EndSchema()


@views.get("/sites/<site>/experiment")
@needs("read")
def show_experiment(key: ApiKey, site: Site) -> Response:
    """Where the running experiment stands, or an earlier one; and the names of all."""
    names, running = results.names(site), results.running(site)
    asked = query(_QUERY)["id"] or running
    if asked is not None and asked not in names:
        raise NotFound("There is no such experiment.")
    result = results.as_json(results.result(site, asked)) if asked else None
    return answer({"running": running, "names": names, "result": result})


@views.post("/sites/<site>/experiment/plan")
@needs("read")
def plan_experiment(key: ApiKey, site: Site) -> Response:
    """How many showings and days an experiment would take, from the site's last four weeks; nothing is stored."""
    asked = body(_PLAN)
    plan = results.plan(site, asked["goal"], asked["smallest"], asked["shares"])
    return answer({"rate": plan.rate, "per_day": plan.per_day, "showings": plan.showings, "days": plan.days,
                   "long": plan.is_long})


@views.post("/sites/<site>/experiment/end")
@needs("publish", "write")
def end_experiment(key: ApiKey, site: Site) -> Response:
    """Publish the variant that is kept, without the experiment. The draft has to be what is published."""
    asked = body(_END)
    try:
        with writing(), explained():
            version = endings.end(site, asked["id"], asked["variant"], datetime.now(UTC), by(key))
            where = f"{request.path.removesuffix('/experiment/end')}/versions/{version.number}"
            return answer(made(version), 201, Location=where)
    except endings.Pending as error:
        raise Refused(409, "pending", "Nothing was published: the draft has other changes. Publish or drop them first.",
                      {}) from error
    except sites.DefinitionError as error:
        raise outdated(ValidationError(error.faults)) from error
    except (sites.Stale, IntegrityError) as error:
        raise stale() from error
