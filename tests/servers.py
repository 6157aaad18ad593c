"""Real servers for the tests: Poort under gunicorn on an empty, migrated SQLite file or PostgreSQL database.

    with postgres() as cluster, Server(cluster.fresh()) as server:
        server.publish(definition)
        assert server.call("GET", "/healthz").status == 200
"""

import atexit
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import psycopg
import pytest
from sqlalchemy.engine import make_url

from app import create_app
from consent.db import db

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = Path(sys.executable).parent
SECRET = "tests-only-Zk3vQ8mT5xW1rY7pB2nL9cH4"
PATIENCE = 30.0  # seconds for a server to come up on a busy machine


class Missing(Exception):
    """Something that the tests need is not installed; the message says what to install."""


class Reply(NamedTuple):
    """An answer over HTTP; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on now, of those that the system gives to no connection by itself.

    So it is still free after a restart. The workers of a parallel run look in rows that have no port in common.
    """
    row = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 16
    while True:
        port = random.randrange(16_000, 32_000, 16) + row
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def call(
    port: int, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, timeout: float = 30
) -> Reply:
    """One request on a connection of its own. A body that is not bytes is sent as JSON."""
    sent = {"Content-Type": "application/json", **(headers or {})} if body is not None else dict(headers or {})
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, data, sent)
        answer = connection.getresponse()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def until(reached: Callable[[], Any]) -> None:
    """Wait until it is so; what can not be reached yet is not so."""
    end = time.monotonic() + PATIENCE
    while True:
        with suppress(OSError):
            if reached():
                return
        assert time.monotonic() < end
        time.sleep(0.1)


