"""An erasure is remembered without saying whose it was, in the table and in a file that outlives the database."""

import dataclasses
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from consent import tombstones
from consent.db import db, microseconds
from consent.tombstones import Damaged, Mark, Tombstone
from tests.conftest import KEY
from tests.servers import ROOT
from tests.shop import NOW, body

Post = Callable[..., Any]
OLD = "an-older-key-for-the-tests-9876543210-fedcba"


def mark(visitor: uuid.UUID, at: Any = NOW, key: str = KEY) -> Mark:
    return Mark("shop", tombstones.digest(key, "shop", visitor), tombstones.key_id(key), microseconds(at))


@pytest.fixture
def folder(app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the backups, which the application knows."""
    settings = dataclasses.replace(app.extensions["poort.settings"], backup_dir=str(tmp_path))
    monkeypatch.setitem(app.extensions, "poort.settings", settings)
    return tmp_path


def erase(client: FlaskClient, receipt: str) -> int:
    return client.delete("/v1/sites/shop/me", headers={"Poort-Receipt": receipt}).status_code


def buried() -> list[Mark]:
    db.session.rollback()
    found = [Mark(row.site, row.digest, row.key, microseconds(row.at)) for row in db.session.scalars(select(Tombstone))]
    db.session.rollback()
    return found


@pytest.mark.usefixtures("shop")
class TestErasing:
    def test_leaves_a_tombstone_in_the_table_and_in_the_file_that_names_nobody(
        self, client: FlaskClient, post: Post, folder: Path
    ) -> None:
        sent = body("accept_all")
        assert erase(client, post(sent).json["receipt"]) == 204
        (line,), (row,) = list(tombstones.read(folder)), buried()
        visitor = uuid.UUID(sent["visitor"])
        assert line == row
        assert (line.site, line.digest) == ("shop", mark(visitor).digest)
        text = (folder / tombstones.FILE).read_bytes()
        assert (folder / tombstones.FILE).stat().st_mode & 0o777 == 0o600
        for name in (sent["visitor"].encode(), visitor.hex.encode(), visitor.bytes):
            assert name not in text

    def test_is_refused_when_it_can_not_be_kept(self, client: FlaskClient, post: Post, folder: Path) -> None:
        receipt = post(body("accept_all")).json["receipt"]
        (folder / tombstones.FILE).mkdir()
        assert erase(client, receipt) == 503
        assert len(client.get("/v1/sites/shop/me", headers={"Poort-Receipt": receipt}).json["records"]) == 1  # type: ignore[index]
        assert buried() == []
        (folder / tombstones.FILE).rmdir()
        assert erase(client, receipt) == 204

    def test_twice_is_one_tombstone_of_the_later_time(self, client: FlaskClient, post: Post, folder: Path) -> None:
        sent = body("accept_all")
        assert erase(client, post(sent).json["receipt"]) == 204
        first = buried()[0].at
        assert erase(client, post({**sent, "id": str(uuid.uuid4())}).json["receipt"]) == 204
        (second,) = buried()
        assert second.at > first
        assert len(list(tombstones.read(folder))) == 2

    def test_what_was_said_before_is_erased_and_what_is_said_later_is_not(self, app: Flask) -> None:
        visitor = uuid.uuid4()
        tombstones.bury("shop", visitor, NOW)
        second = timedelta(seconds=1)
        for keys in ((KEY,), (OLD, KEY)):
            assert tombstones.is_erased("shop", visitor, NOW - second, keys)
            assert not tombstones.is_erased("shop", visitor, NOW + second, keys)
        assert not tombstones.is_erased("other", visitor, NOW - second, (KEY,))
        assert not tombstones.is_erased("shop", uuid.uuid4(), NOW - second, (KEY,))
        assert not tombstones.is_erased("shop", visitor, NOW - second, (OLD,)), "the key is gone, and with it the name"
        assert len(db.session.scalars(select(Tombstone)).all()) == 1, "to ask leaves nothing"

    def test_is_dropped_when_nothing_can_bring_the_records_back(self, app: Flask, folder: Path) -> None:
        old, new = mark(uuid.uuid4(), NOW - timedelta(days=396)), mark(uuid.uuid4(), NOW - timedelta(days=394))
        tombstones.append(folder, [old, new])
        with db.engine.begin() as connection:
            tombstones.merge(connection, [old, new])
        assert tombstones.forget(db.engine, folder, timedelta(days=30), NOW) == 1
        assert list(tombstones.read(folder)) == [new]
        assert [row.digest for row in buried()] == [new.digest]
        assert tombstones.forget(db.engine, folder, timedelta(days=30), NOW) == 0


def test_a_torn_end_counts_for_nothing_and_the_next_line_is_whole(tmp_path: Path) -> None:
    first, second = mark(uuid.uuid4()), mark(uuid.uuid4())
    file = tmp_path / tombstones.FILE
    for torn in range(1, len(second.line)):
        file.write_text(first.line + second.line[:torn])
        assert list(tombstones.read(tmp_path)) == [first]
        tombstones.append(tmp_path, [second])
        assert list(tombstones.read(tmp_path)) == [first, second]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    lines = mark(uuid.uuid4()).line + mark(uuid.uuid4()).line
    for at in (0, 5, 40, len(lines) // 2 - 3):
        changed = lines[:at] + ("0" if lines[at] != "0" else "1") + lines[at + 1:]
        (tmp_path / tombstones.FILE).write_text(changed)
        with pytest.raises(Damaged, match="Line 1 of"):
            list(tombstones.read(tmp_path))


def test_many_processes_write_at_once_and_every_line_is_whole(tmp_path: Path) -> None:
    code = (
        "import sys, uuid, pathlib; from consent import tombstones\n"
        "for _ in range(50): tombstones.append(pathlib.Path(sys.argv[1]), [tombstones.Mark('shop', 'ab' * 32, "
        "'01234567', uuid.uuid4().int % 10**16)])")
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, env=os.environ) for _ in range(3)]
    assert [process.wait(60) for process in started] == [0, 0, 0]
    assert len(set(tombstones.read(tmp_path))) == 150
