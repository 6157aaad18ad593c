"""A receipt of hours that were lost is the record that it stands for."""

import re
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from limits import RateLimitItemPerMinute
from sqlalchemy import func, select

from consent import outbox, records, tombstones, versions, webhooks
from consent.counts import DailyCount
from consent.db import db
from consent.receipts import Keyring, Receipt
from consent.restorations import Restoration
from consent.sites import site_for_key
from tests.conftest import KEY, forget
from tests.shop import FIREFOX, NOW, body

Post = Callable[..., Any]
HOUR = timedelta(hours=1)


@pytest.fixture
def lost(app: Flask, shop: versions.Version) -> datetime:
    """A backup of an hour and a half ago was put back now; in the middle somebody decided."""
    now = datetime.now(UTC)
    db.session.add(Restoration(at=now, backup_at=now - 1.5 * HOUR))
    db.session.commit()
    forget(app)
    return now


def held(at: datetime, action: str = "accept_all", key: str = KEY, **changes: Any) -> str:
    """The receipt that a visitor holds who decided then."""
    granted = frozenset({"accept_all": ("functional", "analytics", "marketing"), "custom": ("analytics",)}[action])
    decided = int(at.timestamp())
    receipt = Receipt("shop", str(uuid.uuid4()), str(uuid.uuid4()), 1, action, granted, frozenset(), frozenset(), False,
                      decided, decided + 180 * 86_400)
    return Keyring([key]).issue(receipt._replace(**changes))


def send(client: FlaskClient, token: str, site: str = "shop", **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(f"/v1/sites/{site}/receipts", headers={"Poort-Receipt": token, **named})


def stored() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(records.Record)) or 0


def tallies() -> dict[tuple[str, str], int]:
    return {(row.metric, row.value): row.n for row in db.session.scalars(select(DailyCount))}


