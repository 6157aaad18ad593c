"""The commands: `flask site ...`, `flask user create`, `flask key ...`, `flask webhook ...`, `flask jobs run`,
`flask report`; `flask catalogue ...` and `flask backup ...` have modules of their own.

Each ends non-zero with one clear line on bad input.
"""

import json
import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from flask import Flask, current_app
from flask.cli import AppGroup
from flask_migrate.cli import db as db_group
from marshmallow import ValidationError
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from consent import accounts, demo, jobs, keys, records, reports, rights, sites, versions, webhooks
from consent.backup_commands import backup_group
from consent.catalogue_commands import catalogue_group
from consent.db import db, writing
from consent.endpoints import BadAddress

site_group = AppGroup("site", help="Define, publish and list sites.")
user_group = AppGroup("user", help="Make the accounts of owners and marketers.")
key_group = AppGroup("key", help="Make, list and revoke the API keys of back ends.")
webhook_group = AppGroup("webhook", help="Tell the site's own systems of every decision.")
jobs_group = AppGroup("jobs", help="Do what has to be done again and again.")
demo_group = AppGroup("demo", help="Load the demo that `make run` serves.")


def _definitions(file: Path) -> list[Any]:
    """What the file defines, checked before anything is locked or written."""
    try:
        data = records.parse_json(file.read_bytes())
    except OSError as error:
        raise click.ClickException(f"{file} can not be read: {error.strerror}.") from error
    except records.Refused as error:
        raise click.ClickException(
            f"{file.name} is not JSON: {error.message.partition('; ')[2] or error.message}"
        ) from error
    definitions = data if isinstance(data, list) else [data]
    if not definitions:
        raise click.ClickException(f"{file.name} holds no definition.")
    for definition in definitions:
        _check(file, definition)
    return definitions


def _check(file: Path, definition: Any) -> None:
    try:
        sites.parse_definition(definition)
    except sites.DefinitionError as error:
        raise _refused(file, definition, error) from error


def _refused(file: Path, definition: Any, error: sites.DefinitionError) -> click.ClickException:
    key = definition.get("key", "") if isinstance(definition, dict) else ""
    # One line, whatever the file calls its fields.
    return click.ClickException(f"{file.name} {key}: {error}".replace("\n", "\\n").replace("\r", "\\r"))


@contextmanager
def _writing() -> Iterator[None]:
    try:
        with writing():
            yield
    except IntegrityError as error:
        raise click.ClickException(
            "Somebody else changed the same at the same moment; nothing was written. Try again."
        ) from error


def _site(key: str) -> sites.Site:
    try:
        return sites.site_for_key(key)
    except sites.NotFound as error:
        raise click.ClickException(str(error)) from error


def _publish(site: sites.Site) -> str:
    try:
        version, new = versions.publish(site, datetime.now(UTC))
    except ValidationError as error:  # the catalogue of a newer Poort may refuse what an older one took
        raise click.ClickException(
            f"{site.key} can not be published as it is: {sites.flatten(error.messages)}"
        ) from error
    state = "published as" if new else "unchanged, stays"
    return f"{site.key}: {state} version {version.number}, sha256 {version.digest}"


@site_group.command("apply")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--publish", is_flag=True, help="Publish the draft at once.")
def apply_command(file: Path, publish: bool) -> None:
    """Make FILE, a site definition or a list of them in JSON, the draft. Nothing is written when anything is wrong."""
    definitions = _definitions(file)
    done: list[str] = []
    with _writing():
        for data in definitions:
            done += _apply(file, data, publish)
    click.echo("\n".join(done))


def _apply(file: Path, data: Any, publish: bool) -> list[str]:
    try:
        site, changed = sites.apply(data)
    except sites.DefinitionError as error:
        raise _refused(file, data, error) from error
    for warning in sites.warnings(site.draft):
        click.echo(f"Warning: {site.key}: {warning}", err=True)
    state = f"{site.key}: the draft is {'changed' if changed else 'the same as it was'}"
    return [state, _publish(site)] if publish else [state]


@site_group.command("publish")
@click.argument("key")
def publish_command(key: str) -> None:
    """Publish the draft of the site KEY as its next version; the same content is not published twice."""
    with _writing():
        done = _publish(_site(key))
    click.echo(done)


@site_group.command("export")
@click.argument("key")
def export_command(key: str) -> None:
    """Print the definition of the site KEY: its draft, as `flask site apply` takes it."""
    click.echo(json.dumps(_site(key).draft, indent=2, ensure_ascii=False))


