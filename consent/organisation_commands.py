"""`flask organisation end` and `resume`: the end of a contract, after which everything goes in a year."""

from datetime import UTC, date, datetime

import click
from flask.cli import AppGroup

from consent import audit, contracts
from consent.db import writing

organisation_group = AppGroup("organisation", help="End and resume the contracts of organisations.")


@organisation_group.command("end")
@click.argument("name")
@click.option("--on", type=click.DateTime(["%Y-%m-%d"]), help="The last day, such as 2026-11-30. Default: today.")
def end_command(name: str, on: datetime | None) -> None:
    """The contract of the organisation NAME ends. A year later everything of it is deleted, counts included."""
    day: date = (on or datetime.now(UTC)).date()
    try:
        with writing():
            goes = contracts.end(name, day)
    except contracts.ContractError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{name}: the contract ends on {day}; everything of it is deleted on {goes} or soon after")


@organisation_group.command("resume")
@click.argument("name")
def resume_command(name: str) -> None:
    """The contract of the organisation NAME goes on, and nothing is deleted any more."""
    try:
        with writing():
            unpublished = contracts.resume(name)
    except contracts.ContractError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{name}: the contract goes on")
    if unpublished:
        click.echo(f"These sites are not published: {', '.join(unpublished)}")


@organisation_group.command("zone")
@click.argument("name")
@click.argument("zone")
def zone_command(name: str, zone: str) -> None:
    """The days of the organisation NAME are those of ZONE from now on: Europe/Amsterdam, America/New_York, UTC."""
    try:
        with writing():
            contracts.set_zone(contracts.named(name), zone, audit.COMMAND)
    except contracts.ContractError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{name}: days are those of {zone} from now on; what was counted stays")
