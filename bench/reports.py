"""Reports over ten million records, and the counts made again from them: `python -m bench.reports`.

    --records 10000000 --days 90 --sites 10
    --database sqlite|postgresql
    --rounds 9                    how often each page and each question is asked
    --check                       let `flask counts rebuild --check` compare every number once more

The records are made in the database (their ids rise, so the pages of its indexes are written in order). Their counts
are made by `flask counts rebuild` in a process of its own: its time and the most memory that it had are told. Then each
page and each form of the report at the server (in this process, without a network), the reading itself, and beside it
the same question put to the records. Ends non-zero when a page takes 100 ms or more at the median.
"""

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import func, select, text
from sqlalchemy.engine import Connection

from app import create_app
from bench.load import machine
from consent import accounts, breakdowns, keys, sites, versions
from consent.db import db, microseconds
from consent.records import Record
from tests import servers
from tests.conftest import LITTLE_WORK, PASSWORD, close
from tests.pages import Browser
from tests.servers import SECRET
from tests.shop import DEFINITION

TARGET = 100.0  # milliseconds
STEP = 500_000  # records in a transaction
ORGANISATION = "Webwinkel B.V."
SHOWN_OF = ("device", "browser", "system", "language", "page_group", "version", "gpc")
DAY_MS, HOUR_US = 86_400_000, 3_600_000_000

# By dialect: the numbers from :low to :high, a random number below 1,000, a UUID of a number, a day of an hour in it,
# and a text that is JSON.
WORDS: dict[str, dict[str, str]] = {
    "sqlite": {
        "numbers": "WITH RECURSIVE number(n) AS (SELECT :low UNION ALL SELECT n + 1 FROM number WHERE n < :high)",
        "chance": "abs(random()) % 1000", "id": "unhex(printf('%032x', {}))",
        "day": "date(({} + {hour}) / 1000000, 'unixepoch')", "json": "",
    },
    "postgresql": {
        "numbers": "WITH number AS (SELECT n FROM generate_series(CAST(:low AS bigint), CAST(:high AS bigint)) AS n)",
        "chance": "floor(random() * 1000)::int", "id": "lpad(to_hex({}), 32, '0')::uuid",
        "day": "(to_timestamp(({} + {hour}) / 1000000) AT TIME ZONE 'UTC')::date", "json": "::json",
    },
}
# Visitors who come back now and then: the banner nine times in ten, of which half accepts and a third refuses.
RECORDS = """
{numbers}, drawn AS MATERIALIZED (
    SELECT n, :start + n * :apart AS at, {chance} AS a, {chance} AS b, {chance} AS c, {chance} AS d, {chance} AS e,
           {chance} AS f, {chance} AS g
    FROM number
), said AS MATERIALIZED (
    SELECT drawn.*, CASE WHEN a < 20 THEN 'withdraw' WHEN b < 500 THEN 'accept_all' WHEN b < 830 THEN 'necessary_only'
                         ELSE 'custom' END AS action FROM drawn
)
INSERT INTO record (site, id, visitor, version, action, choices, trackers, source, language, gpc, page_group, browser,
                    os, device, bot, recorded_at, took, counted_on)
SELECT 'site-' || (n % :sites), {id}, {visitor}, 1, action,
       CASE action WHEN 'accept_all' THEN '{{"functional": true, "analytics": true, "marketing": true}}'
                   WHEN 'custom' THEN '{{"functional": true, "analytics": true, "marketing": false}}'
                   ELSE '{{"functional": false, "analytics": false, "marketing": false}}' END{json},
       CASE WHEN action = 'custom' AND c < 300 THEN '{{"hotjar": false}}' ELSE '{{}}' END{json},
       CASE WHEN a < 100 THEN 'settings' ELSE 'banner' END,
       CASE WHEN d < 850 THEN 'nl' ELSE 'en' END, {gpc},
       CASE WHEN e < 300 THEN 'home' WHEN e < 600 THEN 'products' WHEN e < 800 THEN 'blog' WHEN e < 900 THEN 'checkout'
       END,
       CASE WHEN f < 550 THEN 'Chrome' WHEN f < 750 THEN 'Mobile Safari' WHEN f < 850 THEN 'Edge'
            WHEN f < 930 THEN 'Firefox' ELSE 'Samsung Internet' END,
       CASE WHEN f < 350 THEN 'Windows' WHEN f < 550 THEN 'Android' WHEN f < 750 THEN 'iOS' WHEN f < 900 THEN 'Mac OS X'
            ELSE 'Linux' END,
       CASE WHEN f < 550 THEN 'desktop' WHEN f < 950 THEN 'mobile' ELSE 'tablet' END, {bot}, at,
       CASE WHEN a >= 100 THEN g / 143 END, {day}
FROM said
"""