@site_group.command("list")
def list_command() -> None:
    """List the sites: key, current version, organisation, name."""
    for site in db.session.scalars(select(sites.Site).order_by(sites.Site.key)):
        click.echo(f"{site.key}\tversion {site.current or '-'}\t{site.organisation.name}\t{site.name}")


@site_group.command("snippet")
@click.argument("key")
@click.option("--auto", is_flag=True, help="Hold back trackers that nobody tagged; goes first in the head.")
def snippet_command(key: str, auto: bool) -> None:
    """Print the tag to put in the head of every page of the site KEY."""
    click.echo(sites.snippet(_site(key), current_app.extensions["poort.settings"].public_url, auto))


@site_group.command("requests")
@click.argument("key")
def requests_command(key: str) -> None:
    """List what visitors of the site KEY asked for by law: received, kind, due, promised, done, what was done."""
    for found in rights.listed(_site(key).key):
        moments = (found.received_at, found.due_at, found.promised_at, found.done_at)
        received, due, promised, done = (f"{at:%Y-%m-%d}" if at else "-" for at in moments)
        answer = ", ".join(f"{n} {what}" for what, n in found.answer.items())
        click.echo("\t".join([received, found.kind, f"due {due}", f"promised {promised}", f"done {done}", answer]))


@user_group.command("create")
@click.argument("email")
@click.option("--organisation", required=True, help="The organisation's name; made when it is new.")
@click.option("--role", type=click.Choice(accounts.ROLES), default="owner", show_default=True)
@click.option("--password", help="At least 12 characters; one is made and printed when left out.")
def create_user_command(email: str, organisation: str, role: str, password: str | None) -> None:
    """Make an account for EMAIL, or make an existing one a member. Prints the password when it was made here."""
    chosen = secrets.token_urlsafe(15) if password is None else password
    with _writing():
        known = accounts.find_user(email) is not None
        try:
            user = accounts.create_user(email, chosen, accounts.organisation_named(organisation), role)
        except accounts.AccountError as error:
            raise click.ClickException(str(error)) from error
        address = user.email
    click.echo(f"{address} is {role} of {organisation}")
    if known:
        click.echo("The account was there already; its password stays as it is.")
    elif password is None:
        click.echo(f"password: {chosen}")


@key_group.command("create")
@click.option("--organisation", required=True, help="Whose key it is.")
@click.option("--site", help="For this site alone. Default: all sites of the organisation.")
@click.option("--name", default="", help="What it is for, so that you know it again.")
def create_key_command(organisation: str, site: str | None, name: str) -> None:
    """Make an API key and print it. It is shown this once: only its hash is kept."""
    with _writing():
        try:
            key, text = keys.create(organisation, site, name, datetime.now(UTC))
        except keys.KeyFault as error:
            raise click.ClickException(str(error)) from error
        number = key.id
    click.echo(f"key {number} of {organisation}, for {site or 'all its sites'}; it is not shown again:\n{text}")


@key_group.command("list")
def list_keys_command() -> None:
    """List the API keys: number, organisation, site, day made, day last used, state, name."""
    for key in keys.every():
        state = "revoked" if key.revoked_at else "in use"
        used = f"used {key.last_used}" if key.last_used else "never used"
        made = f"made {key.created_at:%Y-%m-%d}"
        click.echo("\t".join([str(key.id), key.organisation.name, key.site or "all", made, used, state, key.name]))


@key_group.command("revoke")
@click.argument("number", metavar="ID", type=int)
def revoke_key_command(number: int) -> None:
    """Revoke the API key with the number ID: from now on it opens nothing."""
    with _writing():
        try:
            keys.revoke(number, datetime.now(UTC))
        except keys.KeyFault as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"key {number} is revoked")


@webhook_group.command("set")
@click.argument("key")
@click.argument("url")
def set_webhook_command(key: str, url: str) -> None:
    """Tell URL of every decision on the site KEY from now on. Prints the secret that signs; it is shown this once."""
    with _writing():
        try:
            secret = webhooks.put(_site(key), url, datetime.now(UTC))
        except BadAddress as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"{key}: decisions are told to {url}; the secret is not shown again:\n{secret}")


@webhook_group.command("show")
@click.argument("key")
def show_webhook_command(key: str) -> None:
    """Show where the webhook of the site KEY goes and how it stands."""
    with _having_webhook():
        found = webhooks.state(_site(key))
    click.echo(f"{key}: {found.url}, since {found.created_at:%Y-%m-%d %H:%M} UTC")
    if found.stopped_at is not None:
        click.echo(f"stopped: the endpoint answered 410 on {found.stopped_at:%Y-%m-%d %H:%M} UTC")
    click.echo(", ".join(f"{n} {state}" for state, n in found.events.items()))


