"""The same calls with millions of records stored and with none: `python -m bench.crowded --records 10000000`.

Takes some minutes to fill, and a kilobyte of disk for each record of both databases together.
"""

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pysqlite3

from bench.contest import Entry, arguments, compete, issued, settings, shop, show
from bench.load import Load, Round
from tests import servers

CONSENTS, GATE = "/v1/sites/shop/consents", "/v1/sites/shop/gate?tracker=hotjar"
COLUMNS = ("site, id, visitor, version, action, choices, trackers, source, language, gpc, page_group, browser, os,"
           " device, bot, recorded_at")
CHOICES = '{"functional":true,"analytics":true,"marketing":true}'
REST = f"1, 'accept_all', '{CHOICES}', '{{}}', 'banner', 'nl'"
SINCE = 1_763_800_000_000_000  # microseconds; a record each millisecond


def fill_sqlite(url: str, many: int) -> None:
    """Records of so many visitors; written without care, then as Poort writes."""
    connection = pysqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    for statement in (
        "PRAGMA journal_mode=OFF", "PRAGMA synchronous=OFF", "PRAGMA cache_size=-4000000",
        "DROP INDEX ix_record_site_visitor",
        f"INSERT INTO record ({COLUMNS}) WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers "
        f"WHERE n < {many}) SELECT 'shop', randomblob(16), randomblob(16), {REST}, 0, 'home', 'Chrome', 'Windows', "
        f"'desktop', 0, {SINCE} + n * 1000 FROM numbers",
        "CREATE INDEX ix_record_site_visitor ON record (site, visitor, recorded_at)", "ANALYZE",
        "PRAGMA journal_mode=WAL",
    ):
        connection.execute(statement).fetchall()
    connection.close()


def fill_postgresql(url: str, many: int) -> None:
    """The same."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in (
            "ALTER TABLE record DROP CONSTRAINT pk_record", "DROP INDEX ix_record_site_visitor",
            "SET synchronous_commit = off", "SET maintenance_work_mem = '1GB'",
            f"INSERT INTO record ({COLUMNS}) SELECT 'shop', gen_random_uuid(), gen_random_uuid(), {REST}, false, "
            f"'home', 'Chrome', 'Windows', 'desktop', false, "
            f"{SINCE} + n::bigint * 1000 FROM generate_series(1, {many}) AS n",
            "ALTER TABLE record ADD CONSTRAINT pk_record PRIMARY KEY (site, id)",
            "CREATE INDEX ix_record_site_visitor ON record (site, visitor, recorded_at)", "VACUUM ANALYZE record",
            "CHECKPOINT",
        ):
            connection.execute(statement.encode())


def count(url: str) -> int:
    """How many records there are."""
    connect: Any = pysqlite3.connect if url.startswith("sqlite") else psycopg.connect
    connection = connect(url.removeprefix("sqlite:///"))
    try:
        return int(connection.execute("SELECT count(*) FROM record").fetchone()[0])
    finally:
        connection.close()


def main() -> None:
    """Gate and record on both databases, empty and full."""
    chosen = arguments("Measure with many records stored.")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="poort-bench-")))
        cluster = stack.enter_context(servers.postgres(durable=True))
        full = {"SQLite": servers.sqlite(folder), "PostgreSQL": cluster.fresh()}
        for (name, url), fill in zip(full.items(), (fill_sqlite, fill_postgresql), strict=True):
            started = time.monotonic()
            fill(url, chosen.records)
            print(f"{name}: {count(url):,} records after {time.monotonic() - started:.0f} s", flush=True)
        entries: list[Entry] = []
        for name, url in full.items():
            empty = servers.sqlite(folder) if name == "SQLite" else cluster.fresh()
            for label, there in ((f"{name}, empty", empty), (f"{name}, {chosen.records:,} records", url)):
                server = stack.enter_context(shop(there, **settings(chosen)))
                known = issued(folder)
                yardstick = f"{name}, empty" if there == url else None
                entries += [
                    Entry(f"{kind}: {label}", load, yardstick and f"{kind}: {yardstick}") for kind, load in (
                        ("script", Load(server.port, "/banner/shop.js")),
                        ("gate", Load(server.port, GATE, receipts=known)),
                        ("record", Load(server.port, CONSENTS, posts=True)))
                ]
        rounds = compete(entries, chosen)
        show(entries, rounds)
        for name, url in full.items():
            _check(url, chosen.records, rounds[f"record: {name}, {chosen.records:,} records"])


def _check(url: str, before: int, rounds: list[Round]) -> None:
    rows, acknowledged = count(url) - before, sum(one.requests - one.refused for one in rounds)
    print(f"{rows:,} new rows, {acknowledged:,} acknowledged in the counted rounds")
    if acknowledged > rows:
        raise SystemExit("WRONG: something acknowledged is not stored")


if __name__ == "__main__":
    main()
