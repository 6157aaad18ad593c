"""`flask counts rebuild`: the daily counts once more, from the records."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime

import click
from flask.cli import AppGroup
from sqlalchemy import select

from consent import counts, recount
from consent.db import db
from consent.sites import Site

SHOWN = 10  # differences of a day that are told one by one

counts_group = AppGroup("counts", help="Make the daily counts again from the records.")


@counts_group.command("rebuild")
@click.argument("keys", metavar="[KEY]...", nargs=-1)
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), help="The first day. Default: the first there is.")
@click.option("--to", "last", type=click.DateTime(["%Y-%m-%d"]), help="The last day. Default: the last there is.")
@click.option("--check", is_flag=True, help="Only tell what differs; status 1 when something does.")
def rebuild_command(keys: Sequence[str], first: datetime | None, last: datetime | None, check: bool) -> None:
    """Make what the daily counts of the sites KEY say of records agree with the records; of all sites, left out.

    While Poort serves; killed, it can be started again. Records that went by erasure or retention go on counting.
    Showings, visits and expired consents have no record, and stay as they are.
    """
    if first and last and first > last:
        raise click.ClickException("--from: lies after --to.")
    days = first and first.date(), last and last.date()
    try:
        with recount.only_one(db.engine):
            differ = sum(_rebuild(site, days, check) for site in _sites(keys))
    except recount.Busy as error:
        raise click.ClickException("The counts are rebuilt by another command now; let it end first.") from error
    if check and differ:
        raise SystemExit(1)


def _sites(keys: Sequence[str]) -> list[str]:
    """The sites that are meant, each once."""
    with db.engine.connect() as connection:
        known = list(connection.scalars(select(Site.key).order_by(Site.key)))
    if missing := set(keys) - set(known):
        raise click.ClickException(f"There is no site with the key {min(missing)!r}.")
    return sorted(set(keys)) or known


def _rebuild(site: str, days: tuple[date | None, date | None], check: bool) -> int:
    """Compare a site's counts and, unless they are only checked, mend them; how many numbers differ."""
    differ = 0
    for span in recount.spans(db.engine, site, *days):
        found = recount.differences(db.engine, span)
        if not check:
            recount.mend(db.engine, found)
        for line in _told(found):
            click.echo(f"{site} {line}")
        differ += len(found)
    said = "differ" if check else "were mended"
    click.echo(f"{site}: {f'{differ} numbers {said}' if differ else 'agrees with the records'}")
    return differ


def _told(found: recount.Cells) -> Iterator[str]:
    """A line for each number, the largest differences of a day first, and one for the rest of the day."""
    for day in sorted({cell.day for cell in found}):
        theirs = Counter({cell: n for cell, n in found.items() if cell.day == day})
        ranked = sorted((-abs(n), _name(cell), n) for cell, n in theirs.items())
        for _, name, n in ranked[:SHOWN]:
            yield f"{day} {name}: {n:+}"
        if ranked[SHOWN:]:
            yield f"{day} {len(ranked) - SHOWN} more"


def _name(cell: counts.Tally | recount.Cell) -> str:
    """As in "answered accept_all", "bots answered custom" and "device mobile: analytics"."""
    if isinstance(cell, recount.Cell):
        return f"{cell.dimension} {cell.bucket or '-'}: {cell.counter}"
    return " ".join(["bots"] * cell.bot + [cell.metric] + [cell.value] * bool(cell.value))
