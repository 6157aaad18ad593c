"""The runner of the jobs: what is due is done once, a failure keeps nothing else waiting and is seen."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text
from sqlalchemy.engine import Engine

from consent import jobs, runs, sites, versions
from consent.batches import More
from consent.db import alone, db, writing_on
from consent.jobs import Job, Runner
from tests.conftest import ROOT
from tests.pages import signed_in
from tests.shop import DEFINITION, NOW

HOUR = timedelta(hours=1)


class Work:
    """A job of the tests: notes when it ran, and fails when it is told to."""

    def __init__(self, name: str, every: timedelta = HOUR) -> None:
        self.job, self.done, self.fault = Job(name, every, self._run), 0, ""
        self.goes = 1

    def _run(self, _: Engine, __: Any) -> str:
        if self.fault:
            raise OSError(28, self.fault)
        self.done += 1
        self.goes -= 1
        return More("some") if self.goes > 0 else "all"


@pytest.fixture
def works() -> list[Work]:
    return [Work("first"), Work("second"), Work("third", timedelta(0))]


@pytest.fixture
def runner(app: Flask, works: list[Work]) -> Runner:
    return Runner(db.engine, app.extensions["poort.settings"], [work.job for work in works])


def always(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment


def at(minutes: float) -> Callable[[], datetime]:
    return always(NOW + timedelta(minutes=minutes))


def names(results: list[jobs.Result]) -> list[str]:
    return [result.name for result in results]


def test_a_job_waits_for_its_period_and_catches_up_once(runner: Runner) -> None:
    assert names(runner.round(at(0))) == ["first", "second", "third"]
    assert names(runner.round(at(59))) == ["third"]
    assert names(runner.round(at(60))) == ["first", "second", "third"]
    assert names(runner.round(at(60 * 24 * 9))) == ["first", "second", "third"], "nine days without a runner"
    assert names(runner.round(at(60 * 24 * 9 + 1))) == ["third"]


def test_a_clock_that_was_ahead_does_not_stop_a_job(runner: Runner) -> None:
    runner.round(at(60 * 24 * 3650))
    assert names(runner.round(at(0))) == ["first", "second", "third"]


def test_a_second_runner_that_saw_it_due_does_not_do_it_again(app: Flask, works: list[Work], runner: Runner) -> None:
    """It waited for the lock, or came a moment later: what it does is looked up under the lock."""
    other = Runner(db.engine, app.extensions["poort.settings"], runner.jobs)
    assert runner.do(works[0].job, at(0)) is not None
    assert other.do(works[0].job, at(0)) is None
    assert works[0].done == 1


def test_what_another_runner_does_is_left_to_it(runner: Runner, works: list[Work]) -> None:
    with alone(db.engine, runs.JobLock.__table__, "first") as mine:
        assert mine
        assert names(runner.round(at(0))) == ["second", "third"]
    assert works[0].done == 0


class TestFailing:
    def test_it_keeps_no_other_waiting_and_is_tried_ever_more_rarely(self, runner: Runner, works: list[Work]) -> None:
        works[0].fault = "No space left on device"
        results = runner.round(at(0))
        assert [result.failed for result in results] == [True, False, False]
        run = runs.known(db.engine)["first"]
        assert (run.failing_since, run.failed_at, run.attempts, run.failures) == (NOW, NOW, 1, 1)
        assert run.error == "OSError: No space left on device"
        waits = []
        for _ in range(12):
            due = runs.known(db.engine)["first"].due_at
            waits.append(due - runs.known(db.engine)["first"].failed_at)
            assert "first" not in names(runner.round(always(due - timedelta(seconds=1))))
            assert "first" in names(runner.round(always(due)))
        assert timedelta(seconds=5) <= waits[0] <= timedelta(seconds=10)
        assert timedelta(minutes=30) <= waits[-1] <= HOUR

    def test_it_is_over_with_the_next_success(self, runner: Runner, works: list[Work]) -> None:
        works[2].fault = "No space left on device"
        runner.round(at(0))
        works[2].fault = ""
        runner.round(at(1))
        run = runs.known(db.engine)["third"]
        assert (run.failing_since, run.done_at, run.attempts, run.failures) == (None, at(1)(), 0, 1)
        assert run.error, "until it is 30 days old"

    def test_one_that_can_not_be_written_down_is_written_down_later(self, runner: Runner, works: list[Work]) -> None:
        """As on a full disk, where the note of the failure does not fit either."""
        works[0].fault = "No space left on device"
        with _read_only():
            assert [result.failed for result in runner.round(at(0))] == [True, True, True]
            assert names(runner.round(at(0))) == [], "nor is it tried all the time"
            assert [result.failed for result in runner.round(at(1))] == [True, True, True]
        runner.round(at(1.01))
        assert runs.known(db.engine)["first"].failing_since == NOW
        works[0].fault = ""
        assert "first" in names(runner.round(at(3)))
        assert runs.known(db.engine)["first"].failing_since is None

    def test_the_command_says_so_and_does_the_others(self, app: Flask, shop: Any) -> None:
        with _without("outbox"):
            done = app.test_cli_runner().invoke(args=["jobs", "run"])
        assert done.exit_code == 1
        lines = dict(line.split(": ", 1) for line in done.output.splitlines())
        assert list(lines) == [job.name for job in jobs.JOBS]
        assert [name for name, said in lines.items() if said.startswith("failed")] == ["webhooks", "errors"]

    def test_it_is_seen_in_the_metrics_on_the_console_and_in_the_list(self, app: Flask, people: Any) -> None:
        jobs.run_due()
        alice = signed_in(app, "alice")
        assert "mislukt sinds" not in alice.get("/console/?lang=nl").text
        runs.fail(db.engine, runs.known(db.engine)["forget"], "forget", OSError(28, "No space left on device"), NOW)
        found = samples(app)
        assert found["poort_job_failing", "forget"] == 1
        assert found["poort_job_failing", "expire"] == 0
        assert found["poort_job_failures_total", "forget"] == 1
        assert found["poort_job_last_success_timestamp_seconds", "forget"] > NOW.timestamp()
        page = alice.get("/console/?lang=nl").text
        assert "De taak forget mislukt sinds 22 november 2026 10:00" in page
        assert "mislukt sinds" not in signed_in(app, "bob").get("/console/").text, "a marketer can do nothing about it"
        for language, word in (("nl", "mislukt"), ("en", "fails")):
            shown = alice.get(f"/console/jobs?lang={language}").text
            assert word in shown
            assert "OSError: No space left on device" in shown
            assert all(job.name in shown for job in jobs.JOBS)
        listed = app.test_cli_runner().invoke(args=["jobs", "list"]).output.splitlines()
        assert len(listed) == len(jobs.JOBS)
        line = next(line for line in listed if line.startswith("forget\t"))
        assert "fails since 2026-11-22 10:00" in line
        assert "OSError" in line

    def test_an_install_without_a_runner_is_seen(self, app: Flask, people: Any, define: Any) -> None:
        alice = signed_in(app, "alice")
        versions.publish(sites.apply({**DEFINITION, "key": "old"})[0], datetime.now(UTC) - timedelta(days=3))
        db.session.commit()
        assert "nog geen taak uitgevoerd" in alice.get("/console/?lang=nl").text
        jobs.run_due()
        assert "nog geen taak uitgevoerd" not in alice.get("/console/?lang=nl").text

    def test_a_runner_that_is_gone_is_seen_too(self, app: Flask, people: Any) -> None:
        jobs.run_due()
        with writing_on(db.engine) as connection:
            connection.execute(runs.JobRun.__table__.update().where(runs.JobRun.name == "forget").values(
                due_at=datetime.now(UTC) - timedelta(hours=3)))
        assert 3 * 3600 <= samples(app)["poort_job_overdue_seconds", "forget"] < 3 * 3600 + 60
        assert "De taken worden niet uitgevoerd: forget" in signed_in(app, "alice").get("/console/?lang=nl").text


def samples(app: Flask) -> dict[tuple[str, str], float]:
    """The samples of the jobs in /metrics, by name and job."""
    page = app.test_client().get("/metrics").text
    families = text_string_to_metric_families(page)
    return {(one.name, one.labels["job"]): one.value
            for family in families for one in family.samples if "job" in one.labels}


@contextmanager
def _read_only() -> Iterator[None]:
    """The table of the jobs can not be written."""
    on, off = _CLOSED[db.engine.dialect.name]
    _do(*on)
    try:
        yield
    finally:
        _do(*off)


_CLOSED = {
    "sqlite": (
        [f"CREATE TRIGGER job_no_{verb} BEFORE {verb} ON job BEGIN SELECT RAISE(ABORT, 'closed'); END"
         for verb in ("insert", "update")],
        [f"DROP TRIGGER job_no_{verb}" for verb in ("insert", "update")],
    ),
    "postgresql": (
        ["ALTER TABLE job ADD CONSTRAINT closed CHECK (attempts < 0) NOT VALID"],
        ["ALTER TABLE job DROP CONSTRAINT closed"],
    ),
}


def _do(*statements: str) -> None:
    with writing_on(db.engine) as connection:
        for statement in statements:
            connection.execute(text(statement))


@contextmanager
def _without(table: str) -> Iterator[None]:
    """As long as the block lasts, the table is away."""
    _do(f'ALTER TABLE "{table}" RENAME TO "{table}_away"')
    try:
        yield
    finally:
        _do(f'ALTER TABLE "{table}_away" RENAME TO "{table}"')


def test_a_job_that_wants_to_go_on_does_so_after_the_others(runner: Runner, works: list[Work]) -> None:
    works[0].goes = 3
    for _ in range(3):
        runner.round(at(0))
    assert [work.done for work in works] == [3, 1, 3]
    runner.round(at(1))
    assert works[0].done == 3


@pytest.mark.parametrize("arguments", [("run", "nothing"), ("run", "expire", "--loop")])
def test_bad_input_is_one_line(app: Flask, arguments: tuple[str, ...]) -> None:
    done = app.test_cli_runner().invoke(args=["jobs", *arguments])
    assert done.exit_code != 0
    assert len(done.output.strip().splitlines()) == 1
    assert done.output.startswith("Error: ")


def test_one_job_is_done_now_whether_it_is_due_or_not(app: Flask) -> None:
    commands = app.test_cli_runner()
    for _ in range(2):
        assert commands.invoke(args=["jobs", "run", "expire"]).output == "expire: 0 consents ended\n"
    with alone(db.engine, runs.JobLock.__table__, "expire"):
        assert commands.invoke(args=["jobs", "run", "expire"]).output == "expire: another runner does it now\n"


def test_every_job_says_what_it_does() -> None:
    assert all(job.what for job in jobs.JOBS)
    assert len({job.name for job in jobs.JOBS}) == len(jobs.JOBS)


def test_the_units_are_right(tmp_path: Path) -> None:
    """systemd itself reads them; where there is none, they are read as what they are."""
    units = sorted((ROOT / "deploy" / "systemd").glob("poort*"))
    assert {"poort.service", "poort-jobs.service", "poort-jobs.timer"} <= {unit.name for unit in units}
    for unit in units:
        # It looks for the programs too, which are not installed where the units say.
        (tmp_path / unit.name).write_text(unit.read_text().replace("/srv/poort/.venv/bin/", "/bin/true "))
    if not any(os.access(f"{folder}/systemd-analyze", os.X_OK) for folder in os.get_exec_path()):
        for unit in units:
            assert all("=" in line or line.startswith(("#", "[")) for line in unit.read_text().splitlines() if line)
        return
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / unit.name) for unit in units)],
        capture_output=True, text=True, timeout=60)
    said = [line for line in done.stderr.splitlines() if "poort" in line]
    assert said == [], done.stderr
