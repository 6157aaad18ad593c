"""`flask site scan`: look at a site from the command line, or in somebody's own CI."""

import json
from pathlib import Path
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext
from flask_babel import force_locale

from consent import findings, scan_report, scanner, scans
from consent.browsers import NoBrowser
from consent.findings import NOT_SEEN
from consent.inspection import Pace
from consent.scanner import BadTarget, CutOff
from consent.sites import NotFound, site_for_key

LOCALES = {"nl": "nl_NL", "en": "en_GB"}


class NotSeen(click.ClickException):
    """It could not be looked at; the message says in one sentence why."""

    exit_code = NOT_SEEN


@click.command("scan")
@with_appcontext
@click.argument("url")
@click.option("--site", "key", help="The site KEY: its trackers count, and its origins are its own.")
@click.option("--pages", type=click.IntRange(1, 200), default=5, show_default=True, help="How many pages at most.")
@click.option("--install", is_flag=True, help="Check the installation of Poort's tag on URL instead; needs --site.")
@click.option("--wait", type=click.FloatRange(0, 60), default=Pace().first, show_default=True,
              help="Seconds that the first page is looked at before any choice.")
@click.option("--format", "form", type=click.Choice(["table", "json", "html"]), default="table", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the report to this file.")
@click.option("--language", type=click.Choice(sorted(LOCALES)), default="en", show_default=True, help="Of the HTML.")
@click.option("--fail-on", type=click.Choice(["leaks", "unknown"]), default="leaks", show_default=True,
              help="unknown: status 1 also for what nobody knows, or the site does not name.")
def scan_command(
    url: str, key: str | None, pages: int, install: bool, wait: float, form: str, output: Path | None, language: str,
    fail_on: str,
) -> None:
    """Look at URL and the pages it leads to, before any choice, after refusing, accepting and withdrawing.

    Status 0: nothing loads that must not. 1: something does. 2: it could not be looked at.
    """
    if install and key is None:
        raise click.UsageError("--install needs --site: it compares the page with that site.")
    try:
        report = _report(scanner.checked(url), key, pages, install, wait)
    except (BadTarget, NoBrowser, NotFound) as error:
        raise NotSeen(str(error)) from error
    except CutOff as error:
        raise NotSeen(f"The scan was cut off ({error}).") from error
    _write(_told(report, form, language), output)
    raise SystemExit(scanner.status_of(report, fail_on == "unknown"))


def _report(url: str, key: str | None, pages: int, install: bool, wait: float) -> dict[str, Any]:
    settings = current_app.extensions["poort.settings"]
    out = scanner.outside(settings, wait)
    if key is not None:
        return scans.seen_of(site_for_key(key), scans.INSTALL if install else scans.LOOK, url, pages, settings, out)
    return scanner.look_at(scanner.Scan(url, findings.scope_of(url), pages), out)


def _told(report: dict[str, Any], form: str, language: str) -> str:
    if form == "json":
        return json.dumps(report, indent=2, ensure_ascii=False)
    if form == "html":
        with force_locale(LOCALES[language]):
            return scan_report.as_page(report, language)
    return "\n".join(scan_report.as_lines(report))


def _write(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text)
        return
    try:
        output.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise NotSeen(f"{output} can not be written: {error.strerror}.") from error
