"""How fast the console's pages are with many sites: `python -m bench.console --sites 1000 --trackers 200`.

    --database sqlite|postgresql
    --rounds 15                   how often each page is asked for

Every page that an owner of all these sites can open, by the routes there are: the time at the server (in this process,
without a network), and how many statements the database was asked. Ends non-zero when a page takes 50 ms or more at
the median.
"""

import argparse
import hashlib
import json
import re
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import insert

from bench.load import machine
from consent import accounts, audit, sites, versions
from consent.catalogue import CATALOGUE
from consent.counts import DailyCount
from consent.db import db
from tests import servers
from tests.conftest import PASSWORD, close, migrate
from tests.pages import Browser, queries
from tests.shop import DEFINITION

TARGET = 50.0  # milliseconds
STEP = 50  # sites in one statement
MORE = ("/console/?page=20", "/console/?search=site-07", "/console/sites/{site}/versions/1",
        "/console/sites/{site}/versions/1/restore", "/console/sites/{site}/versions/compare?from=1&to=draft")
NOW = datetime.now(UTC)


def definition(trackers: int) -> dict[str, Any]:
    """A site with so many trackers: those of the catalogue, and the rest its own."""
    known: list[dict[str, Any]] = [{"id": id} for id in sorted(CATALOGUE)[:trackers]]
    own = [
        {"id": f"t{n}", "name": f"Service {n}", "vendor": f"Vendor {n} B.V.", "country": "NL", "category": "analytics",
         "hosts": [f"t{n}.shop.example"], "cookies": [{"name": f"_t{n}_*", "duration": "P13M"}],
         "purpose": {"nl": f"Telt bezoeken van soort {n}.", "en": f"Counts visits of kind {n}."}}
        for n in range(trackers - len(known))
    ]
    return sites.parse_definition({**DEFINITION, "key": "site-0000", "trackers": [*known, *own]})


def fill(many: int, trackers: int) -> None:
    """Sites with two versions each and a draft that differs, figures of a month, and their owner."""
    organisation = accounts.organisation_named("Webwinkel B.V.")
    accounts.create_user("alice@shop.example", PASSWORD, organisation, "owner")
    first = sites.create(definition(trackers), organisation, by=audit.COMMAND)
    for days in (180, 200):
        sites.change(first, {**first.draft, "refusal_days": days, "name": f"Winkel {days}"}, first.revision,
                     audit.COMMAND)
        versions.publish(first, NOW)
    sites.change(first, {**first.draft, "refusal_days": 210}, first.revision, audit.COMMAND)
    db.session.commit()
    models = [db.session.get(versions.Version, (first.key, number)) for number in (1, 2)]
    columns = [column.name for column in versions.Version.__table__.columns]
    rows = [{name: getattr(model, name) for name in columns} for model in models]
    drafts = {name: getattr(first, name) for name in (column.name for column in sites.Site.__table__.columns)}
    for start in range(1, many, STEP):
        keys = [f"site-{n:04}" for n in range(start, min(many, start + STEP))]
        db.session.execute(insert(sites.Site), [
            {**drafts, "key": key, "name": f"Winkel {key}", "draft": {**first.draft, "key": key}} for key in keys])
        db.session.execute(insert(versions.Version), [as_of(row, key) for key in keys for row in rows])
        db.session.execute(insert(DailyCount), [row for key in keys for row in counts(key)])
        db.session.commit()


def as_of(row: dict[str, Any], key: str) -> dict[str, Any]:
    """A version as another site would have published it."""
    snapshot = row["snapshot"].replace('"site-0000"', json.dumps(key))
    return {**row, "site": key, "snapshot": snapshot, "digest": hashlib.sha256(snapshot.encode()).hexdigest()}


def counts(key: str) -> Iterator[dict[str, Any]]:
    """A month of a site."""
    for days in range(30):
        for metric, value in (("shown", ""), ("answered", "accept_all"), ("answered", "necessary_only")):
            yield {"site": key, "day": NOW.date() - timedelta(days=days), "bot": False, "metric": metric,
                   "value": value, "n": 100 + days}


def paths(app: Flask, site: str) -> list[str]:
    """Every page of the console that takes no more than the key of a site."""
    found = {
        rule.rule.replace("<key>", "{site}") for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/console/") and "GET" in (rule.methods or ()) and rule.arguments <= {"key"}
    }
    return [path.format(site=site) for path in sorted(found) + list(MORE)]


def measure(browser: Browser, path: str, rounds: int) -> tuple[int, float, float, int]:
    """Status, median and 95th percentile in milliseconds, and the number of statements."""
    browser.get(path)
    with queries() as asked:
        status = browser.get(path).status_code
    took = []
    for _ in range(rounds):
        started = time.perf_counter()
        browser.get(path)
        took.append((time.perf_counter() - started) * 1000)
    took.sort()
    return status, statistics.median(took), took[int(len(took) * 0.95)], len(asked)


def run(url: str, chosen: argparse.Namespace) -> int:
    """Fill, ask for each page, print; how many are too slow."""
    app, slow = migrate(url), 0
    with app.app_context():
        fill(chosen.sites, chosen.trackers)
        db.session.remove()
        browser = Browser(app)
        browser.sign_in("alice@shop.example")
        print(f"{chosen.sites:,} sites of {chosen.trackers} trackers, {chosen.database}, {chosen.rounds} rounds\n\n"
              "| page | status | median | p95 | statements |\n|---|---|---|---|---|")
        for path in paths(app, f"site-{chosen.sites // 2:04}"):
            status, median, high, asked = measure(browser, path, chosen.rounds)
            slow += median >= TARGET
            shown = re.sub(r"site-\d{4}(?=/|$)", "KEY", path)
            print(f"| `{shown}` | {status} | {median:.1f} ms | {high:.1f} ms | {asked} |", flush=True)
    close(app)
    return slow


def main() -> None:
    """On a new database."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sites", type=int, default=1_000)
    parser.add_argument("--trackers", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    chosen = parser.parse_args()
    print(machine())
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="poort-bench-")))
        cluster = stack.enter_context(servers.postgres(durable=True)) if chosen.database == "postgresql" else None
        slow = run(cluster.empty() if cluster else servers.sqlite(folder), chosen)
    if slow:
        raise SystemExit(f"{slow} pages take {TARGET:.0f} ms or more")


if __name__ == "__main__":
    main()
