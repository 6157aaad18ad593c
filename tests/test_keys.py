"""API keys, and the gate that back ends ask with one."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from consent import keys, versions
from consent.db import db
from consent.keys import ApiKey
from tests.shop import body

Post = Callable[..., Any]
Define = Callable[..., versions.Version]
pytestmark = pytest.mark.usefixtures("shop")


@pytest.fixture
def make(app: Flask) -> Callable[..., str]:
    """Make a key by the command; the key itself."""

    def create(*arguments: str) -> str:
        done = run(app, "create", "--organisation", "Webwinkel B.V.", *arguments)
        assert done.exit_code == 0, done.output
        return str(done.output.splitlines()[-1])

    return create


def run(app: Flask, *arguments: str) -> Any:
    return app.test_cli_runner().invoke(args=["key", *arguments])


def ask(client: FlaskClient, key: str | None, said: Any, site: str = "shop", **headers: str) -> Any:
    db.session.rollback()  # the test's own transaction, which a request at the WSGI door shares
    bearer = {} if key is None else {"Authorization": f"Bearer {key}"}
    return client.post(f"/v1/sites/{site}/gate", json=said, headers={**bearer, **headers})


class TestCommands:
    def test_a_key_is_shown_once_and_kept_as_a_hash(self, app: Flask, make: Callable[..., str]) -> None:
        key = make("--name", "CRM")
        assert key.startswith("poort_")
        assert len(key) >= 49, "256 random bits"
        row = db.session.scalars(select(ApiKey)).one()
        assert key not in str(vars(row))
        assert key not in run(app, "list").output

    def test_the_list_tells_the_keys_apart(self, app: Flask, make: Callable[..., str]) -> None:
        make("--name", "CRM")
        make("--site", "shop", "--name", "mailing")
        first, second = run(app, "list").output.splitlines()
        assert first.split("\t")[1:3] == ["Webwinkel B.V.", "all"]
        assert second.split("\t")[2] == "shop"
        assert "never used" in first
        assert first.endswith("CRM")

    @pytest.mark.parametrize(
        "arguments",
        [
            ("create", "--organisation", "Nobody"),
            ("create", "--organisation", "Webwinkel B.V.", "--site", "nobody"),
            ("create", "--organisation", "Webwinkel B.V.", "--site", "theirs"),
            ("create", "--organisation", "Webwinkel B.V.", "--name", "x\ny"),
            ("create",),
            ("revoke", "9"),
            ("revoke", "x"),
        ],
    )
    def test_bad_input_is_one_clear_line(self, app: Flask, define: Define, arguments: tuple[str, ...]) -> None:
        define(key="theirs", organisation="Ander B.V.")
        done = run(app, *arguments)
        assert done.exit_code != 0
        assert done.output.splitlines()[-1].startswith("Error: ")
        assert db.session.scalars(select(ApiKey)).all() == []


@pytest.mark.usefixtures("through_doors")
class TestGate:
    def test_it_answers_by_the_latest_record(
        self, client: FlaskClient, post: Post, make: Callable[..., str]
    ) -> None:
        key, sent = make(), body("accept_all")
        said = {"visitor": sent["visitor"], "tracker": "meta"}
        assert ask(client, key, said).json == {
            "tracker": "meta", "allow": False, "reason": "no_choice", "category": "marketing", "version": 1}
        post(sent)
        assert ask(client, key, said).json["reason"] == "granted"
        post(body("withdraw", source="settings", visitor=sent["visitor"]))
        assert ask(client, key, said).json["reason"] == "withdrawn"
        assert ask(client, key, {**said, "tracker": "nobody"}).json["reason"] == "unknown_tracker"

    def test_without_a_tracker_it_answers_as_the_gate_does(
        self, client: FlaskClient, post: Post, make: Callable[..., str]
    ) -> None:
        sent = body("custom", trackers={"hotjar": False})
        receipt = post(sent).json["receipt"]
        asked = client.get("/v1/sites/shop/gate", headers={"Poort-Receipt": receipt})
        assert ask(client, make(), {"visitor": sent["visitor"]}).json == asked.json
        with_gpc = client.get("/v1/sites/shop/gate", headers={"Poort-Receipt": receipt, "Sec-GPC": "1"})
        assert ask(client, make(), {"visitor": sent["visitor"], "gpc": True}).json == with_gpc.json

    def test_gpc_keeps_marketing_out(self, client: FlaskClient, post: Post, make: Callable[..., str]) -> None:
        sent = body("accept_all")
        post(sent)
        said = {"visitor": sent["visitor"], "tracker": "meta", "gpc": True}
        assert ask(client, make(), said).json["reason"] == "gpc"

    def test_a_consent_ends_here_too(self, client: FlaskClient, post: Post, make: Callable[..., str]) -> None:
        """F2"""
        moment = datetime.now(UTC) - timedelta(days=180) + timedelta(seconds=2)
        sent = body("accept_all", source="import", decided_at=moment.isoformat())
        assert post(sent).status_code == 201
        key, said = make(), {"visitor": sent["visitor"], "tracker": "meta"}
        while (reason := ask(client, key, said).json["reason"]) == "granted":
            pass
        assert reason == "expired"

    def test_a_tracker_that_changed_is_asked_anew(
        self, client: FlaskClient, post: Post, define: Define, make: Callable[..., str]
    ) -> None:
        """F3"""
        sent = body("accept_all")
        post(sent)
        define(trackers=[{"id": "ga4"}, {"id": "meta"}, {"id": "hotjar", "category": "marketing", "reason": "Ads."}])
        key = make()
        assert ask(client, key, {"visitor": sent["visitor"], "tracker": "hotjar"}).json["reason"] == "stale_version"
        assert ask(client, key, {"visitor": sent["visitor"], "tracker": "ga4"}).json["reason"] == "granted"

    def test_an_erased_visitor_has_no_choice(
        self, client: FlaskClient, post: Post, make: Callable[..., str]
    ) -> None:
        """G5"""
        sent = body("accept_all")
        receipt = post(sent).json["receipt"]
        client.delete("/v1/sites/shop/me", headers={"Poort-Receipt": receipt})
        assert ask(client, make(), {"visitor": sent["visitor"], "tracker": "meta"}).json["reason"] == "no_choice"

    @pytest.mark.parametrize("key", [None, "", "poort_", "poort_" + "x" * 43, "\u00e9", "poort_" + "x" * 4000])
    def test_without_a_key_that_counts_it_is_401(self, client: FlaskClient, key: str | None) -> None:
        for site in ("shop", "nobody"):
            answer = ask(client, key, {"visitor": str(uuid.uuid4())}, site)
            assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")

    def test_a_revoked_key_opens_nothing(self, app: Flask, client: FlaskClient, make: Callable[..., str]) -> None:
        key, said = make(), {"visitor": str(uuid.uuid4())}
        assert ask(client, key, said).status_code == 200
        assert run(app, "revoke", str(db.session.scalars(select(ApiKey.id)).one())).exit_code == 0
        assert ask(client, key, said).status_code == 401

    def test_what_is_somebody_else_s_looks_like_what_is_not_there(
        self, client: FlaskClient, define: Define, make: Callable[..., str]
    ) -> None:
        define(key="second")
        define(key="theirs", organisation="Ander B.V.")
        said = {"visitor": str(uuid.uuid4())}
        absent = ask(client, make(), said, "nobody")
        assert absent.status_code == 404
        for key, site in ((make(), "theirs"), (make("--site", "shop"), "second"), (make(), "No%20Site")):
            refused = ask(client, key, said, site)
            assert (refused.status_code, refused.json) == (404, absent.json)
        assert ask(client, make(), said, "second").status_code == 200

    @pytest.mark.parametrize(
        ("said", "status", "field"),
        [
            ({}, 422, "visitor"),
            ({"visitor": "42"}, 422, "visitor"),
            ({"visitor": str(uuid.uuid4()), "tracker": 7}, 422, "tracker"),
            ({"visitor": str(uuid.uuid4()), "tracker": ""}, 422, "tracker"),
            ({"visitor": str(uuid.uuid4()), "gpc": 1}, 422, "gpc"),
            ({"visitor": str(uuid.uuid4()), "more": 1}, 422, "more"),
            ([], 400, ""),
        ],
    )
    def test_a_bad_question_is_refused(
        self, client: FlaskClient, make: Callable[..., str], said: Any, status: int, field: str
    ) -> None:
        answer = ask(client, make(), said)
        assert answer.status_code == status
        assert field in answer.json.get("fields", {"": ""})

    def test_no_page_of_a_browser_reads_it(self, client: FlaskClient, make: Callable[..., str]) -> None:
        answer = ask(client, make(), {"visitor": str(uuid.uuid4())}, Origin="https://www.shop.example")
        assert not [name for name in dict(answer.headers) if name.startswith("Access-Control")]
        asked = client.options("/v1/sites/shop/gate", headers={
            "Origin": "https://www.shop.example", "Access-Control-Request-Method": "POST"})
        assert "POST" not in asked.headers["Access-Control-Allow-Methods"]
        assert "Authorization" not in asked.headers["Access-Control-Allow-Headers"]

    def test_another_method_hears_of_both(self, client: FlaskClient, make: Callable[..., str]) -> None:
        answer = client.put("/v1/sites/shop/gate")
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, OPTIONS, POST")

    def test_only_the_day_of_its_last_use_is_kept(
        self, app: Flask, client: FlaskClient, make: Callable[..., str]
    ) -> None:
        key = make()
        for _ in range(2):
            ask(client, key, {"visitor": str(uuid.uuid4())})
        today = datetime.now(UTC).date()
        db.session.rollback()
        assert db.session.scalars(select(ApiKey.last_used)).one() in (today, today - timedelta(days=1))
        assert f"used {today.year}" in run(app, "list").output

    def test_too_many_from_one_address_is_429(self, client: FlaskClient) -> None:
        statuses = {
            client.post("/v1/sites/shop/gate", json={}, environ_base={"REMOTE_ADDR": "203.0.113.9"}).status_code
            for _ in range(301)
        }
        assert statuses == {401, 429}


def test_two_keys_are_never_the_same(app: Flask) -> None:
    made = {keys.create("Webwinkel B.V.", None, "", datetime.now(UTC))[1] for _ in range(50)}
    assert len(made) == 50
