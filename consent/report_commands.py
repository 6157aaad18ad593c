"""`flask report`: the numbers of one site, or of several together, in every form."""

import json
from pathlib import Path
from typing import Any, Final

import click

from consent import breakdowns, report_forms, reports, sites
from consent.zones import zone

_FORMS: Final = ("table", "json", "csv", "xlsx")


@click.command("report")
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@click.option("--from", "first", default="", help="The first day, such as 2026-11-01. Default: 30 days up to the last.")
@click.option("--to", "last", default="", help="The last day, in the organisation's time zone. Default: today.")
@click.option("--by", type=click.Choice(report_forms.BY), default="day", show_default=True,
              help="A line for every day, week, tracker, or part of the traffic; or one for all.")
@click.option("--format", "form", type=click.Choice(_FORMS), default="table", show_default=True,
              help="xlsx has them all, each as a sheet.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file.")
def report_command(keys: tuple[str, ...], first: str, last: str, by: str, form: str, output: Path | None) -> None:
    """Print the report of the site KEY, or of several together: how often the banner was shown, and the answers."""
    if form == "xlsx" and output is None:
        raise click.ClickException("--output: say to which file the sheets go, such as --output report.xlsx.")
    where = _zone(keys)
    try:
        days = reports.parse_range(first, last, reports.today(zone(where)))
    except reports.BadRange as fault:
        raise click.ClickException(f"--{fault.field}: {fault.sentence}") from fault
    found = breakdowns.figures(keys, *days, breakdowns.PARTS if form == "xlsx" else report_forms.parts_of(by))
    _write(_told(found, breakdowns.before(found), by, form, where), output)


def _zone(keys: tuple[str, ...]) -> str:
    """In which zone the days of these sites are."""
    try:
        zones = {sites.site_for_key(key).organisation.time_zone for key in keys}
    except sites.NotFound as error:
        raise click.ClickException(str(error)) from error
    if len(zones) > 1:
        raise click.ClickException(
            f"These sites count their days in different time zones ({', '.join(sorted(zones))}): ask for them apart.")
    return str(zones.pop())


def _told(found: breakdowns.Figures, before: breakdowns.Figures, by: str, form: str, where: str) -> bytes:
    if form == "xlsx":
        return report_forms.as_xlsx(report_forms.sheets(found, before))
    if form == "json":
        told: dict[str, Any] = {**report_forms.as_json(found, before, by), "time_zone": where}
        return (json.dumps(told, indent=2, ensure_ascii=False) + "\n").encode()
    sheet = report_forms.sheet(found, before, by)
    return (report_forms.as_csv(sheet) if form == "csv" else report_forms.as_text(sheet) + "\n").encode()


def _write(told: bytes, output: Path | None) -> None:
    if output is None:
        click.echo(told.decode(), nl=False)
        return
    try:
        output.write_bytes(told)
    except OSError as error:
        raise click.ClickException(f"--output: {output} can not be written: {error.strerror}.") from error
