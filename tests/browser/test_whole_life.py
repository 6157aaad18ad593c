"""The whole life of consents, at random: after each step the model, the gate (HTTP and SDK), the page and the counts
agree.

A real gunicorn whose clock can be set, its real commands, a real browser. The model is tests/life.py.
"""

from __future__ import annotations

import json
import os
import re
import signal
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pysqlite3
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from playwright.sync_api import Browser

from consent.sdk import Gate
from tests import life, servers
from tests.browser import pages, sites
from tests.browser.internet import Internet
from tests.browser.visitor import Visitor, open_context
from tests.life import Decision, Stored, moment
from tests.servers import Server
from tests.shop import CHOICES

SITE = sites.site("life")
TRACKERS = {"ga4": "analytics", "hotjar": "analytics", "meta": "marketing", "intercom": "functional"}
NEW = ("leadinfo", "uet", "linkedin")
PEOPLE = ("anna", "bram", "cees")
MOVES = ("functional", "analytics", "marketing")


class World:
    """The real thing: a server on a SQLite file, its clock, and one browser."""

    server: Server
    visitor: Visitor

    def __init__(self, folder: Path, browser: Browser, internet: Internet) -> None:
        self.folder, self.browser, self.internet = folder, browser, internet
        self.lives = 0

    def _varying(self) -> dict[str, str]:
        seconds = int(self.skew.total_seconds())
        return {
            "POORT_SECRET_KEYS": ",".join(reversed(self.keys[self.oldest : self.newest + 1])),
            "PYTHONPATH": str(servers.ROOT / "tests/clock"),
            "SKEW": str(seconds),
        }

    @property
    def now(self) -> datetime:
        """The server's time."""
        return datetime.now(UTC) + self.skew

    def start(self) -> None:
        """Start, with the clock and the keys as they are now."""
        self.server.env.update(self._varying())
        self.server.start()

    def begin(self) -> None:
        """A new database, the real time, the first key."""
        self.end()
        self.skew, self.newest, self.oldest = timedelta(), 0, 0
        self.keys = [f"life-{number}-{uuid.uuid4().hex}" for number in range(8)]
        backups = self.folder / f"backups-{self.lives}"
        backups.mkdir()
        self.server = Server(
            servers.sqlite(self.folder), door="asgi", WEB_CONCURRENCY=1, POORT_PROXIES=1,
            POORT_BACKUP_DIR=backups, POORT_BACKUP_KEYS=uuid.uuid4().hex,
            **self._varying())
        self.lives += 1
        self.server.start()
        self.internet.poort = self.server.port
        self.visitor = Visitor(open_context(self.browser, self.internet), self.internet)
        tag = '<script async src="https://consent.life.example/banner/life.js"></script>'
        self.home = self.internet.page("https://www.life.example/", pages.html("", head=tag))

    def end(self) -> None:
        """Close what is open."""
        if self.lives:
            self.server.stop()
            self.visitor.context.close()

    def look(self, receipt: str | None, trackers: list[str]) -> dict[str, Any]:
        """What the site's page does for who holds this receipt: which trackers may load, and whether it asks."""
        visitor = self.visitor
        visitor.context.clear_cookies()
        if receipt:
            visitor.context.add_cookies(
                [{"name": "poort", "value": receipt, "domain": ".life.example", "path": "/", "secure": True}])
        if visitor.page.url == self.home:
            visitor.page.evaluate("localStorage.clear()")  # the copies that another visitor kept
        visitor.page.clock.set_fixed_time(self.now)
        visitor.page.goto(self.home)
        visitor.ready()
        loads = visitor.page.evaluate("names => names.filter(name => Poort.mayLoad(name))", trackers)
        return {"loads": loads, "asks": visitor.banner.count() > 0 and visitor.banner.is_visible()}

    def restart(self) -> None:
        """Stop and start."""
        self.server.stop()
        self.start()

    def call(self, method: str, path: str, body: Any = None, receipt: str | None = None, **headers: str) -> Any:
        """An answer of the server about the site."""
        sent = {**headers, **({"Poort-Receipt": receipt} if receipt else {})}
        return self.server.call(method, f"/v1/sites/life{path}", body, sent)

    def counts(self) -> Counter[tuple[str, str]]:
        """The daily counts of people, of all days."""
        with closing(pysqlite3.connect(self.server.database_url.removeprefix("sqlite:///"))) as database:
            query = "SELECT metric, value, sum(n) FROM daily_count WHERE NOT bot GROUP BY 1, 2"
            rows = database.execute(query).fetchall()
        return Counter({(metric, value): n for metric, value, n in rows if n})


