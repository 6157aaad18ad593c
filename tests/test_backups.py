"""Backups: made under load, proved, put back with the erasures since; and what happens when something goes wrong."""

import os
import random
import signal
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import flask_migrate
import psycopg
import pysqlite3
import pytest
from flask import Flask
from sqlalchemy import func, select, text
from sqlalchemy.engine import make_url

from app import create_app
from consent import backups, dumps, sealed, tombstones
from consent.config import ConfigError, load
from consent.db import db
from consent.receipts import Keyring
from consent.rights import Request, Restriction
from consent.tombstones import Tombstone
from tests import servers
from tests.conftest import KEY, close, forget
from tests.load import Visitors, counted, recounted, stored
from tests.servers import Postgres, Server
from tests.shop import DEFINITION, body
from tests.test_kill import SmallDisk

BACKUP_KEY = "backup-tests-only-7Qz3vT9mX5wR1yP8"
OLDER_KEY = "backup-tests-only-2Bn6kL4jH8gF3dS0"
CONSENTS, ME, RECEIPTS = (f"/v1/sites/shop/{name}" for name in ("consents", "me", "receipts"))
KILLS = 8


class Poort:
    """An application on a database of its own, with a folder of backups; its commands run in this process."""

    def __init__(self, url: str, folder: Path, **settings: Any) -> None:
        self.url, self.folder = url, folder
        named = {"POORT_BACKUP_DIR": folder, "POORT_BACKUP_KEYS": BACKUP_KEY, "POORT_SECRET_KEYS": KEY, **settings}
        self.app = create_app(POORT_DATABASE_URL=url, **named)
        self.file = Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite") else None

    def run(self, *arguments: str) -> str:
        """What a command prints that has to succeed."""
        done = self.app.test_cli_runner().invoke(args=arguments)
        assert done.exit_code == 0, done.output
        return str(done.output)

    def fails(self, *arguments: str) -> str:
        """The one line of a command that has to fail."""
        done = self.app.test_cli_runner().invoke(args=arguments)
        assert done.exit_code == 1, done.output
        (line,) = done.output.splitlines()
        assert line.startswith("Error: ")
        return str(line)

    def backup(self) -> Path:
        """Make one; its path."""
        return Path(self.run("backup", "create").splitlines()[0])

    def restore(self, file: Path, *arguments: str) -> str:
        """Put it back, with nothing of this process open."""
        self.let_go()
        return self.run("backup", "restore", str(file), "--replace", *arguments)

    def let_go(self) -> None:
        with self.app.app_context():
            forget(self.app)
            db.session.remove()
            db.engine.dispose()

    def decide(self, **changes: Any) -> dict[str, Any]:
        """A visitor decides; the answer."""
        answer = self.app.test_client().post(CONSENTS, json=body("accept_all", **changes))
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.get_json()
        return found

    def ask(self, method: str, path: str, receipt: str) -> Any:
        return self.app.test_client().open(path, method=method, headers={"Poort-Receipt": receipt})

    def ids(self) -> set[str]:
        return {str(row["id"]) for row in stored(self.url)}


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Poort]:
    """On a migrated database without a row."""
    url = servers.sqlite(tmp_path) if request.param == "sqlite" else request.getfixturevalue("postgres").fresh()
    folder = tmp_path / "backups"
    folder.mkdir()
    poort = Poort(url, folder)
    yield poort
    close(poort.app)


@pytest.fixture
def poort(empty: Poort) -> Poort:
    """With the shop published."""
    with empty.app.app_context():
        from consent import sites, versions

        site, _ = sites.apply(DEFINITION)
        versions.publish(site, datetime.now(UTC) - timedelta(days=1))
        db.session.commit()
        db.session.remove()
    return empty


def content(file: Path) -> bytes:
    with open(file, "rb") as opened:
        return b"".join(sealed.opened(opened, [BACKUP_KEY]))


# -- the drill --------------------------------------------------------------------------------------------------------

def lose(url: str, postgres: Callable[[], Postgres]) -> None:
    """The disk of the database is gone, and there is an empty one."""
    if url.startswith("sqlite"):
        for file in Path(url.removeprefix("sqlite:///")).parent.glob("*.sqlite3*"):
            file.unlink()
        return
    name = make_url(url).database
    postgres().run(f'DROP DATABASE "{name}" WITH (FORCE)')
    postgres().run(f'CREATE DATABASE "{name}" TEMPLATE template0')