def fill(app: Flask, chosen: argparse.Namespace) -> None:
    """The sites, their owner, and the records of so many days up to now."""
    for number in range(chosen.sites):
        site, _ = sites.apply({**DEFINITION, "key": f"site-{number}", "name": f"Winkel {number}"})
        versions.publish(site, datetime.now(UTC))
    accounts.create_user("alice@shop.example", PASSWORD, accounts.organisation_named(ORGANISATION), "owner")
    db.session.commit()
    words = WORDS[db.engine.dialect.name]
    plain = {name: words[name] for name in ("numbers", "chance", "json")}
    made = RECORDS.format(
        **plain, id=words["id"].format("n"), visitor=words["id"].format("n * 5 / 6"), gpc="g % 20 = 0", bot="c >= 970",
        day=words["day"].format("at", hour=HOUR_US))
    start = microseconds(datetime.now(UTC) - timedelta(days=chosen.days))
    apart = chosen.days * DAY_MS * 1000 // chosen.records
    for low in range(0, chosen.records, STEP):
        with db.engine.connect().execution_options(will_write=True) as connection, connection.begin():
            _unhurried(connection)
            connection.execute(text(made), {
                "low": low, "high": min(low + STEP, chosen.records) - 1, "start": start, "apart": apart,
                "sites": chosen.sites})
    with db.engine.connect() as connection, connection.begin():
        _unhurried(connection)
        found = connection.execute(select(Record.site, func.count()).group_by(Record.site)).all()
    if {site for site, _ in found} != {f"site-{n}" for n in range(chosen.sites)}:
        raise SystemExit(f"WRONG: {found}")


def _unhurried(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))


def rebuild(url: str, *arguments: str) -> None:
    """Run the command in a process of its own, and tell what it took."""
    started = time.perf_counter()
    servers.flask(servers.environment(url), "counts", "rebuild", *arguments, patience=3_600)
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    said = " ".join(["flask counts rebuild", *arguments])
    print(f"`{said}`: {time.perf_counter() - started:,.0f} s; no process had more than {most:,.0f} MB", flush=True)


def analyse() -> None:
    """What PostgreSQL does by itself in time."""
    if db.engine.dialect.name == "postgresql":
        with db.engine.connect() as connection, connection.begin():
            _unhurried(connection)
            connection.execute(text("ANALYZE"))


def show_banners() -> None:
    """Showings have no record: eight for every five answers."""
    answers = "accept_all + necessary_only + custom"
    named = ", ".join(f"'{dimension}'" for dimension in SHOWN_OF)
    with db.engine.connect().execution_options(will_write=True) as connection, connection.begin():
        connection.execute(text(
            f"UPDATE daily_slice SET shown = ({answers}) * 8 / 5 WHERE dimension IN ({named})"))
        connection.execute(text(
            "INSERT INTO daily_count (site, day, bot, metric, value, n) SELECT site, day, bot, 'shown', '', "
            "sum(n) * 8 / 5 FROM daily_count WHERE metric = 'answered' GROUP BY site, day, bot"))


# Questions ------------------------------------------------------------------------------------------------------------

def timed(ask: Callable[[], Any], rounds: int) -> list[float]:
    """Milliseconds, sorted, after once that is not counted."""
    ask()
    took = []
    for _ in range(rounds):
        started = time.perf_counter()
        ask()
        took.append((time.perf_counter() - started) * 1000)
    return sorted(took)


def pages(app: Flask) -> list[str]:
    """Every page and form of the report that takes no more than the key of a site, and the list of the sites."""
    found = [
        rule.rule for rule in app.url_map.iter_rules()
        if "report" in rule.rule and rule.rule.startswith("/console/") and "GET" in (rule.methods or ())
        and rule.arguments <= {"key", "site", "form"}]
    return ["/console/", *sorted(found)]