class TestRecovered:
    @pytest.mark.usefixtures("through_doors")
    def test_it_is_stored_as_the_record_that_it_stands_for(self, client: FlaskClient, lost: datetime) -> None:
        token = held(lost - HOUR, "custom", refused=frozenset({"hotjar"}), allowed=frozenset({"meta"}), gpc=True)
        receipt = Keyring([KEY]).read(token)
        answer = send(client, token, User_Agent=FIREFOX, Origin="https://www.shop.example")
        assert answer.status_code == 201
        assert answer.headers["Access-Control-Allow-Origin"] == "https://www.shop.example"
        record = answer.json["record"]
        assert (record["id"], record["visitor"]) == (receipt.record, receipt.visitor)
        assert record["choices"] == {"functional": False, "analytics": True, "marketing": False}
        assert record["trackers"] == {"hotjar": False, "meta": True}
        assert (record["source"], record["language"], record["gpc"]) == ("recovered", "nl", True)
        assert (record["browser"], record["os"], record["page_group"]) == ("Firefox", "Linux", None)
        assert record["decided_at"] == datetime.fromtimestamp(receipt.decided, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        assert record["recorded_at"] > record["decided_at"]
        assert answer.json["receipt"] == token, "it lives no longer for it"
        assert stored() == 1
        assert tallies() == {("recovered", "custom"): 1}

    def test_a_second_time_it_is_the_same_record(self, client: FlaskClient, lost: datetime) -> None:
        token = held(lost - HOUR)
        first, again = send(client, token), send(client, token)
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json == again.json
        assert (stored(), tallies()) == (1, {("recovered", "accept_all"): 1})

    def test_who_is_known_is_told_so_without_any_restoration(self, client: FlaskClient, post: Post, shop: Any) -> None:
        made = post(body("accept_all")).json
        answer = send(client, made["receipt"])
        assert (answer.status_code, answer.json) == (200, made)

    def test_a_receipt_of_before_a_rotation_is_signed_anew(
        self, client: FlaskClient, app: Flask, lost: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        older = "an-older-key-for-the-tests-9876543210-fedcba"
        monkeypatch.setattr(app.extensions["poort"], "keyring", Keyring([KEY, older]))
        token = held(lost - HOUR, key=older)
        answer = send(client, token)
        assert answer.status_code == 201
        assert Keyring([KEY]).read(answer.json["receipt"]) == Keyring([older]).read(token)

    @pytest.mark.parametrize("hours", [2.6, -0.1])
    def test_what_was_not_lost_was_deleted(self, client: FlaskClient, lost: datetime, hours: float) -> None:
        answer = send(client, held(lost - hours * HOUR))
        assert (answer.status_code, answer.json["error"]) == (410, "not_lost")

    def test_without_a_restoration_nothing_was_lost(self, client: FlaskClient, shop: Any) -> None:
        assert send(client, held(datetime.now(UTC) - HOUR)).json["error"] == "not_lost"

    def test_who_was_erased_stays_erased(self, client: FlaskClient, app: Flask, lost: datetime) -> None:
        token = held(lost - HOUR)
        visitor = uuid.UUID(Keyring([KEY]).read(token).visitor)
        tombstones.bury("shop", visitor, lost - HOUR / 2)
        db.session.commit()
        answer = send(client, token)
        assert (answer.status_code, answer.json["error"]) == (410, "erased")
        later = held(lost - HOUR / 4, visitor=str(visitor))
        assert send(client, later).status_code == 201, "what was said after the erasure was not erased"

    def test_a_decision_that_ended_stays_away(self, client: FlaskClient, lost: datetime) -> None:
        decided = int((lost - HOUR).timestamp())
        answer = send(client, held(lost - HOUR, expires=decided + 60))
        assert (answer.status_code, answer.json["error"]) == (410, "expired")

    @pytest.mark.parametrize("changes", [
        {"version": 2}, {"refused": frozenset({"nothing"})}, {"expires": 2**40}, {"granted": frozenset({"odd"})}])
    def test_a_receipt_that_does_not_fit_its_version_is_no_record(
        self, client: FlaskClient, lost: datetime, changes: dict[str, Any]
    ) -> None:
        """Signed, but of another Poort with the same keys, or of a version that was lost too."""
        answer = send(client, held(lost - HOUR, **changes))
        assert (answer.status_code, list(answer.json["fields"])) == (422, ["version"])
        assert stored() == 0

    def test_the_id_of_another_decision_is_a_conflict(self, client: FlaskClient, lost: datetime) -> None:
        token = held(lost - HOUR)
        assert send(client, token).status_code == 201
        receipt = Keyring([KEY]).read(token)
        for changes in ({"visitor": str(uuid.uuid4())}, {"decided": receipt.decided - 1}):
            other = Keyring([KEY]).issue(receipt._replace(**changes))
            assert send(client, other).status_code == 409

    @pytest.mark.usefixtures("through_doors")
    def test_others_are_turned_away(self, client: FlaskClient, lost: datetime) -> None:
        token = held(lost - HOUR)
        for bad in ("", "forged.token", token[:-1], held(lost - HOUR, site="other")):
            assert send(client, bad).status_code == 401
        assert client.post("/v1/sites/shop/receipts", headers={"Cookie": f"poort={token}"}).status_code == 401
        assert send(client, token, Origin="https://evil.example").status_code == 403
        assert send(client, token, site="nobody").status_code == 404
        assert stored() == 0

    @pytest.mark.usefixtures("through_doors")
    def test_a_page_of_the_site_may_ask(self, client: FlaskClient, lost: datetime) -> None:
        asked = client.options("/v1/sites/shop/receipts", headers={
            "Origin": "https://www.shop.example", "Access-Control-Request-Method": "POST"})
        assert asked.status_code == 204
        assert asked.headers["Access-Control-Allow-Methods"] == "POST"
        assert "Poort-Receipt" in asked.headers["Access-Control-Allow-Headers"]

    def test_too_many_from_one_address_are_told_to_wait(
        self, client: FlaskClient, app: Flask, lost: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(app.extensions["poort"], "_limit", RateLimitItemPerMinute(2))
        token = held(lost - HOUR)
        caller: dict[str, Any] = {"environ_overrides": {"REMOTE_ADDR": "203.0.113.7"}}
        headers = {"Poort-Receipt": token}
        found = [client.post("/v1/sites/shop/receipts", headers=headers, **caller) for _ in range(3)]
        assert [answer.status_code for answer in found] == [201, 200, 429]
        assert int(found[-1].headers["Retry-After"]) > 0

    def test_sent_twice_at_once_it_is_one_record(self, app: Flask, lost: datetime) -> None:
        token = held(lost - HOUR)
        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(lambda _: send(app.test_client(), token).status_code, range(6)))
        assert sorted(found) == [200] * 5 + [201]
        assert (stored(), tallies()) == (1, {("recovered", "accept_all"): 1})

    def test_the_owner_s_systems_are_told_as_of_any_decision(self, client: FlaskClient, lost: datetime) -> None:
        webhooks.put(site_for_key("shop"), "https://crm.example/poort", NOW)
        db.session.commit()
        token = held(lost - HOUR)
        send(client, token), send(client, token)
        (event,) = db.session.scalars(select(outbox.Event))
        assert event.sequence == Keyring([KEY]).read(token).decided * 1_000_000, "it undoes nothing newer"
        assert event.body["trackers"]["meta"] is True


class TestPages:
    @pytest.mark.usefixtures("through_doors")
    def test_are_told_of_lost_hours_while_it_may_matter(self, client: FlaskClient, lost: datetime) -> None:
        path = "/v1/sites/shop/config?lang=nl"
        told = client.get(path).json["restored"]  # type: ignore[index]
        assert told == {"from": int((lost - 1.5 * HOUR).timestamp()), "to": int(lost.timestamp())}
        assert re.search('restored"?:{"?from', client.get("/banner/shop.js").text)
        assert "restored" not in client.get(f"{path}&version=1").text, "a page that is kept for a year"

    def test_are_told_nothing_of_hours_that_nobody_holds_receipts_of(
        self, client: FlaskClient, app: Flask, shop: Any
    ) -> None:
        now = datetime.now(UTC)
        db.session.add(Restoration(at=now - timedelta(days=396), backup_at=now - timedelta(days=397)))
        db.session.commit()
        forget(app)
        assert "restored" not in client.get("/v1/sites/shop/config").text
        assert "restored" not in client.get("/banner/shop.js").text

    def test_are_told_without_a_restart(self, client: FlaskClient, shop: Any) -> None:
        assert "restored" not in client.get("/v1/sites/shop/config").text
        now = datetime.now(UTC)
        db.session.add(Restoration(at=now, backup_at=now - HOUR))
        db.session.commit()
        while "restored" not in client.get("/v1/sites/shop/config").text:
            assert datetime.now(UTC) - now < timedelta(seconds=20)
        assert client.get("/v1/sites/shop/config").json["version"] == 1  # type: ignore[index]


def test_a_version_after_lost_hours_takes_no_number_of_a_lost_one(
    app: Flask, lost: datetime, define: Callable[..., versions.Version]
) -> None:
    """F3: a receipt for the lost version 2 must not count as one for another version 2."""
    number = define(name="Webwinkel 2").number
    assert number > 2
    db.session.execute(Restoration.__table__.update().values(at=NOW - HOUR))
    db.session.commit()
    assert define(name="Webwinkel 3").number == number + 1