class Life(RuleBasedStateMachine):
    """What can happen to a site and three of its visitors."""

    world: World

    @initialize()
    def begin(self) -> None:
        """A new database each time; what happened in the run before is another life."""
        world = self.world
        world.begin()
        self.stored = life.started(list(PEOPLE), TRACKERS)
        self.shown: dict[str, Decision | None] = dict.fromkeys(PEOPLE)  # what each browser holds
        self.visitors = {name: str(uuid.uuid4()) for name in PEOPLE}
        self.backup: tuple[Path, Stored] | None = None
        self.erased_since: set[str] = set()
        self.erased: list[tuple[str, str]] = []
        self.names = 0
        self.last = PEOPLE[0]
        self.issued = 0
        self.publish({})

    def publish(self, changed: dict[str, str]) -> None:
        """Publish with these trackers new or moved. Its number is one that no version ever had, lost ones included."""
        self.names += 1
        trackers = self.stored.current.trackers | changed
        file = self.world.folder / "site.json"
        file.write_text(json.dumps(life.definition(SITE, trackers, f"Winkel {self.names}")))
        said = self.world.server.flask("site", "apply", str(file), "--publish").stdout
        number = int(re.findall(r"version (\d+)", said)[-1])
        assert number > self.issued
        self.issued = number
        if number > 1:
            life.republished(self.stored, changed, number)

    # -- what visitors do ---------------------------------------------------------------------------------------------

    def decide(self, name: str, action: str, source: str = "banner", gpc: bool = False) -> None:
        """Post a decision, as the page does."""
        sent = {
            "id": str(uuid.uuid4()), "visitor": self.visitors[name], "version": self.stored.current.number,
            "action": action, "choices": CHOICES[action], "source": source, "language": "nl", "gpc": gpc,
        }
        answer = self.world.call("POST", "/consents", sent)
        assert answer.status == 201, answer.body
        again = self.world.call("POST", "/consents", sent)
        assert (again.status, again.json()) == (200, answer.json())
        record = answer.json()["record"]
        decision = Decision(
            record["id"], record["version"], action, dict(CHOICES[action]), moment(record["recorded_at"]), gpc,
            answer.json()["receipt"], self.world.newest, source)
        self.stored.people[name].records.append(decision)
        self.stored.counts += decision.tallies()
        self.shown[name], self.last = decision, name

    @rule(name=st.sampled_from(PEOPLE), action=st.sampled_from(("accept_all", "necessary_only", "custom")),
          gpc=st.booleans())
    def consent(self, name: str, action: str, gpc: bool) -> None:
        """An answer in the banner, or a change of it in the settings."""
        self.decide(name, action, "settings" if self.shown[name] else "banner", gpc)

    @rule(name=st.sampled_from(PEOPLE))
    def withdraw(self, name: str) -> None:
        """All of it back."""
        if self.shown[name]:
            self.decide(name, "withdraw", "settings")

    @rule(name=st.sampled_from(PEOPLE))
    def erase(self, name: str) -> None:
        """The records go, the counts stay, and the receipt opens nothing about them any more."""
        shown = self.shown[name]
        if not shown or not self.readable(name):
            return
        answer = self.world.call("DELETE", "/me", receipt=shown.token)
        assert answer.status == 204, answer.body
        self.stored.counts += self.stored.people[name].held
        self.erased.append((name, shown.token))
        self.erased_since.add(name)
        self.stored.people[name] = life.Person()
        self.shown[name], self.visitors[name], self.last = None, str(uuid.uuid4()), name

    def readable(self, name: str) -> bool:
        """Whether the server still knows who this browser is."""
        shown = self.shown[name]
        return bool(shown and shown.key >= self.world.oldest and self.stored.people[name].records)

    @rule(name=st.sampled_from(PEOPLE))
    def restrict(self, name: str) -> None:
        """Out of the reports, all that was said until now."""
        if not self.readable(name):
            return
        answer = self.world.call("POST", "/me/restriction", receipt=self.token(name))
        assert answer.status == 204, answer.body
        person = self.stored.people[name]
        fresh = sum((decision.tallies() for decision in person.records[person.restricted :]), Counter())
        person.restricted, self.last = len(person.records), name
        person.held += fresh
        self.stored.counts -= fresh

    @rule(name=st.sampled_from(PEOPLE))
    def lift(self, name: str) -> None:
        """Back into the reports."""
        if not self.readable(name):
            return
        answer = self.world.call("DELETE", "/me/restriction", receipt=self.token(name))
        assert answer.status == 204, answer.body
        person = self.stored.people[name]
        self.stored.counts += person.held
        person.restricted, person.held, self.last = 0, Counter(), name

    def token(self, name: str) -> str:
        shown = self.shown[name]
        assert shown
        return shown.token

    # -- what the owner does ------------------------------------------------------------------------------------------

    @rule()
    def publish_minor(self) -> None:
        """Another name: nobody is asked (F4)."""
        self.publish({})

    @rule(tracker=st.sampled_from(NEW))
    def publish_material(self, tracker: str) -> None:
        """A new tracker, for marketing: only it is asked about (F3)."""
        if tracker not in self.stored.current.trackers:
            self.publish({tracker: "marketing"})

    @rule(category=st.sampled_from(MOVES))
    def move(self, category: str) -> None:
        """A tracker is used for something else from now on."""
        if self.stored.current.trackers["intercom"] != category:
            self.publish({"intercom": category})

    # -- what the operator and fate do --------------------------------------------------------------------------------

    @rule(days=st.sampled_from((1, 90, 181)))
    def wait(self, days: int) -> None:
        """Time passes."""
        self.world.skew += timedelta(days=days)
        self.world.restart()

    @rule(everything=st.booleans())
    def kill(self, everything: bool) -> None:
        """The kernel ends the workers, or the whole server."""
        self.world.server.kill_workers()
        if everything:
            self.world.server.stop(signal.SIGKILL)
            self.world.start()
        servers.until(lambda: self.world.server.call("GET", "/readyz").status == 200)

    @precondition(lambda self: self.world.newest < 7)
    @rule(retire=st.booleans())
    def rotate(self, retire: bool) -> None:
        """A new key signs; the oldest may go."""
        self.world.newest += 1
        if retire:
            self.world.oldest = min(self.world.oldest + 1, self.world.newest)
        self.world.restart()

    @rule()
    def jobs(self) -> None:
        """What has ended is counted, what is too old is forgotten."""
        for name in ("expire", "forget", "traces"):
            self.world.server.flask("jobs", "run", name)
        now = self.world.now
        life.count_expired(self.stored, now)
        life.forget(self.stored, now)

    @rule()
    def back_up(self) -> None:
        """While it serves."""
        made = self.world.server.flask("backup", "create").stdout.split("\n")[0]
        self.backup, self.erased_since = (Path(made), self.stored.copy()), set()

    # An erasure under a key that is gone stops a restore, which is another test's story.
    @precondition(lambda self: self.backup is not None and not self.world.oldest)
    @rule()
    def restore(self) -> None:
        """The database is lost; the backup comes back without who was erased, and browsers bring what it lacks."""
        assert self.backup
        self.world.server.stop()
        self.world.server.flask("backup", "restore", str(self.backup[0]), "--replace")
        self.world.start()
        self.stored = self.backup[1].copy()
        self.stored.tidied = self.world.now + timedelta(days=395)
        for name in self.erased_since:
            self.stored.counts += self.stored.people[name].held
            self.stored.people[name] = life.Person()
        for name in PEOPLE:
            self.bring_back(name)

    def bring_back(self, name: str) -> None:
        """The browser sends its receipt, as the page does after a restore."""
        shown = self.shown[name]
        if shown is None:
            return
        known = any(one.id == shown.id for one in self.stored.people[name].records)
        answer = self.world.call("POST", "/receipts", receipt=shown.token)
        if known:
            assert answer.status == 200, answer.body
        elif shown.ended(self.world.now):
            assert answer.status == 410, answer.body
        elif shown.version > self.stored.current.number:
            assert answer.status == 422, answer.body
        else:
            assert (answer.status, answer.json()["record"]["source"]) == (201, "recovered")
            back = replace(shown, source="recovered", at=shown.at.replace(microsecond=0))
            self.stored.people[name].records.append(back)
            self.stored.counts += back.tallies()

    # -- and everything agrees ----------------------------------------------------------------------------------------

    @invariant()
    def agree(self) -> None:
        """The model, the gate over HTTP, the gate in Python, the page, the visitor's records and the counts."""
        if not hasattr(self, "stored"):
            return
        servers.until(lambda: self.config()["version"] == self.stored.current.number)
        config = self.config()
        gate = Gate("life", self.world.keys[self.world.oldest : self.world.newest + 1][::-1], config)
        for name in PEOPLE:
            self.gates_agree(name, gate)
            self.records_agree(name)
        self.page_agrees(self.last)
        servers.until(lambda: self.world.counts() == self.stored.counts)
        for _, token in self.erased:
            assert self.world.call("GET", "/me", receipt=token).status == 401

    def config(self) -> dict[str, Any]:
        """What the page is told."""
        return dict(self.world.call("GET", "/config?lang=nl").json())

    def expected(self, name: str, gpc: bool) -> dict[str, str]:
        """The reason per tracker, by the model."""
        version, now = self.stored.current, self.world.now
        return {
            tracker: life.reason(self.shown[name], version, tracker, now, gpc, self.world.oldest)
            for tracker in version.trackers
        }

    def gates_agree(self, name: str, gate: Gate) -> None:
        shown = self.shown[name]
        token = shown.token if shown else None
        for gpc in (False, True):
            found = self.world.call("GET", "/gate", receipt=token, **({"Sec-GPC": "1"} if gpc else {})).json()
            reasons = {tracker: row["reason"] for tracker, row in found["trackers"].items()}
            own = gate.reasons(token, gpc=gpc, now=self.world.now.timestamp())
            assert reasons == self.expected(name, gpc)
            assert {tracker: decision.reason for tracker, decision in own.items()} == reasons

    def records_agree(self, name: str) -> None:
        if not self.shown[name]:
            return
        answer = self.world.call("GET", "/me", receipt=self.token(name))
        if not self.readable(name):
            assert answer.status == 401
            return
        assert [row["id"] for row in answer.json()["records"]] == [
            decision.id for decision in self.stored.people[name].records]

    def page_agrees(self, name: str) -> None:
        shown, expected = self.shown[name], self.expected(name, gpc=False)
        seen = self.world.look(shown.token if shown else None, list(expected))
        assert seen["loads"] == [tracker for tracker, reason in expected.items() if reason == "granted"]
        assert seen["asks"] is self.is_asked(name)
        self.stored.counts["shown", ""] += seen["asks"]

    def is_asked(self, name: str) -> bool:
        """Whether the banner appears: for who has not answered, and for who allowed what changed since (F1, F3)."""
        shown, version, now = self.shown[name], self.stored.current, self.world.now
        as_of_now = shown and replace(shown, version=version.number)
        for tracker in version.trackers:
            today = life.reason(shown, version, tracker, now, False, self.world.oldest)
            anew = life.reason(as_of_now, version, tracker, now, False, self.world.oldest)
            if today != "granted" and anew not in ("denied", "withdrawn", "gpc"):
                return True
        return False


@pytest.fixture
def world(tmp_path: Path, browser: Browser, internet: Internet) -> Iterator[World]:
    """A server that runs, and a page of the site."""
    made = World(tmp_path, browser, internet)
    yield made
    made.end()


def test_everything_agrees_whatever_happens(world: World) -> None:
    bound = type("BoundLife", (Life,), {"world": world})
    lives = int(os.environ.get("LIVES", "0"))  # so many, at random; else the same one each time
    calm = settings(
        max_examples=lives or 1, stateful_step_count=8, deadline=None, derandomize=not lives,
        phases=[Phase.generate],  # each step takes a second: to look for a shorter story would take minutes
        suppress_health_check=list(HealthCheck), print_blob=False)
    run_state_machine_as_test(bound, settings=calm)