def environment(database_url: str, **settings: Any) -> dict[str, str]:
    """The environment of Poort's commands: nothing of the caller's own settings, and these."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith("POORT_") and name not in ("PORT", "WEB_CONCURRENCY", "PROMETHEUS_MULTIPROC_DIR")}
    return {
        **kept, "FLASK_APP": "wsgi:app", "POORT_DATABASE_URL": database_url, "POORT_SECRET_KEYS": SECRET,
        **{name: str(value) for name, value in settings.items()},
    }


def flask(
    env: Mapping[str, str], *arguments: str, succeed: bool = True, patience: float = 120
) -> "subprocess.CompletedProcess[str]":
    """Run `flask ARGUMENTS`; by default an exit status other than 0 is an error with what was printed."""
    done = subprocess.run(
        [COMMANDS / "flask", *arguments], cwd=ROOT, env=dict(env), capture_output=True, text=True, timeout=patience)
    if succeed and done.returncode != 0:
        raise AssertionError(f"flask {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


def _migrated(database_url: str) -> str:
    flask(environment(database_url), "db", "upgrade")
    return database_url


# -- SQLite -----------------------------------------------------------------------------------------------------------

_template: list[Path] = []


def sqlite(folder: Path) -> str:
    """The address of a new, migrated SQLite file in `folder`. Migrates once and copies that."""
    if not _template:
        made = Path(tempfile.mkdtemp(prefix="poort-sqlite-")) / "template.sqlite3"
        atexit.register(shutil.rmtree, made.parent, ignore_errors=True)
        _migrated(f"sqlite:///{made}")
        _template.append(made)
    file = folder / f"{uuid.uuid4().hex[:12]}.sqlite3"
    shutil.copy(_template[0], file)
    return f"sqlite:///{file}"


# -- PostgreSQL -------------------------------------------------------------------------------------------------------

class Postgres:
    """A PostgreSQL server, and new databases in it. Without `folder` it is a server that somebody else runs."""

    def __init__(self, url: str, folder: Path | None = None, options: str = "") -> None:
        self._url = make_url(url)
        self._folder = folder
        self._options = options
        self._made: list[str] = []
        self._template: str | None = None

    def empty(self) -> str:
        """The address of a new database without a table."""
        return self._new("template0")

    def fresh(self) -> str:
        """The address of a new, migrated database. Migrates once and copies that."""
        if self._template is None:
            made = self.empty()
            _migrated(made)
            self._template = make_url(made).database
        return self._new(str(self._template))

    def _new(self, template: str) -> str:
        name = f"poort_{uuid.uuid4().hex[:12]}"
        self.run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        self._made.append(name)
        return self._url.set(database=name).render_as_string(hide_password=False)

    def run(self, statement: str) -> None:
        """Run one statement in the maintenance database."""
        plain = self._url.render_as_string(hide_password=False)
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(statement.encode())

    def drop(self) -> None:
        """Remove every database that was made here."""
        for name in reversed(self._made):
            self.run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self._made.clear()

    def start(self) -> None:
        """Start the server; only one that is ours."""
        self._control("start", "-o", self._options, "-l", f"{self._folder}/log")

    def stop(self) -> None:
        """Stop the server at once, as a crash would."""
        self._control("stop", "-m", "immediate")

    def _control(self, *arguments: str) -> None:
        if self._folder is None:
            raise Missing("The server of POORT_TEST_POSTGRES_URL can not be stopped; leave the variable out.")
        program = str(programs() / "pg_ctl")
        _as_postgres(self._folder, program, "-D", f"{self._folder}/data", "-w", "-t", "30", *arguments)


def programs() -> Path:
    """The folder of initdb and pg_ctl, the newest there is; raises Missing."""
    found = shutil.which("initdb")
    if found and shutil.which("pg_ctl"):
        return Path(found).resolve().parent
    folders = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()]
    if not folders:
        raise Missing("The tests need PostgreSQL's own programs: apt-get install postgresql "
                      "(or name a server in POORT_TEST_POSTGRES_URL).")
    return max(folders, key=lambda path: int(path.parent.name) if path.parent.name.isdecimal() else 0)


def _as_postgres(folder: Path, *command: str) -> None:
    # PostgreSQL refuses to run as root.
    prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    with (folder / "control.log").open("ab") as log:
        done = subprocess.run(
            [*prefix, *command], cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=90)
    if done.returncode != 0:
        raise Missing(f"PostgreSQL does not start here: {' '.join(command)} ended with {done.returncode}; "
                      f"{(folder / 'control.log').read_text()[-2000:]}")


@contextmanager
def postgres(own: bool = False, durable: bool = False) -> Iterator[Postgres]:
    """A PostgreSQL of our own for as long as the context lasts, or the one that POORT_TEST_POSTGRES_URL names.

    `own`: it has to be ours, to be stopped. `durable` waits for the disk as a real server does; the tests' default
    does not, no test cuts the power.
    """
    named = None if own else os.environ.get("POORT_TEST_POSTGRES_URL")
    if named:
        server = Postgres(named.replace("postgresql+psycopg://", "postgresql://"))
        try:
            yield server
        finally:
            server.drop()
        return
    folder = Path(tempfile.mkdtemp(prefix="poort-pg-"))
    server = _cluster(folder, durable)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _cluster(folder: Path, durable: bool) -> Postgres:
    if os.geteuid() == 0:
        try:
            shutil.chown(folder, "postgres", "postgres")
        except LookupError as error:
            raise Missing("PostgreSQL does not run as root and there is no user `postgres`: "
                          "apt-get install postgresql, or run the tests as another user.") from error
    port = free_port()
    _as_postgres(folder, str(programs() / "initdb"), "-D", f"{folder}/data", "-U", "poort", "-A", "trust",
                 "-E", "UTF8", "--locale=C", "--no-sync")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c max_connections=300"
    url = f"postgresql://poort@127.0.0.1:{port}/postgres"
    server = Postgres(url, folder, options if durable else f"{options} -c fsync=off")
    server.start()
    return server


# What runs on real servers for seconds meets each database and each door once.
PLACES = ("sqlite-asgi", "postgresql-wsgi")


def place(request: pytest.FixtureRequest, folder: Path) -> tuple[str, str]:
    """The address of a new database and the door, for a fixture whose parameter is one of PLACES."""
    kind, door = request.param.split("-")
    return sqlite(folder) if kind == "sqlite" else request.getfixturevalue("postgres").fresh(), door


# -- Poort ------------------------------------------------------------------------------------------------------------

class Server:
    """gunicorn with gunicorn.conf.py on a migrated database, from `with` until its end.

    `log` is the file with everything it printed. Settings are given by name: Server(url, POORT_PROXIES=1).
    `door` is `wsgi` or `asgi`; `application` is what gunicorn serves if not Poort, `wait` the path that answers 200
    once it is up.
    """

    def __init__(
        self, database_url: str, application: str = "", wait: str = "/readyz", door: str = "wsgi", **settings: Any
    ) -> None:
        worker = ["-k", "asgi"] if door == "asgi" else []
        self._arguments, self._wait = [*worker, application or f"{door}:app"], wait
        self.port = int(settings.pop("PORT", 0)) or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.database_url = database_url
        self.env = environment(database_url, PORT=self.port, **settings)
        self.folder = Path(tempfile.mkdtemp(prefix="poort-server-"))
        self.log = self.folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Server":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The process that HUP and TERM go to."""
        if self._process is None:
            raise AssertionError("the server does not run")
        return self._process.pid

    def start(self, wait: str | None = None) -> None:
        """Start, and wait until it answers 200; an early end is an error that shows the log."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [COMMANDS / "gunicorn", "-c", "gunicorn.conf.py", *self._arguments],
                cwd=ROOT, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + PATIENCE
        while not self._answers(wait or self._wait):
            if self._process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise AssertionError(f"Poort did not come up:\n{self.log.read_text()}")
            time.sleep(0.05)

    def _answers(self, path: str) -> bool:
        try:
            return self.call("GET", path, timeout=5).status == 200
        except (OSError, http.client.HTTPException):
            return False

    def stop(self, how: int = signal.SIGTERM) -> int:
        """End it, by default gracefully; the exit status."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(how)
        try:
            status = self._process.wait(45)
        except subprocess.TimeoutExpired:
            self.kill_workers()
            self._process.kill()
            status = self._process.wait()
        self._process = None
        return status

    def workers(self) -> list[int]:
        """The pids of the workers that run now."""
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def kill_workers(self) -> int:
        """SIGKILL every worker, as the kernel does when memory is short; how many there were."""
        killed = 0
        for pid in self.workers():
            try:
                os.kill(pid, signal.SIGKILL)
                killed += 1
            except ProcessLookupError:
                continue
        return killed

    def reload(self) -> None:
        """HUP: new workers take over, the old ones finish what they have."""
        os.kill(self.pid, signal.SIGHUP)

    def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, timeout: float = 30
    ) -> Reply:
        """One request; see `call`."""
        return call(self.port, method, path, body, headers, timeout)

    def flask(self, *arguments: str, succeed: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a command on this server's database."""
        return flask(self.env, *arguments, succeed=succeed)

    def publish(self, *definitions: Mapping[str, Any]) -> None:
        """Apply and publish site definitions by the command of an owner."""
        file = self.folder / "sites.json"
        file.write_text(json.dumps(list(definitions)))
        self.run("site", "apply", str(file), "--publish")

    def run(self, *arguments: str) -> str:
        """What a command prints that is run in this process, on this server's database and with its settings: it is
        quicker so, and most tests begin with one.
        """
        settings = {name: value for name, value in self.env.items() if name.startswith("POORT_")}
        app = create_app(**settings)
        try:
            done = app.test_cli_runner().invoke(args=arguments)
        finally:
            with app.app_context():
                db.engine.dispose()
        if done.exit_code != 0:
            raise AssertionError(f"flask {' '.join(arguments)} ended with {done.exit_code}:\n{done.output}")
        return str(done.output)
