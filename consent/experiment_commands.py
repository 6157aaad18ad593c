"""`flask experiment plan|show|end`: what an experiment with the banner would take, where one stands, and its end."""

import json
from datetime import UTC, datetime
from typing import Any

import click
from flask.cli import AppGroup
from marshmallow import ValidationError

from consent import audit, endings, experiments, linter, results, sites
from consent.db import writing
from consent.results import Result
from consent.shares import Share
from consent.sites import NotFound, Site

experiment_group = AppGroup("experiment", help="Experiments with the banner; `flask site publish` starts one.")
STATES = {
    "running": "goes on", "winner": "there is a winner", "nothing": "no difference was found",
    "uneven": "nothing can be concluded: the variants were not shown in the shares that they should",
}


def _site(key: str) -> Site:
    try:
        return sites.site_for_key(key)
    except NotFound as error:
        raise click.ClickException(str(error)) from error


@experiment_group.command("plan")
@click.argument("key")
@click.option("--goal", type=click.Choice(experiments.GOALS), default="analytics", show_default=True)
@click.option("--smallest", type=click.FloatRange(0.5, 50), default=5, show_default=True,
              help="The smallest difference that matters, in points of a hundred.")
@click.option("--variants", type=click.IntRange(experiments.FEWEST, experiments.MOST), default=2, show_default=True)
def plan_command(key: str, goal: str, smallest: float, variants: int) -> None:
    """Print how many showings and days an experiment of the site KEY would take."""
    found = results.plan(_site(key), goal, smallest, [1] * variants)
    days = "no showings in the last four weeks" if found.days is None else f"{found.days} days"
    click.echo(f"{found.showings} showings: {days}, at {found.per_day:.0f} a day and a rate of {found.rate:.1%}")


@experiment_group.command("show")
@click.argument("key")
@click.option("--id", "name", help="Its name. Default: the one that runs.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def show_command(key: str, name: str | None, form: str) -> None:
    """Print where an experiment of the site KEY stands."""
    site = _site(key)
    name = name or results.running(site)
    if name is None:
        raise click.ClickException(f"No experiment of {key} runs; name an earlier one with --id.")
    try:
        found = results.result(site, name)
    except NotFound as error:
        raise click.ClickException(str(error)) from error
    click.echo(json.dumps(results.as_json(found), indent=2) if form == "json" else _table(found))


def _table(found: Result) -> str:
    state = STATES[found.decision.state] if found.runs else "is over"
    lines = [f"{found.id}: {state}, {found.decision.shown} of {found.planned} showings"]
    for row, one in enumerate(found.variants):
        told = [f"{name} {_share(found.shares(name)[row]) if found.is_told(name) else 'too few'}"
                for name in ("goal", *results.COSTS)]
        lines.append("\t".join([one.id, f"shown {one.shown if found.are_shown else 'too few'}", *told]))
    return "\n".join(lines)


def _share(share: Share) -> Any:
    return f"{share.value or 0:.1%} ({share.part}/{share.whole})"


@experiment_group.command("end")
@click.argument("key")
@click.argument("variant")
def end_command(key: str, variant: str) -> None:
    """End the experiment of the site KEY: publish VARIANT without it; the first one is the banner as it was."""
    try:
        with writing():
            site = _site(key)
            version = endings.end(site, results.running(site) or "", variant, datetime.now(UTC), audit.COMMAND)
            number = version.number
    except endings.Pending as error:
        raise click.ClickException("The draft has other changes: publish or drop them first.") from error
    except (NotFound, linter.Blocked, linter.Unexplained, ValidationError, sites.DefinitionError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{key}: version {number} is variant {variant}; the experiment is over")