def stop_at_once(server: Server) -> None:
    """As when the machine goes down: the master first, so that it starts no worker anew."""
    workers = server.workers()
    server.stop(signal.SIGKILL)
    for pid in workers:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def answers(server: Server, receipts: Iterable[str]) -> list[bytes]:
    """What the gate says to each."""
    return [server.call("GET", "/v1/sites/shop/gate", headers={"Poort-Receipt": one}).body for one in receipts]


@pytest.mark.parametrize(("kind", "door"), [("sqlite", "asgi"), ("postgresql", "wsgi")], ids=["sqlite", "postgresql"])
def test_after_losing_the_database_everything_acknowledged_comes_back_but_what_was_erased(
    kind: str, door: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = servers.sqlite(tmp_path) if kind == "sqlite" else request.getfixturevalue("postgres").fresh()
    (tmp_path / "backups").mkdir()
    settings: dict[str, Any] = {"POORT_BACKUP_DIR": tmp_path / "backups", "POORT_BACKUP_KEYS": BACKUP_KEY}
    with Server(url, door=door, WEB_CONCURRENCY=1, **settings) as server:
        server.publish(DEFINITION)
        gone, stays = (server.call("POST", CONSENTS, body("accept_all")).json() for _ in range(2))
        with Visitors(server, 2) as visitors:
            time.sleep(0.3)
            before = set(visitors.outcome.acknowledged)
            file = server.run("backup", "create").splitlines()[0]
            time.sleep(0.3)
        assert before
        assert server.call("DELETE", ME, headers={"Poort-Receipt": gone["receipt"]}).status == 204
        alive = {row["id"]: row for row in stored(url)}
        held = {stays["record"]["id"]: stays["receipt"], **visitors.outcome.acknowledged}
        some = random.Random(5).sample(sorted(held.values()), 20)
        asked = answers(server, some)
        stop_at_once(server)
        lose(url, lambda: request.getfixturevalue("postgres"))
        said = server.run("backup", "restore", file)
        assert "1 known, 1 visitors erased again" in said

        back = {row["id"]: row for row in stored(url)}
        assert before <= {str(id) for id in back}, "it was acknowledged before the backup began"
        assert all(alive[id] == row for id, row in back.items()), "each as it was"
        assert uuid.UUID(gone["record"]["id"]) not in back
        lost = {id: receipt for id, receipt in held.items() if uuid.UUID(id) not in back}
        assert lost, "nothing was lost: the test proves nothing"
        counts = counted(url)

        server.start()
        assert answers(server, some) == asked
        assert server.call("GET", ME, headers={"Poort-Receipt": gone["receipt"]}).status == 401
        assert server.call("POST", RECEIPTS, headers={"Poort-Receipt": gone["receipt"]}).status == 410
        span = server.call("GET", "/v1/sites/shop/config").json()["restored"]
        for id, receipt in lost.items():
            assert span["from"] - 3600 <= Keyring([servers.SECRET]).read(receipt).decided <= span["to"]
            answer = server.call("POST", RECEIPTS, headers={"Poort-Receipt": receipt})
            assert (answer.status, answer.json()["record"]["id"], answer.json()["receipt"]) == (201, id, receipt)
        rows = stored(url)
        assert {str(row["id"]) for row in rows} == set(held)
        assert {row["source"] for row in rows if str(row["id"]) in lost} == {"recovered"}
        new = recounted([row for row in rows if row["source"] == "recovered"])
        assert counted(url) == {**counts, **new}
        assert counts == {**recounted([*back.values(), {**alive[uuid.UUID(stays["record"]["id"])]}]), **counts}


# -- create -----------------------------------------------------------------------------------------------------------

def test_a_backup_is_private_whole_and_alone_in_its_folder(poort: Poort) -> None:
    poort.decide()
    files = [poort.backup(), poort.backup()]
    assert [backup.path for backup in _listed(poort)] == files, "two in one second have two names"
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in files)
    assert {path.name for path in poort.folder.iterdir()} == {file.name for file in files} | {".lock"}
    if poort.file:
        assert not [path for path in poort.file.parent.glob("*copying*") if path.is_dir()]
    assert "sound" in poort.run("backup", "verify", str(files[0]))
    assert "key is here" not in poort.run("backup", "list")
    assert poort.run("backup", "list").count("is here") == 2