def answers(app: Flask, chosen: argparse.Namespace) -> int:
    """Ask for everything; how many are too slow."""
    browser, slow, last = Browser(app), 0, datetime.now(UTC).date()
    browser.sign_in("alice@shop.example")
    print("\n| page | days | status | median | p95 |\n|---|---|---|---|---|")
    for page in pages(app):
        for days in (30, chosen.days):
            path = page.replace("<key>", "site-3").replace("<site>", "site-3")
            first = last - timedelta(days=days - 1)
            where = f"{path}?from={first}&to={last}"
            status = browser.get(where).status_code
            took = timed(lambda where=where: browser.get(where), chosen.rounds)  # type: ignore[misc]  # bound at once
            slow += row(f"`{page}` | {days} | {status}", took)
    api = {"Authorization": f"Bearer {api_key()}"}
    for by in ("total", "day", "tracker", "device"):
        where = f"/v1/admin/sites/site-3/report?by={by}&from={last - timedelta(days=chosen.days - 1)}&to={last}"
        status = browser.get(where, headers=api).status_code
        took = timed(lambda where=where: browser.get(where, headers=api), chosen.rounds)  # type: ignore[misc]  # as above
        slow += row(f"`/v1/admin/sites/site-3/report?by={by}` | {chosen.days} | {status}", took)
    return slow


def api_key() -> str:
    """A key that may read."""
    _, made = keys.create(ORGANISATION, None, "bench", datetime.now(UTC), ("read",), None)
    db.session.commit()
    return made


def row(name: str, took: list[float]) -> int:
    """Print a line; 1 when it is too slow."""
    median = statistics.median(took)
    print(f"| {name} | {median:.1f} ms | {took[int(len(took) * 0.95)]:.1f} ms |", flush=True)
    return median >= TARGET


def beside(chosen: argparse.Namespace) -> None:
    """The reading itself, from the counts, and the same question put to the records."""
    last = datetime.now(UTC).date()
    print("\n| question | from the counts | from the records |\n|---|---|---|")
    for days, many in ((30, 1), (chosen.days, 1), (chosen.days, chosen.sites)):
        first, names = last - timedelta(days=days - 1), [f"site-{n}" for n in range(many)]
        own = statistics.median(timed(lambda: read(names, first, last), chosen.rounds))  # noqa: B023  # called at once
        scanned = statistics.median(timed(lambda: scan(names, first, last), 1))  # noqa: B023  # as above
        print(f"| {many} sites, {days} days: answers, categories, all parts, trackers | {own:.1f} ms | "
              f"{scanned:,.0f} ms (answers and categories by device alone) |", flush=True)


def read(names: list[str], first: date, last: date) -> None:
    """All figures of a report."""
    breakdowns.figures(names, first, last)
    db.session.rollback()


def scan(names: list[str], first: date, last: date) -> None:
    """Of the records: how many of each answer, by device."""
    table = Record.__table__.c
    since, until = (datetime.combine(day, datetime.min.time(), UTC) for day in (first, last + timedelta(days=1)))
    query = select(table.device, table.action, func.count()).where(
        table.site.in_(names), table.recorded_at >= since, table.recorded_at < until, table.source == "banner",
        ~table.bot).group_by(table.device, table.action)
    with db.engine.connect() as connection, connection.begin():
        _unhurried(connection)
        connection.execute(query).all()


def run(url: str, chosen: argparse.Namespace) -> int:
    """All of it on a new database; how many pages are too slow."""
    app = create_app(POORT_DATABASE_URL=url, POORT_SECRET_KEYS=SECRET, POORT_PUBLIC_URL="http://localhost")
    app.extensions["security"].pwd_context.update(**LITTLE_WORK)
    with app.app_context():
        started = time.perf_counter()
        fill(app, chosen)
        print(f"{chosen.records:,} records of {chosen.sites} sites over {chosen.days} days, {chosen.database}, made in "
              f"{time.perf_counter() - started:,.0f} s", flush=True)
        analyse()
        rebuild(url)
        if chosen.check:
            rebuild(url, "--check")
        show_banners()
        analyse()
        slow = answers(app, chosen)
        beside(chosen)
    close(app)
    return slow


def main() -> None:
    """On a new database."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--sites", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--check", action="store_true")
    chosen = parser.parse_args()
    print(machine())
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="poort-bench-")))
        cluster = stack.enter_context(servers.postgres(durable=True)) if chosen.database == "postgresql" else None
        slow = run(cluster.fresh() if cluster else servers.sqlite(folder), chosen)
    if slow:
        raise SystemExit(f"{slow} pages take {TARGET:.0f} ms or more")


if __name__ == "__main__":
    main()