@webhook_group.command("remove")
@click.argument("key")
def remove_webhook_command(key: str) -> None:
    """Tell nobody of the decisions on the site KEY any more, of those that wait neither."""
    with _writing(), _having_webhook():
        waiting = webhooks.remove(_site(key))
    click.echo(f"{key}: the webhook is removed; {waiting} events were not told yet")


@webhook_group.command("log")
@click.argument("key")
@click.option("--last", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many events.")
def webhook_log_command(key: str, last: int) -> None:
    """List the last events of the site KEY, oldest first: time, id, type, state, attempts, last answer."""
    with _having_webhook():
        found = webhooks.log(_site(key), last)
    for event in found:
        at = f"{event.created_at:%Y-%m-%dT%H:%M:%SZ}"
        click.echo("\t".join([at, str(event.id), event.type, event.state, str(event.attempts), event.answer or "-"]))


@webhook_group.command("retry")
@click.argument("key")
def retry_webhook_command(key: str) -> None:
    """Try all that waits for the webhook of the site KEY at once, and what was given up, unless it is outdated."""
    with _writing(), _having_webhook():
        tried = webhooks.retry(_site(key), datetime.now(UTC))
    click.echo(f"{key}: {tried} events are due now; `flask jobs run` delivers them")


@contextmanager
def _having_webhook() -> Iterator[None]:
    try:
        yield
    except webhooks.NoWebhook as error:
        raise click.ClickException(str(error)) from error


@jobs_group.command("run")
@click.option("--loop", is_flag=True, help="Keep running until TERM or INT, and look every second.")
def run_jobs_command(loop: bool) -> None:
    """Do every job that is due, and say what was done. Two at a time do nothing twice."""
    if not loop:
        click.echo("\n".join(jobs.run_due()) or "nothing was left to do")
        return
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    jobs.keep_running(stop)


@demo_group.command("load")
@click.option(
    "--login",
    type=click.Path(path_type=Path),
    default=demo.LOGIN,
    show_default=True,
    help="The file that keeps the owner's password.",
)
def demo_load_command(login: Path) -> None:
    """Apply and publish the sites of the demo, make their owner, and print where to look and how to sign in."""
    settings = current_app.extensions["poort.settings"]
    if not settings.demo:
        raise click.ClickException("The demo is off; it makes an account. Set POORT_DEMO=on where that is meant.")
    with _writing():
        owner = demo.load(settings.public_url, datetime.now(UTC), login)
    click.echo(demo.welcome(settings.public_url, owner))


@click.command("report")
@click.argument("key")
@click.option("--from", "first", default="", help="The first day, such as 2026-11-01. Default: 30 days up to the last.")
@click.option("--to", "last", default="", help="The last day. Default: today. Days are UTC days.")
@click.option(
    "--by",
    type=click.Choice(["day", "total"]),
    default="day",
    show_default=True,
    help="A line for every day, or one for all.",
)
@click.option("--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
def report_command(key: str, first: str, last: str, by: str, form: str) -> None:
    """Print the report of the site KEY: how often the banner was shown, and what was answered."""
    site = _site(key)
    try:
        found = reports.report(site.key, *reports.parse_range(first, last, reports.today()))
    except reports.BadRange as fault:
        raise click.ClickException(f"--{fault.field}: {fault.sentence}") from fault
    if form == "json":
        click.echo(json.dumps(reports.as_json(found, by), indent=2))
        return
    lines = list(found.days) if by == "day" else [found.total]
    click.echo(reports.as_csv(lines) if form == "csv" else reports.as_table(lines), nl=form != "csv")


def register(app: Flask) -> None:
    """Add the commands; a database that is away or not made yet is one line, not a traceback."""
    app.cli.add_command(report_command)
    _clear_errors(report_command)
    own = (site_group, user_group, key_group, webhook_group, jobs_group, backup_group, demo_group, catalogue_group)
    for group in own:
        app.cli.add_command(group)
    groups: tuple[click.Group, ...] = (*own, db_group)
    for command in (command for group in groups for command in group.commands.values()):
        _clear_errors(command)


def _clear_errors(command: click.Command) -> None:
    inner = command.callback
    if inner is None or hasattr(inner, "clear"):
        return

    def callback(*args: Any, **kwargs: Any) -> Any:
        try:
            return inner(*args, **kwargs)
        except SQLAlchemyError as error:
            cause = str(getattr(error, "orig", error)).splitlines()[0]
            raise click.ClickException(f"The database refused: {cause}. Was `flask db upgrade` run?") from error

    callback.clear = True  # type: ignore[attr-defined]  # marks it, for an application made twice in a process
    command.callback = callback
