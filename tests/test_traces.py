"""After an erasure nothing names the visitor any more: searched as bytes, in files, a backup, a dump and the log."""

import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pysqlite3
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from consent.db import engine_options, leave_no_trace
from tests.receiver import Receiver
from tests.servers import Postgres, Server, programs, sqlite
from tests.shop import DEFINITION, body

MANY = 120  # others, so that the pages of the tables and their indexes are split and written again


def names(*ids: str) -> Iterator[bytes]:
    """Every form in which an id can be written down."""
    for each in map(uuid.UUID, ids):
        yield from (each.bytes, each.hex.encode(), str(each).encode(), each.hex.upper().encode())


def live(server: Server) -> tuple[list[bytes], bytes]:
    """The life of a visitor until they erased everything: what names them, and what names somebody who stays."""
    sent, other = body("accept_all"), body("accept_all")
    receipts: list[str] = []
    ids = [sent["visitor"]]
    for number in range(MANY):
        server.call("POST", "/v1/sites/shop/consents", body())
        if number % 40 == 20:
            action = "custom" if receipts else "accept_all"
            said = {**sent, **body(action, source="settings" if receipts else "banner"), "visitor": sent["visitor"]}
            receipts.append(server.call("POST", "/v1/sites/shop/consents", said).json()["receipt"])
            ids.append(said["id"])
    server.call("POST", "/v1/sites/shop/consents", other)
    own = {"Poort-Receipt": receipts[-1]}
    done = {"record": ids[-1], "trackers": {"hotjar": ["deleted"]}}
    assert server.call("POST", "/v1/sites/shop/outcomes", done, own).status == 204
    for method, path in (("GET", ""), ("GET", "/export"), ("POST", "/restriction")):
        assert server.call(method, f"/v1/sites/shop/me{path}", None, own).status < 300
    assert server.call("POST", "/me/shop", f"receipt={receipts[-1]}".encode(), {
        "Content-Type": "application/x-www-form-urlencoded"}).status == 200
    answer = server.call("DELETE", "/v1/sites/shop/me", None, {**own, "Prefer": "return=representation"})
    assert answer.json()["removed"]["records"] == len(receipts)
    return [*names(*ids), *(token.encode() for token in receipts)], uuid.UUID(other["visitor"]).bytes


def found(secrets: list[bytes], data: bytes) -> list[bytes]:
    return [secret for secret in secrets if secret in data]


def backup(file: str) -> bytes:
    """The database by SQLite's own backup."""
    copy = Path(f"{file}.copy")
    with pysqlite3.connect(file) as source, pysqlite3.connect(str(copy)) as target:
        source.backup(target)
    return copy.read_bytes()


@pytest.mark.parametrize(("door", "told"), [("wsgi", False), ("asgi", True)])
def test_sqlite(tmp_path: Path, door: str, told: bool) -> None:
    url = sqlite(tmp_path)
    file = str(make_url(url).database)
    settings: dict[str, Any] = {"POORT_ACCESS_LOG": "on", "POORT_LOG_LEVEL": "debug", "POORT_WEBHOOK_PRIVATE": "on"}
    with Receiver() as receiver, Server(url, door=door, **settings) as server:
        server.publish(DEFINITION)
        if told:
            server.run("webhook", "set", "shop", receiver.url)
            server.reload()
        secrets, stays = live(server)
        if told:
            assert b"consent.erased" in Path(file).read_bytes(), "the owner's own systems have to be told of whom"
            while not any(taken.event["type"] == "consent.erased" for taken in receiver.taken):
                server.run("jobs", "run")
        whole = [path.read_bytes() for path in tmp_path.iterdir() if path.is_file()]
        copied = backup(file)
        assert stays in b"".join(whole), "else this looks in the wrong place"
        assert stays in copied
        for data in (*whole, copied):
            assert found(secrets, data) == []
        assert told or os.path.getsize(f"{file}-wal") == 0, "a job notes afterwards that it was done"
        server.stop()
        log = server.log.read_bytes()
        assert b'"route"' in log
        assert found(secrets, log) == []


def test_who_reads_is_not_disturbed_and_the_log_is_emptied_later(tmp_path: Path) -> None:
    engine = create_engine(sqlite(tmp_path), **engine_options(f"sqlite:///{tmp_path}/x"))
    with engine.connect() as reader:
        reader.execute(text("SELECT count(*) FROM record"))
        with engine.connect() as writer:
            writer.execute(text("INSERT INTO job_lock (name) VALUES ('one')"))
            writer.commit()
        begun = time.monotonic()
        assert not leave_no_trace(engine)
        assert time.monotonic() - begun < 1.5, "those who record decisions stand in line meanwhile"
    assert leave_no_trace(engine)
    engine.dispose()


def test_postgresql(postgres: Postgres) -> None:
    url = postgres.fresh()
    with Server(url) as server:
        server.publish(DEFINITION)
        secrets, stays = live(server)
        dump = subprocess.run(
            [programs() / "pg_dump", url, "--format=plain"], capture_output=True, check=True, timeout=60).stdout
    assert str(uuid.UUID(bytes=stays)).encode() in dump
    assert found(secrets, dump) == []
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM record").fetchone() == (MANY + 1,)
