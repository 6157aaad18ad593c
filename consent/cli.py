"""The commands: `flask site ...`, `flask user create`, `flask key ...`, `flask webhook ...`, `flask report`;
`flask catalogue ...`, `flask jobs ...`, `flask organisation ...` and `flask backup ...` have modules of their own.

Each ends non-zero with one clear line on bad input.
"""

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from flask import Flask, current_app
from flask.cli import AppGroup
from flask_migrate.cli import db as db_group
from marshmallow import ValidationError
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from consent import (
    accounts,
    audit,
    demo,
    factors,
    invitations,
    keys,
    linter,
    records,
    rights,
    sessions,
    sites,
    tickets,
    versions,
    webhooks,
)
from consent.backup_commands import backup_group
from consent.catalogue_commands import catalogue_group
from consent.check_commands import check_command, matched, reason_option, refusal, warn
from consent.count_commands import counts_group
from consent.db import db, writing
from consent.endpoints import BadAddress
from consent.experiment_commands import experiment_group
from consent.job_commands import jobs_group
from consent.organisation_commands import organisation_group
from consent.report_commands import report_command
from consent.scan_commands import scan_command

site_group = AppGroup("site", help="Define, publish and list sites.")
user_group = AppGroup("user", help="Make the accounts of owners and marketers.")
key_group = AppGroup("key", help="Make, list and revoke the API keys of back ends.")
webhook_group = AppGroup("webhook", help="Tell the site's own systems of every decision.")
demo_group = AppGroup("demo", help="Load the demo that `make run` serves.")
site_group.add_command(check_command)


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


@contextmanager
def _publishable(site: sites.Site) -> Iterator[None]:
    try:
        yield
    except ValidationError as error:  # the catalogue of a newer Poort may refuse what an older one took
        raise click.ClickException(
            f"{site.key} can not be published as it is: {sites.flatten(error.messages)}"
        ) from error
    except linter.Blocked as blocked:
        raise refusal(site.key, blocked) from blocked


def _publish(site: sites.Site, findings: Sequence[linter.Finding], given: Sequence[tuple[str, str]]) -> str:
    with _publishable(site):
        version, new = versions.publish(site, datetime.now(UTC), reasons=matched(findings, given))
    state = "published as" if new else "unchanged, stays"
    first = f"{site.key}: {state} version {version.number}, sha256 {version.digest}"
    return "\n".join([first, *(map(_line, version.changes or []) if new else [])])


def _line(change: Mapping[str, Any]) -> str:
    """A change for the owner: what asks visitors again, and what does not."""
    return f"  {'material' if change['material'] else 'not material'} ({change['rule']}): {change['sentence']['en']}"


def _preview(site: sites.Site, form: str = "table") -> str:
    with _publishable(site):
        digest, found = versions.preview(site)
    rows = [change.as_json() for change in found]
    number = (site.current or 0) + bool(rows or not site.current)
    if form == "json":
        return json.dumps({"site": site.key, "number": number, "digest": digest, "changes": rows}, indent=2,
                          ensure_ascii=False)
    if not site.current:
        return f"{site.key}: nothing is published yet; this becomes version 1"
    state = f"would be published as version {number}" if rows else f"unchanged, stays version {number}"
    return "\n".join([f"{site.key}: {state}, sha256 {digest}", *map(_line, rows)])


site_group.add_command(scan_command)


@site_group.command("apply")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--publish", is_flag=True, help="Publish the draft at once.")
@reason_option
def apply_command(file: Path, publish: bool, given: Sequence[tuple[str, str]]) -> None:
    """Make FILE, a site definition or a list of them in JSON, the draft. Nothing is written when anything is wrong.

    Says what `flask site check` finds; what breaks a rule is not published.
    """
    definitions = _definitions(file)
    done: list[str] = []
    with _writing():
        for data in definitions:
            done += _apply(file, data, publish, given)
    click.echo("\n".join(done))


def _apply(file: Path, data: Any, publish: bool, given: Sequence[tuple[str, str]]) -> list[str]:
    try:
        site, changed = sites.apply(data)
    except sites.DefinitionError as error:
        raise _refused(file, data, error) from error
    findings = linter.check(site.draft)
    warn(site.key, [found for found in findings if not (publish and found.hard)], given)
    state = f"{site.key}: the draft is {'changed' if changed else 'the same as it was'}"
    return [state, _publish(site, findings, given)] if publish else [state]


@site_group.command("changes")
@click.argument("key")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def changes_command(key: str, form: str) -> None:
    """Say what publishing the draft of the site KEY would change, and what of it asks visitors again."""
    click.echo(_preview(_site(key), form))


