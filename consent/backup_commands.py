"""The commands `flask backup ...`. Each ends non-zero with one clear line when it can not do what it should."""

import functools
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from flask import current_app
from flask.cli import AppGroup

from consent import backups, sealed
from consent.config import Settings
from consent.db import db
from consent.revival import BackupError, Done
from consent.sealed import Header

backup_group = AppGroup("backup", help="Back the database up, prove the backups, put one back.")


def _settings() -> Settings:
    found: Settings = current_app.extensions["poort.settings"]
    return found


def _clear(command: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except BackupError as error:
            raise click.ClickException(str(error).replace("\n", " ")) from error

    return run


def _about(header: Header) -> str:
    return f"{header.engine} of {_utc(header.moment)}, schema {header.revision}, {header.records:,} records"


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


@backup_group.command("create")
@_clear
def create_command() -> None:
    """Make a backup in POORT_BACKUP_DIR, encrypted with the first of POORT_BACKUP_KEYS. Poort may go on serving."""
    made = backups.create(db.engine, _settings())
    click.echo(f"{made.path}\n{_about(made.header)}, {made.size:,} bytes")


@backup_group.command("list")
@_clear
def list_command() -> None:
    """List the backups in POORT_BACKUP_DIR, oldest first: file, bytes, what it holds, and whether its key is here."""
    known = {sealed.key_id(key) for key in _settings().backup_keys}
    for path, size, header in backups.listed(_settings()):
        if header is None:
            click.echo(f"{path.name}\t{size:,}\tcan not be read")
            continue
        key = "is here" if header.key in known else "is NOT in POORT_BACKUP_KEYS"
        click.echo(f"{path.name}\t{size:,}\t{_about(header)}\tkey {header.key} {key}")


@backup_group.command("verify")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--checksum", is_flag=True, help="The checksum alone, which needs no key.")
@_clear
def verify_command(file: Path, checksum: bool) -> None:
    """Prove that the backup FILE can be put back: its checksum, its key, and the database in it."""
    header = backups.check(file) if checksum else backups.verify(file, db.engine, _settings())
    proved = "the checksum is right; nothing was decrypted" if checksum else "sound"
    click.echo(f"{file.name}: {proved}; {_about(header)}")


@backup_group.command("restore")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Also when there is data in the database: it is lost.")
@_clear
def restore_command(file: Path, replace: bool) -> None:
    """Put the backup FILE in the place of the database, with all erasures since. Stop Poort first.

    The database is the old one until it is the new one, whatever happens meanwhile.
    """
    click.echo("\n".join(_told(backups.restore(file, db.engine, _settings(), replace), _settings())))


def _told(done: Done, settings: Settings) -> list[str]:
    header = done.header
    said = [f"put back: {_about(header)}"]
    if done.revision != header.revision:
        said.append(f"migrated: from schema {header.revision} to {done.revision}")
    said.append(f"erasures: {done.erasures} known, {done.erased} visitors erased again")
    if not settings.backup_dir:
        said.append("Warning: without POORT_BACKUP_DIR there is no list of erasures beside the backups to look at")
    if done.readable is False:
        said.append("Warning: the database that was replaced could not be read; restrictions since are not taken over")
    said.append(
        f"lost: what was stored from {_utc(header.moment)} to {_utc(done.now)}; visitors' browsers send the receipts "
        "of those hours again, and each becomes a record once more")
    said.append(
        "not back: versions, members, passwords, webhooks and API keys of those hours; publish again what was")
    return said