def _listed(poort: Poort) -> list[backups.Listed]:
    with poort.app.app_context():
        return backups.listed(poort.app.extensions["poort.settings"])


def test_what_was_erased_is_in_no_new_backup(poort: Poort) -> None:
    receipts = [poort.decide()["receipt"] for _ in range(30)]
    gone = [Keyring([KEY]).read(receipt) for receipt in receipts[::2]]
    names = [name for receipt in gone for id in (uuid.UUID(receipt.visitor), uuid.UUID(receipt.record))
             for name in (id.bytes, str(id).encode(), id.hex.encode())]
    before = content(poort.backup())
    assert sum(name in before for name in names) == len(gone) * 2, "each in the way of its database"
    for receipt in receipts[::2]:
        assert poort.ask("DELETE", ME, receipt).status_code == 204
    after = content(poort.backup())
    assert not [name for name in names if name in after]
    assert not [name for name in names if name in (poort.folder / tombstones.FILE).read_bytes()]
    assert after.count(b"accept_all") >= 15


def test_nothing_is_said_in_clear_and_no_password_on_a_command_line(tmp_path: Path) -> None:
    url = make_url("postgresql+psycopg://poort:s3cret-word@db.example:5433/consents?sslmode=require")
    command, environment = dumps.dump_command(url, "00000003-1")
    assert "s3cret-word" not in " ".join(command)
    assert environment["PGPASSWORD"] == "s3cret-word"
    assert not [name for name in environment if name.startswith("POORT_")]
    assert "sslmode=require" in command[-1]


@pytest.mark.parametrize(("settings", "said"), [
    ({"POORT_BACKUP_DIR": ""}, "set POORT_BACKUP_DIR"), ({"POORT_BACKUP_KEYS": ""}, "set POORT_BACKUP_KEYS"),
    ({"POORT_BACKUP_DIR": "/nowhere/at-all"}, "which is not a folder that is there"),
])
def test_what_is_not_set_up_is_said(tmp_path: Path, settings: dict[str, str], said: str) -> None:
    poort = Poort(servers.sqlite(tmp_path), tmp_path, **settings)
    assert said in poort.fails("backup", "create")
    close(poort.app)


def test_a_key_for_two_purposes_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs keys of its own"):
        load({"POORT_SECRET_KEYS": KEY, "POORT_BACKUP_KEYS": f"{BACKUP_KEY},{KEY}"})