@site_group.command("publish")
@click.argument("key")
@click.option("--dry-run", is_flag=True, help="Only say what it would change.")
@reason_option
def publish_command(key: str, dry_run: bool, given: Sequence[tuple[str, str]]) -> None:
    """Publish the draft of the site KEY as its next version, and say what that changes and for whom.

    The same content is not published twice, and what breaks a rule (`flask site check`) not at all.
    """
    if dry_run:
        click.echo(_preview(_site(key)))
        return
    with _writing():
        site = _site(key)
        findings = linter.check(site.draft)
        done = _publish(site, findings, given)
        warn(key, findings, given)
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
@click.option("--declaration", is_flag=True, help="The tag that puts the cookie declaration in a page, instead.")
def snippet_command(key: str, auto: bool, declaration: bool) -> None:
    """Print the tag to put in the head of every page of the site KEY."""
    if auto and declaration:
        raise click.UsageError("--auto and --declaration are two tags: ask for one at a time.")
    url = current_app.extensions["poort.settings"].public_url
    click.echo(sites.declaration_snippet(_site(key), url) if declaration else sites.snippet(_site(key), url, auto))


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
@click.option("--organisation", help="Its name; made when it is new. Default: they make their own in the console.")
@click.option("--join", is_flag=True, help="Join the organisation although it has members already.")
@click.option("--role", type=click.Choice(accounts.ROLES), default="owner", show_default=True)
@click.option("--password", help="At least 12 characters; one is made and printed when left out.")
def create_user_command(email: str, organisation: str | None, join: bool, role: str, password: str | None) -> None:
    """Make an account for EMAIL, or make an existing one a member. Prints the password when it was made here.

    An organisation that has members may be one that somebody made in the console under the same name: see first whose
    it is, then --join.
    """
    chosen = secrets.token_urlsafe(15) if password is None else password
    with _writing():
        known = accounts.find_user(email) is not None
        try:
            joined = _joined(organisation, join) if organisation is not None else None
            user = accounts.create_user(email, chosen, joined, role)
            if joined is not None:
                audit.note(joined.id, "member.add", audit.COMMAND, member=user.id, role=role)
        except accounts.AccountError as error:
            raise click.ClickException(str(error)) from error
        address = user.email
    click.echo(f"{address} is {role} of {organisation}" if organisation else f"{address} has an account")
    if known:
        click.echo("The account was there already; its password stays as it is.")
    elif password is None:
        click.echo(f"password: {chosen}")


def _joined(name: str, join: bool) -> accounts.Organisation:
    found = accounts.organisation_named(name)
    if accounts.is_somebodys(found) and not join:
        raise click.ClickException(f"{name} has members already; give --join to make one more.")
    return found


@user_group.command("reset-mfa")
@click.argument("email")
def reset_mfa_command(email: str) -> None:
    """Take every second factor of EMAIL away, when they lost theirs: app, passkeys, recovery codes and sessions.

    Make sure first that it is them who ask.
    """
    with _writing():
        user = _user(email)
        factors.reset(user)
        sessions.end_all(user.id)
        invitations.note_of(user, "mfa.reset", audit.COMMAND)
        address = user.email
    click.echo(f"{address} signs in with the password alone, and sets a second factor up anew")


@user_group.command("reset-password")
@click.argument("email")
def reset_password_command(email: str) -> None:
    """Print a link by which EMAIL chooses a new password: for an install without a mail server. It works for an hour.
    """
    with _writing():
        text = tickets.issue(tickets.RESET, datetime.now(UTC), user_id=_user(email).id)
    click.echo(f"{current_app.extensions['poort.settings'].public_url}/lost-password/{text}")


def _user(email: str) -> accounts.User:
    found = accounts.find_user(email)
    if found is None:
        raise click.ClickException("There is no account with this address.")
    return found


@key_group.command("create")
@click.option("--organisation", required=True, help="Whose key it is.")
@click.option("--site", help="For this site alone. Default: all sites of the organisation.")
@click.option("--name", default="", help="What it is for, so that you know it again.")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(keys.SCOPES), default=["gate"], show_default=True,
              help="What it may do; may be given more than once.")
@click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), help="The last day, such as 2027-11-22. Default: never.")
def create_key_command(
    organisation: str, site: str | None, name: str, scopes: tuple[str, ...], expires: datetime | None
) -> None:
    """Make an API key and print it. It is shown this once: only its hash is kept."""
    end = expires and expires.replace(tzinfo=UTC) + timedelta(days=1)
    with _writing():
        try:
            key, text = keys.create(organisation, site, name, datetime.now(UTC), scopes, end)
            audit.note(key.organisation_id, "key.create", audit.COMMAND, site=site, key=key.id, scopes=key.scopes,
                       expires=f"{expires:%Y-%m-%d}" if expires else None)
        except keys.KeyFault as error:
            raise click.ClickException(str(error)) from error
        number = key.id
    click.echo(f"key {number} of {organisation}, for {site or 'all its sites'}; it is not shown again:\n{text}")


@key_group.command("list")
def list_keys_command() -> None:
    """List the API keys: number, organisation, site, day made, day last used, state, scopes, name."""
    now = datetime.now(UTC)
    for key in keys.every():
        over = key.expires_at is not None and key.expires_at <= now
        state = "revoked" if key.revoked_at else "expired" if over else "in use"
        used = f"used {key.last_used}" if key.last_used else "never used"
        made = f"made {key.created_at:%Y-%m-%d}"
        said = [str(key.id), key.organisation.name, key.site or "all", made, used, state, " ".join(key.scopes)]
        click.echo("\t".join([*said, key.name]))


@key_group.command("revoke")
@click.argument("number", metavar="ID", type=int)
def revoke_key_command(number: int) -> None:
    """Revoke the API key with the number ID: from now on it opens nothing."""
    with _writing():
        try:
            key = keys.revoke(number, datetime.now(UTC))
            audit.note(key.organisation_id, "key.revoke", audit.COMMAND, site=key.site, key=key.id)
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
            site = _site(key)
            secret = webhooks.put(site, url, datetime.now(UTC))
            audit.note(site.organisation_id, "webhook.set", audit.COMMAND, key)  # its address may hold a secret
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
        site = _site(key)
        waiting = webhooks.remove(site)
        audit.note(site.organisation_id, "webhook.remove", audit.COMMAND, key)
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


def register(app: Flask) -> None:
    """Add the commands; a database that is away or not made yet is one line, not a traceback."""
    app.cli.add_command(report_command)
    _clear_errors(report_command)
    own = (
        site_group, user_group, key_group, webhook_group, jobs_group, organisation_group, backup_group, demo_group,
        catalogue_group, counts_group, experiment_group)
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
