"""`flask jobs run` and `list`: by a timer, by a runner of its own, or by hand."""

from datetime import timedelta

import click
from flask.cli import AppGroup

from consent import jobs, runs
from consent.db import db

jobs_group = AppGroup("jobs", help="Do what has to be done again and again.")


@jobs_group.command("run")
@click.argument("name", required=False)
@click.option("--loop", is_flag=True, help="Keep running until TERM or INT, and look every second.")
def run_jobs_command(name: str | None, loop: bool) -> None:
    """Do every job that is due, or the job NAME now, and say what was done. Two at a time do nothing twice.

    Status 1 when a job failed; the others are done all the same.
    """
    if loop and name:
        raise click.ClickException("--loop does every job; leave the name out.")
    if loop:
        jobs.keep_running(jobs.until_told())
        return
    results = [_run_one(name)] if name else jobs.finish_due()
    click.echo("\n".join(map(str, results)) or "nothing was left to do")
    if any(result.failed for result in results):
        raise SystemExit(1)


def _run_one(name: str) -> jobs.Result:
    try:
        return jobs.run_now(name) or jobs.Result(name, "another runner does it now")
    except KeyError as error:
        names = ", ".join(job.name for job in jobs.JOBS)
        raise click.ClickException(f"There is no job {name!r}; there are {names}.") from error


@jobs_group.command("list")
def list_jobs_command() -> None:
    """List the jobs: name, period, when it was last done, how it stands, what it does. Times are UTC."""
    known = runs.known(db.engine)
    for job in jobs.JOBS:
        click.echo("\t".join([job.name, period(job.every), *_stand(known.get(job.name)), job.what]))


def period(every: timedelta) -> str:
    """A job's period in words."""
    if not every:
        return "at every look"
    hours = int(every.total_seconds() // 3600)
    return "every hour" if hours == 1 else "every day" if hours == 24 else f"every {hours} hours"


def _stand(run: runs.Run | None) -> tuple[str, str]:
    done = f"done {run.done_at:%Y-%m-%d %H:%M}" if run and run.done_at else "never done"
    if run is None or run.failed_at is None:
        return done, "never failed"
    failed = f"failed {run.failed_at:%Y-%m-%d %H:%M}" + (f" ({run.error})" if run.error else "")
    return done, f"{failed}, fails since {run.failing_since:%Y-%m-%d %H:%M}" if run.failing_since else failed