def test_without_postgresqls_programs_it_is_said(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poort = Poort(postgres.fresh(), tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "pg_dump is not installed" in poort.fails("backup", "create")
    close(poort.app)


def test_before_there_are_tables_there_is_nothing_to_back_up(postgres: Postgres, tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/new.sqlite3", postgres.empty()):
        poort = Poort(url, tmp_path)
        said = poort.fails("backup", "create")
        assert "There is no database" in said or "run `flask db upgrade`" in said
        close(poort.app)


def test_a_full_disk_is_one_line_and_harms_no_backup(tmp_path: Path) -> None:
    disk = SmallDisk(tmp_path / "small")
    disk.folder.mkdir(exist_ok=True)
    if not disk._mounted:
        disk._mounted = os.geteuid() == 0 and disk._mount()
    poort = Poort(servers.sqlite(tmp_path), disk.folder)
    try:
        first = poort.backup()
        whole = first.read_bytes()
        with (disk.folder / "ballast").open("wb", buffering=0) as ballast:
            _fill(ballast)
        said = poort.fails("backup", "create")
        assert "can not be written" in said
        assert "No space left" in said or "Permission" in said
        assert [path.name for path in sorted(disk.folder.glob("*.backup"))] == [first.name]
        assert not list(disk.folder.glob(".*.part"))
        assert first.read_bytes() == whole
        (disk.folder / "ballast").unlink()
        assert poort.backup().exists()
    finally:
        close(poort.app)
        disk.remove()


def _fill(ballast: Any) -> None:
    try:
        while ballast.write(b"\0" * 1024):
            pass
    except OSError:
        return


# -- verify -----------------------------------------------------------------------------------------------------------

def test_whatever_is_wrong_with_a_file_is_one_clear_line(poort: Poort) -> None:
    poort.decide()
    file = poort.backup()
    whole, broken = file.read_bytes(), poort.folder / "broken"
    chance = random.Random(7)
    for at in sorted(chance.sample(range(len(whole)), 12)):
        broken.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1:])
        said = poort.fails("backup", "verify", str(broken))
        assert any(word in said for word in ("damaged", "not a backup", "newer Poort", "cut off")), (at, said)
        assert poort.fails("backup", "restore", str(broken), "--replace").startswith("Error: broken ")
    for length in (0, 10, 100, len(whole) - 1):
        broken.write_bytes(whole[:length])
        assert "Error: broken is" in poort.fails("backup", "verify", str(broken))
    assert "No such file" in poort.fails("backup", "verify", str(poort.folder / "absent"))


def test_what_does_not_fit_here_is_one_clear_line(poort: Poort) -> None:
    with poort.app.app_context():
        head = backups.check(poort.backup()).revision

    def made(key: str = BACKUP_KEY, engine: str = "sqlite" if poort.file else "postgresql", revision: str = head,
             records: int = 0, rows: bytes = b"no database") -> str:
        path = poort.folder / "other"
        about = {"at": datetime.now(UTC).isoformat(), "engine": engine, "revision": revision, "records": records}
        with path.open("wb") as out:
            sealer = sealed.Sealer(out, key, **about)
            sealer.write(rows)
            sealer.close()
        for how in (("restore", "--replace"), ("verify",)):
            said = poort.fails("backup", how[0], str(path), *how[1:])
        return said

    assert "which is not in POORT_BACKUP_KEYS" in made(key=OLDER_KEY)
    assert "and POORT_DATABASE_URL names" in made(engine="postgresql" if poort.file else "sqlite")
    assert "was made by a newer Poort (schema 9999)" in made(revision="9999")
    assert "no sound database" in made() if poort.file else "pg_restore failed" in made()
    other = content(poort.backup())
    if poort.file:
        assert "another database than it says" in made(records=5, rows=other)
    assert poort.ids() == set()


def test_the_checksum_needs_no_key_and_an_older_key_still_opens(poort: Poort) -> None:
    file = poort.backup()
    for keys, works in ((f"{OLDER_KEY},{BACKUP_KEY}", True), (OLDER_KEY, False), ("", False)):
        other = Poort(poort.url, poort.folder, POORT_BACKUP_KEYS=keys)
        assert "nothing was decrypted" in other.run("backup", "verify", str(file), "--checksum")
        if works:
            assert "sound" in other.run("backup", "verify", str(file))
        else:
            assert "POORT_BACKUP_KEYS" in other.fails("backup", "verify", str(file))
        close(other.app)


# -- restore ----------------------------------------------------------------------------------------------------------

def test_data_is_replaced_only_on_request_and_not_while_it_is_used(poort: Poort) -> None:
    kept = poort.decide()["record"]["id"]
    file = poort.backup()
    poort.decide()
    poort.let_go()
    assert "--replace" in poort.fails("backup", "restore", str(file))
    url = poort.url.replace("sqlite:///", "")
    user: Any = pysqlite3.connect(url) if poort.file else psycopg.connect(url)
    user.execute("SELECT count(*) FROM record").fetchone()
    assert "is in use" in poort.fails("backup", "restore", str(file), "--replace")
    user.close()
    assert len(poort.ids()) == 2
    poort.restore(file)
    assert poort.ids() == {kept}
    poort.decide()


def test_erasures_of_before_and_after_the_backup_of_the_table_alone_and_of_older_keys_are_kept(
    poort: Poort
) -> None:
    made = [poort.decide()["receipt"] for _ in range(4)]
    readers = [Keyring([KEY]).read(receipt) for receipt in made]
    poort.ask("DELETE", ME, made[0])
    file = poort.backup()
    poort.ask("DELETE", ME, made[1])
    (poort.folder / tombstones.FILE).unlink()  # only the database that is replaced knows
    older = "an-older-key-for-the-tests-9876543210-fedcba"
    digest = tombstones.digest(older, "shop", uuid.UUID(readers[2].visitor))
    at = int(time.time() * 1_000_000)
    tombstones.append(poort.folder, [tombstones.Mark("shop", digest, tombstones.key_id(older), at)])
    poort.let_go()
    said = poort.fails("backup", "restore", str(file), "--replace")
    assert "put that key back" in said
    assert len(poort.ids()) == 2, "nothing was touched"
    poort.let_go()
    rotated = Poort(poort.url, poort.folder, POORT_SECRET_KEYS=f"{KEY},{older}")
    assert "3 known, 2 visitors erased again" in rotated.restore(file)
    assert poort.ids() == {readers[3].record}
    with rotated.app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Tombstone)) == 3
        db.session.remove()
    close(rotated.app)


