"""Whoever is killed in the middle of a job, and however many do it at once: nothing is lost, nothing done twice."""

import signal
import subprocess
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pysqlite3
import pytest
from flask import Flask
from sqlalchemy import insert, select, update

from app import create_app
from consent import accounts, contracts, expiry, idle, jobs, mails, runs, sites, versions
from consent.counts import DailyCount
from consent.db import alone, db, writing_on
from consent.outbox import DEAD, Event
from consent.records import Record
from consent.terms import Term
from tests import decisions, servers
from tests.conftest import close
from tests.servers import COMMANDS, ROOT, Server
from tests.shop import DEFINITION
from tests.test_kill import SmallDisk, small_disk  # noqa: F401  # a fixture
from tests.test_ops import measured

NOW = datetime.now(UTC)
LIFE, CLAIM = 30, 30
PEOPLE = 100  # to be warned, and as many to be removed

# How far a job is, as a number that changes while it works, and the databases on which it is cut off there.
PROGRESS = {
    "expire": ("SELECT COALESCE(SUM(n), 0) FROM daily_count WHERE metric = 'expired'", "postgresql"),
    "forget": ("SELECT COUNT(*) FROM record WHERE site = 'shop'", "sqlite"),
    "errors": ("SELECT COUNT(*) FROM outbox WHERE state = 'dead'", "sqlite"),
    "accounts": ("SELECT COUNT(*) FROM mail", "sqlite"),
    "organisations": ("SELECT COUNT(*) FROM record WHERE site = 'gone'", "postgresql"),
}


def application(server: Server) -> Flask:
    """The application in this process, on the server's database."""
    return create_app(**{name: value for name, value in server.env.items() if name.startswith("POORT_")})


class Seed:
    """What the jobs have to do, and on which database."""

    def __init__(self, kind: str, server: Server) -> None:
        self.kind, self.server = kind, server
        self.rows = decisions.many("shop", NOW - timedelta(days=390), 360, 6_000)
        app = application(server)
        with app.app_context():
            self._sites()
            decisions.store(db.engine, self.rows)
            decisions.store(db.engine, decisions.many("gone", NOW - timedelta(days=100), 90, 3_000), trailing=True)
            self._people()
            self._events()
        close(app)

    @property
    def ends(self) -> dict[str, int]:
        """What PROGRESS says when all is done."""
        days = {1: LIFE}
        expired = decisions.expired(self.rows, days, NOW - expiry.MARGIN)
        left = decisions.kept(self.rows, days, days, CLAIM, NOW)
        return {"expire": sum(expired.values()), "forget": len(left), "errors": 0, "accounts": 2 * PEOPLE,
                "organisations": 0}

    def _sites(self) -> None:
        own = {"consent_days": LIFE, "refusal_days": LIFE, "claim_days": CLAIM}
        for key, organisation in (("shop", "Webwinkel B.V."), ("gone", "Weg B.V.")):
            site, _ = sites.apply({**DEFINITION, **own, "key": key, "organisation": organisation})
            versions.publish(site, NOW - timedelta(days=400))
        contracts.end("Weg B.V.", (NOW - timedelta(days=800)).date())
        db.session.commit()

    def _people(self) -> None:
        long_ago = date(2020, 1, 1)
        with writing_on(db.engine) as connection:
            for id in range(1, 2 * PEOPLE + 1):
                connection.execute(insert(accounts.User.__table__).values(
                    id=id, email=f"p{id}@x.example", password="", active=True, fs_uniquifier=str(id), created_at=NOW,
                    seen_on=long_ago))
        for id in range(1, PEOPLE + 1):
            mails.queue(f"account:{id}:{long_ago}", f"p{id}@x.example", "", "", NOW - timedelta(days=40))
        db.session.commit()
        with writing_on(db.engine) as connection:
            connection.execute(update(mails.Mail).values(state=mails.SENT, ended_at=NOW - idle.NOTICE))

    def _events(self) -> None:
        old = decisions.many("shop", NOW - timedelta(days=40), 5, 4_000, seed=8)
        with writing_on(db.engine) as connection:
            connection.execute(
                insert(Event.__table__), [{**decisions._event(row), "state": DEAD, "record": None} for row in old])

    def asked(self, query: str) -> int:
        """A number from the database, over a connection of this process alone."""
        if self.kind == "sqlite":
            line = pysqlite3.connect(self.server.database_url.removeprefix("sqlite:///"), timeout=10)
            found = line.execute(query).fetchone()[0]
            line.close()
        else:
            with psycopg.connect(self.server.database_url) as connection:
                found = connection.execute(query.encode()).fetchone()[0]  # type: ignore[index]  # it has a row
        return int(found)