def test_who_came_back_after_an_erasure_is_not_erased_again(poort: Poort) -> None:
    first = poort.decide()
    poort.ask("DELETE", ME, first["receipt"])
    second = poort.decide(visitor=first["record"]["visitor"])
    file = poort.backup()
    assert "0 visitors erased again" in poort.restore(file)
    assert poort.ids() == {second["record"]["id"]}


def test_a_database_that_refuses_a_large_backup_says_so_and_stays_as_it_is(postgres: Postgres, tmp_path: Path) -> None:
    poort = Poort(postgres.fresh(), tmp_path)
    with psycopg.connect(poort.url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO daily_count SELECT 'shop', date '2026-01-01' + n % 300, false, md5(n::text)::varchar(16), "
            "md5((n * 7)::text), n FROM generate_series(1, 30000) AS n")
        file = poort.backup()
        connection.execute("DROP TABLE restoration")
        connection.execute("CREATE VIEW restoration AS SELECT 1 AS n")
    poort.let_go()
    assert "The database refuses the backup" in poort.fails("backup", "restore", str(file), "--replace")
    with psycopg.connect(poort.url) as connection:
        assert connection.execute("SELECT count(*) FROM daily_count").fetchone() == (30_000,)
    close(poort.app)


def test_a_restriction_since_the_backup_is_kept_and_one_that_was_lifted_is_not(poort: Poort) -> None:
    path, made = f"{ME}/restriction", [poort.decide()["receipt"] for _ in range(3)]
    assert poort.ask("POST", path, made[0]).status_code < 300
    file = poort.backup()
    assert poort.ask("DELETE", path, made[0]).status_code < 300
    assert poort.ask("POST", path, made[1]).status_code < 300
    before, restricted = counted(poort.url), Keyring([KEY]).read(made[1]).visitor
    poort.restore(file)
    assert counted(poort.url) == before
    with poort.app.app_context():
        assert [str(row) for row in db.session.scalars(select(Restriction.visitor))] == [restricted]
        assert db.session.scalar(select(func.count()).select_from(Request)) == 3
        db.session.remove()


def test_a_damaged_list_of_erasures_stops_the_restore(poort: Poort) -> None:
    file = poort.backup()
    (poort.folder / tombstones.FILE).write_text("1 not a line\n")
    poort.let_go()
    assert "Line 1 of" in poort.fails("backup", "restore", str(file), "--replace")


def test_a_backup_of_an_older_release_is_migrated(empty: Poort) -> None:
    with empty.app.app_context():
        flask_migrate.downgrade(revision="0002")
        row = body("accept_all")
        given: dict[str, Any] = {name: uuid.UUID(row[name]) for name in ("id", "visitor")}
        given["choices"] = '{"functional":true}'
        if empty.file:
            given |= {"id": given["id"].bytes, "visitor": given["visitor"].bytes}
        with db.engine.begin() as connection:
            connection.execute(text(
                "INSERT INTO record (site, id, visitor, version, action, choices, trackers, source, language, gpc, "
                "browser, os, device, bot, recorded_at) VALUES ('shop', :id, :visitor, 1, 'accept_all', "
                ":choices, '{}', 'banner', 'nl', false, 'Chrome', 'Linux', 'desktop', false, 1)"), given)
    file = empty.backup()
    assert "schema 0002" in empty.run("backup", "list")
    said = empty.restore(file)
    assert "migrated: from schema 0002 to" in said
    assert empty.ids() == {row["id"]}
    assert "sound" in empty.run("backup", "verify", str(empty.backup()))


def test_a_database_that_can_not_be_read_is_replaced_and_that_is_said(tmp_path: Path) -> None:
    poort = Poort(servers.sqlite(tmp_path), tmp_path)
    file = poort.backup()
    poort.let_go()
    assert poort.file is not None
    poort.file.write_bytes(b"\xff" * 50_000)
    assert "--replace" in poort.fails("backup", "restore", str(file))
    assert "could not be read" in poort.run("backup", "restore", str(file), "--replace")
    assert poort.ids() == set()
    close(poort.app)


# -- killed -----------------------------------------------------------------------------------------------------------

def killed(app: Flask, work: Callable[[], object], after: float) -> bool:
    """Do it in a process of its own and kill that after so long; whether it was done before."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        try:
            with app.app_context():
                db.engine.dispose(close=False)
                work()
        finally:
            os._exit(0)
    with suppress(OSError):  # it was quicker
        os.setpgid(child, child)
    time.sleep(after)
    done, _ = os.waitpid(child, os.WNOHANG)
    if not done:
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return bool(done)


def fingerprint(url: str) -> tuple[Any, ...]:
    """Everything that a mixture of two databases would change."""
    connect: Any = pysqlite3.connect if url.startswith("sqlite") else psycopg.connect
    connection = connect(url.removeprefix("sqlite:///"))
    try:
        if url.startswith("sqlite"):
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        tables = [connection.execute(f"SELECT * FROM {name}").fetchall() for name in (
            "record", "daily_count", "tombstone", "restoration", "version")]
        return tuple(sorted(map(repr, rows)) for rows in tables)
    finally:
        connection.close()


def test_killed_while_it_is_put_back_the_database_is_the_old_or_the_new(poort: Poort) -> None:
    settings, chance = poort.app.extensions["poort.settings"], random.Random(3)
    for _ in range(20):
        poort.decide()
    gone = poort.decide()["receipt"]
    file = poort.backup()
    poort.ask("DELETE", ME, gone)

    def work() -> object:
        return backups.restore(file, db.engine, settings, True)

    poort.let_go()
    started = time.monotonic()
    with poort.app.app_context():
        work()
    whole = time.monotonic() - started
    new = fingerprint(poort.url)[:3]
    ends = set()
    for number in range(KILLS):
        poort.decide()
        poort.let_go()
        old = fingerprint(poort.url)
        assert old[:3] != new
        done = killed(poort.app, work, whole * (number + chance.random()) * 1.2 / KILLS)
        _settled(poort)
        found = fingerprint(poort.url)
        assert found == old or found[:3] == new
        assert found != old or not done
        ends.add(found == old)
    assert True in ends, "no kill came in time: the test proves nothing"
    poort.restore(file)
    assert fingerprint(poort.url)[:3] == new
    if poort.file:
        assert not [path for path in poort.file.parent.glob("*restoring*") if path.is_dir()]


def _settled(poort: Poort) -> None:
    """PostgreSQL notices after a moment that its client is gone."""
    if poort.file is None:
        with psycopg.connect(poort.url, autocommit=True) as connection:
            until = time.monotonic() + 20
            while connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
                "AND backend_type = 'client backend'"
            ).fetchone() != (0,):
                assert time.monotonic() < until
                time.sleep(0.05)


def test_killed_while_it_is_made_a_backup_is_whole_or_not_there(poort: Poort) -> None:
    settings = poort.app.extensions["poort.settings"]
    poort.decide()
    poort.let_go()
    for number in range(KILLS):
        killed(poort.app, lambda: backups.create(db.engine, settings), 0.02 * number)
    _settled(poort)
    for backup in _listed(poort):
        assert "sound" in poort.run("backup", "verify", str(backup.path))
    poort.backup()
    assert not list(poort.folder.glob(".*.part"))


# -- the jobs ---------------------------------------------------------------------------------------------------------

def test_a_backup_is_made_every_day_and_none_is_kept_too_long(poort: Poort) -> None:
    old = poort.folder / "poort-20260101T000000Z.backup"
    old.write_bytes(b"old")
    other = poort.folder / "poort-of-my-own.backup"
    other.write_bytes(b"not ours")
    said = poort.run("jobs", "run")
    assert "made and verified" in said
    assert "1 backups and 0 tombstones deleted" in said
    assert not old.exists()
    assert other.exists()
    assert len(_listed(poort)) == 1
    assert "backup" not in poort.run("jobs", "run")


def test_without_a_folder_no_backup_is_made(tmp_path: Path) -> None:
    poort = Poort(servers.sqlite(tmp_path), tmp_path, POORT_BACKUP_DIR="")
    assert "backup: off" in poort.run("jobs", "run")
    close(poort.app)