@pytest.fixture(params=["sqlite", "postgresql"])
def seed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Seed:
    kind = str(request.param)
    url = servers.sqlite(tmp_path_factory.mktemp("jobs")) if kind == "sqlite" else None
    return Seed(kind, Server(url or request.getfixturevalue("postgres").fresh()))


def begun(server: Server, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [COMMANDS / "flask", "jobs", "run", *arguments], cwd=ROOT, env=server.env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def cut_off(seed: Seed, job: str, query: str) -> bool:
    """Kill a runner as soon as it has done something of the job; whether something was left then."""
    before = seed.asked(query)
    with begun(seed.server, job) as process:
        while process.poll() is None and seed.asked(query) == before:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
    return seed.asked(query) != seed.ends[job]


def test_a_job_that_is_cut_off_is_done_by_the_next_runner_and_once_by_two(seed: Seed) -> None:
    cut = [cut_off(seed, job, query) for job, (query, kinds) in PROGRESS.items() if seed.kind in kinds]
    assert any(cut), "none was hit in the middle: the test proves nothing"
    both = [begun(seed.server), begun(seed.server)]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    app = application(seed.server)
    with app.app_context():
        # A runner that got to its end waited for what the one before had not counted; it is due tomorrow.
        jobs.run_now("forget")
        _all_is_done_once(seed)
    close(app)


def _all_is_done_once(seed: Seed) -> None:
    with db.engine.connect() as connection:
        until = connection.scalar(select(Term.counted_until).where(Term.site == "shop"))
        counted = connection.execute(
            select(DailyCount.day, DailyCount.bot, DailyCount.n).where(DailyCount.metric == "expired"))
        assert until is not None
        assert {(day, bot): n for day, bot, n in counted} == decisions.expired(seed.rows, {1: LIFE}, until)
        left = set(connection.scalars(select(Record.id)))
        rows: list[Any] = seed.rows
        assert decisions.kept(rows, {1: LIFE}, {1: LIFE}, CLAIM, datetime.now(UTC)) <= left
        assert left <= decisions.kept(rows, {1: LIFE}, {1: LIFE}, CLAIM, NOW)
        assert set(connection.scalars(select(accounts.User.id))) == set(range(PEOPLE + 1, 2 * PEOPLE + 1))
        assert len(list(connection.scalars(select(mails.Mail.key)))) == 2 * PEOPLE
        assert list(connection.scalars(select(sites.Site.key))) == ["shop"]
        assert list(connection.scalars(select(accounts.Organisation.name))) == ["Webwinkel B.V."]
        assert list(connection.scalars(select(Event.id))) == []


def test_a_full_disk_fails_a_job_which_is_seen_and_done_later(small_disk: SmallDisk) -> None:  # noqa: F811
    with Server(servers.sqlite(small_disk.folder), WEB_CONCURRENCY=1, POORT_JOBS="on") as server:
        app = application(server)
        with app.app_context():
            site, _ = sites.apply(DEFINITION)
            versions.publish(site, NOW - timedelta(days=900))
            db.session.commit()
            decisions.store(db.engine, decisions.many("shop", NOW - timedelta(days=890), 200, 500))
            servers.until(lambda: measured(server)["poort_job_last_success_timestamp_seconds,organisations"])
            expiry.expire(db.engine, NOW)
            with alone(db.engine, runs.JobLock.__table__, "forget"):
                with writing_on(db.engine) as connection:
                    connection.execute(update(runs.JobRun).where(runs.JobRun.name == "forget").values(due_at=NOW))
                small_disk.fill(server)
            servers.until(lambda: failing(server))
            assert server.call("GET", "/healthz").status == 200
            small_disk.clear(server)
            servers.until(lambda: not failing(server) and not left())
            assert measured(server)["poort_job_failures_total,forget"] >= 1
        close(app)


def failing(server: Server) -> bool:
    """Whether /metrics shows that the job fails. On a full disk the note of it may not fit either."""
    found = measured(server)
    return bool(found["poort_job_failing,forget"] or found.get("poort_job_unwritten,forget"))


def left() -> list[Any]:
    with db.engine.connect() as connection:
        return list(connection.scalars(select(Record.id)))
