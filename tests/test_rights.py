"""What visitors may ask by law: erasure with an answer, restriction, and the list of requests that the owner sees."""

import json
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, insert, select

from consent import counts, delivery, erasure, jobs, outbox, records, rights, sites, versions, webhooks
from consent.batches import Go
from consent.db import db
from consent.outbox import Event
from consent.receipts import Keyring, from_claims
from tests.conftest import KEY, forget
from tests.pages import signed_in
from tests.receiver import Receiver
from tests.shop import DEFINITION, FIREFOX, body

Post = Callable[..., Any]
TOLD = {"Prefer": "return=representation"}


def ask(client: FlaskClient, token: str, method: str = "GET", path: str = "", **headers: str) -> Any:
    db.session.rollback()
    return client.open(f"/v1/sites/shop/me{path}", method=method, headers={"Poort-Receipt": token, **headers})


def restrict(client: FlaskClient, token: str, method: str = "POST", **headers: str) -> Any:
    return ask(client, token, method, "/restriction", **headers)


def tallies() -> dict[tuple[Any, ...], int]:
    """The counts that are not nought."""
    db.session.rollback()
    table = counts.DailyCount.__table__
    rows = db.session.execute(select(table.c.metric, table.c.value, table.c.n)).all()
    return {(row.metric, row.value): row.n for row in rows if row.n}


def requests() -> list[tuple[str, dict[str, int]]]:
    db.session.rollback()
    return [(found.kind, found.answer) for found in reversed(rights.listed("shop"))]


@pytest.fixture
def visitor(post: Post, shop: versions.Version) -> dict[str, Any]:
    """Somebody who accepted, then changed; and somebody else."""
    sent = body("accept_all")
    first = post(sent).json["receipt"]
    last = post(body("custom", source="settings", visitor=sent["visitor"])).json["receipt"]
    other = post(body("accept_all")).json["receipt"]
    return {"id": sent["visitor"], "first": first, "last": last, "other": other}


@pytest.fixture
def key(app: Flask, shop: versions.Version) -> str:
    """An API key of the shop's owner."""
    made = app.test_cli_runner().invoke(args=["key", "create", "--organisation", "Webwinkel B.V."])
    return str(made.output.splitlines()[-1])


@pytest.mark.usefixtures("through_doors")
class TestAnswers:
    def test_who_prefers_it_is_told_what_was_erased(self, client: FlaskClient, visitor: dict[str, Any]) -> None:
        done = ask(client, visitor["last"], "DELETE", **TOLD)
        assert done.status_code == 200
        assert done.headers["Preference-Applied"] == "return=representation"
        assert done.json["done"] == "erasure"
        assert done.json["removed"] == {"records": 2, "events": 0, "outcomes": 0, "restrictions": 0}
        assert ask(client, visitor["last"], "DELETE", **TOLD).status_code == 401

    def test_restricting_and_lifting_answer_in_the_same_way(
        self, client: FlaskClient, visitor: dict[str, Any]
    ) -> None:
        assert restrict(client, visitor["first"]).status_code == 204
        at = ask(client, visitor["last"]).json["restricted_at"]
        assert at >= ask(client, visitor["last"]).json["records"][-1]["recorded_at"]
        assert restrict(client, visitor["last"], **TOLD).json["changed"] == {"records": 0}, "it was so before"
        assert restrict(client, visitor["last"], "DELETE", **TOLD).json["changed"] == {"records": 2}
        assert restrict(client, visitor["last"], "DELETE", **TOLD).json["changed"] == {"records": 0}
        assert ask(client, visitor["last"]).json["restricted_at"] is None

    @pytest.mark.parametrize(("method", "path"), [("DELETE", ""), ("POST", "/restriction"), ("DELETE", "/restriction")])
    def test_it_takes_a_receipt_of_this_site_and_a_page_of_this_site(
        self, client: FlaskClient, visitor: dict[str, Any], method: str, path: str
    ) -> None:
        claims = Keyring([KEY]).read(visitor["last"]).claims()
        elsewhere = Keyring([KEY]).issue(from_claims({**claims, "s": "other"}))
        for token in ("", "forged.token", visitor["last"][:-2], elsewhere):
            refused = ask(client, token, method, path)
            assert (refused.status_code, refused.json["error"]) == (401, "no_receipt")
        foreign = ask(client, visitor["last"], method, path, Origin="https://evil.example")
        assert (foreign.status_code, foreign.json["error"]) == (403, "foreign_origin")
        assert "Access-Control-Allow-Origin" not in foreign.headers
        assert client.open(f"/v1/sites/nobody/me{path}", method=method).status_code == 404
        assert requests() == []
        assert ask(client, visitor["last"]).json["restricted_at"] is None

    def test_a_page_of_the_site_may_ask_whether_it_may(self, client: FlaskClient, visitor: dict[str, Any]) -> None:
        own = {"Origin": "https://www.shop.example", "Access-Control-Request-Method": "POST"}
        answer = client.options("/v1/sites/shop/me/restriction", headers=own)
        assert answer.status_code == 204
        assert answer.headers["Access-Control-Allow-Methods"] == "DELETE, POST"
        assert {"Poort-Receipt", "Prefer"} <= set(answer.headers["Access-Control-Allow-Headers"].split(", "))
        assert answer.headers.getlist("Access-Control-Allow-Origin") == ["https://www.shop.example"]
        foreign = client.options("/v1/sites/shop/me/restriction", headers={**own, "Origin": "https://evil.example"})
        assert foreign.status_code == 403
        done = restrict(client, visitor["last"], Origin="https://www.shop.example")
        assert done.headers["Access-Control-Allow-Origin"] == "https://www.shop.example"

    def test_an_older_receipt_gets_the_newest(self, client: FlaskClient, visitor: dict[str, Any]) -> None:
        """So the visitor's page can tell a browser that still holds the older one."""
        assert ask(client, visitor["first"]).json["receipt"] == visitor["last"]


class TestRestriction:
    def test_the_counts_go_without_it_until_it_is_lifted(
        self, client: FlaskClient, visitor: dict[str, Any], post: Post
    ) -> None:
        """G8: once, however often it is asked for; what is decided afterwards counts."""
        before = tallies()
        for _ in range(2):
            restrict(client, visitor["last"])
        assert tallies() == {
            ("answered", "accept_all"): 1, ("granted", "functional"): 1, ("granted", "analytics"): 1,
            ("granted", "marketing"): 1}
        post(body("withdraw", source="settings", visitor=visitor["id"]))
        assert tallies()["withdrawn", ""] == 1
        for _ in range(2):
            restrict(client, visitor["last"], "DELETE")
        assert tallies() == {**before, ("withdrawn", ""): 1}

    def test_erasing_leaves_the_anonymous_counts_whole(self, client: FlaskClient, visitor: dict[str, Any]) -> None:
        before = tallies()
        restrict(client, visitor["last"])
        assert ask(client, visitor["last"], "DELETE", **TOLD).json["removed"]["restrictions"] == 1
        assert tallies() == before
        assert db.session.scalars(select(rights.Restriction)).all() == []

    def test_what_was_added_later_can_be_restricted_too(
        self, client: FlaskClient, visitor: dict[str, Any], post: Post
    ) -> None:
        before = tallies()
        restrict(client, visitor["last"])
        last = post(body("withdraw", source="settings", visitor=visitor["id"])).json["receipt"]
        assert restrict(client, last, **TOLD).json["changed"] == {"records": 1}
        assert ("withdrawn", "") not in tallies()
        assert restrict(client, last, "DELETE", **TOLD).json["changed"] == {"records": 3}
        assert tallies() == {**before, ("withdrawn", ""): 1}

    def test_a_back_end_is_told_no_until_the_visitor_decides_anew(
        self, client: FlaskClient, visitor: dict[str, Any], post: Post, key: str
    ) -> None:
        def gate(tracker: str) -> tuple[bool, str]:
            db.session.rollback()
            answer: Any = client.post(
                "/v1/sites/shop/gate", json={"visitor": visitor["id"], "tracker": tracker},
                headers={"Authorization": f"Bearer {key}"}).json
            return answer["allow"], answer["reason"]

        assert gate("hotjar") == (True, "granted")
        restrict(client, visitor["last"])
        assert gate("hotjar") == (False, "no_choice")
        when = (datetime.now(UTC) - timedelta(days=1)).isoformat()
        post(body("accept_all", source="import", decided_at=when, visitor=visitor["id"]))
        assert gate("hotjar") == (False, "no_choice"), "what was said before comes in late: it is no new act"
        post(body("accept_all", source="settings", visitor=visitor["id"]))
        assert gate("hotjar") == (True, "granted")
        restrict(client, visitor["last"])
        restrict(client, visitor["last"], "DELETE")
        assert gate("hotjar") == (True, "granted")

    def test_nobody_is_told_of_it_until_it_is_lifted(
        self, app: Flask, client: FlaskClient, shop: versions.Version, post: Post
    ) -> None:
        def told(later: timedelta = timedelta(0)) -> list[str]:
            db.session.rollback()
            receiver.taken.clear()
            delivery.deliver(db.engine, True, lambda: datetime.now(UTC) + later)
            return [taken.event["action"] for taken in receiver.taken]

        with Receiver() as receiver:
            app.test_cli_runner().invoke(args=["webhook", "set", "shop", receiver.url])
            forget(app)
            sent = body("accept_all")
            receipt = post(sent).json["receipt"]
            restrict(client, receipt)
            post(body("necessary_only", visitor=sent["visitor"]))
            assert told() == ["necessary_only"], "the new act is told, and does not wait for the old one"
            db.session.rollback()
            later = datetime.now(UTC) + timedelta(days=40)
            assert webhooks.tidy(db.engine, later, Go()) == 1, "what is held back is not old"
            restrict(client, receipt, "DELETE")
            assert told() == ["accept_all"]
            restrict(client, receipt)
            ask(client, receipt, "DELETE")
            assert told() == ["erase"], "an erasure is told in any case"

    def test_the_visitor_sees_and_downloads_all_the_same(self, client: FlaskClient, visitor: dict[str, Any]) -> None:
        restrict(client, visitor["last"])
        assert len(ask(client, visitor["last"]).json["records"]) == 2
        assert len(ask(client, visitor["last"], path="/export").get_json(force=True)["@graph"]) == 2

    def test_a_restriction_of_nobody_is_ended_and_the_counts_stay(
        self, client: FlaskClient, visitor: dict[str, Any]
    ) -> None:
        """Retention takes records; what they counted for is anonymous, and stays."""
        before = tallies()
        restrict(client, visitor["last"])
        records.erase("shop", uuid.UUID(visitor["id"]))
        db.session.commit()
        assert any(line.startswith("traces: 1 restrictions ended") for line in jobs.run_due())
        assert tallies() == before
        assert db.session.scalars(select(rights.Restriction)).all() == []


class TestRequests:
    @pytest.mark.parametrize(("received", "due"), [
        ("2027-01-31", "2027-02-28"), ("2028-01-31", "2028-02-29"), ("2026-12-31", "2027-01-31"),
        ("2026-03-31", "2026-04-30"), ("2026-11-22", "2026-12-22"), ("2026-02-28", "2026-03-28"),
    ])
    def test_the_law_gives_a_calendar_month(self, received: str, due: str) -> None:
        """G6"""
        moment = datetime.fromisoformat(f"{received}T10:30:00+00:00")
        assert rights.month_after(moment) == datetime.fromisoformat(f"{due}T10:30:00+00:00")

    @pytest.mark.parametrize(("received", "days", "promised"), [
        ("2026-11-20", 1, "2026-11-23"), ("2026-11-20", 5, "2026-11-27"), ("2026-11-22", 5, "2026-11-27"),
        ("2026-11-21", 1, "2026-11-23"), ("2026-11-23", 20, "2026-12-21"),
    ])
    def test_a_promise_counts_from_monday_to_friday(self, received: str, days: int, promised: str) -> None:
        moment = datetime.fromisoformat(f"{received}T10:30:00+00:00")
        assert rights.working_days_after(moment, days) == datetime.fromisoformat(f"{promised}T10:30:00+00:00")

    def test_every_request_is_listed_with_what_was_done_and_without_the_person(
        self, app: Flask, client: FlaskClient, visitor: dict[str, Any], key: str,
        define: Callable[..., versions.Version],
    ) -> None:
        define(request_working_days=5)
        for method, path in (("POST", "/restriction"), ("DELETE", "/restriction"), ("DELETE", "")):
            for _ in range(2):  # the second time there is nothing to do
                ask(client, visitor["last"], method, path)
        ask(client, visitor["other"], "DELETE")
        gone = {"records": 2, "events": 0, "outcomes": 0, "restrictions": 0}
        expected = [
            ("restriction", {"records": 2}), ("lifting", {"records": 2}), ("erasure", gone),
            ("erasure", {**gone, "records": 1})]
        assert requests() == expected
        db.session.rollback()
        answer = client.get("/v1/sites/shop/requests", headers={"Authorization": f"Bearer {key}"})
        assert [(found["kind"], found["answer"]) for found in reversed(answer.get_json()["requests"])] == expected
        assert "Access-Control-Allow-Origin" not in answer.headers
        first = answer.get_json()["requests"][-1]
        assert first["received_at"] == first["done_at"] < first["promised_at"] < first["due_at"]
        shown = app.test_cli_runner().invoke(args=["site", "requests", "shop"]).output
        assert [line.split("\t")[1] for line in shown.splitlines()] == ["erasure", "erasure", "lifting", "restriction"]
        for text in (answer.text, shown):
            for secret in (visitor["id"], uuid.UUID(visitor["id"]).hex, visitor["last"]):
                assert secret not in text

    @pytest.mark.parametrize(("authorization", "status"), [("", 401), ("Bearer poort_no", 401), ("Basic x", 401)])
    def test_the_list_takes_a_key(
        self, client: FlaskClient, shop: versions.Version, authorization: str, status: int
    ) -> None:
        answer = client.get("/v1/sites/shop/requests", headers={"Authorization": authorization})
        assert answer.status_code == status

    def test_a_key_of_somebody_else_opens_nothing(
        self, app: Flask, client: FlaskClient, people: dict[str, Any]
    ) -> None:
        made = app.test_cli_runner().invoke(args=["key", "create", "--organisation", "Ander B.V."])
        bearer = {"Authorization": f"Bearer {made.output.splitlines()[-1]}"}
        assert client.get("/v1/sites/shop/requests", headers=bearer).status_code == 404

    @pytest.mark.parametrize(("language", "words"), [
        ("nl", ("Wissen", "Beperking opgeheven", "Wettelijke termijn", "keuzes: 2")),
        ("en", ("Erasure", "Restriction lifted", "Due by law", "choices: 2"))])
    def test_the_owner_reads_them_in_the_console(
        self, app: Flask, client: FlaskClient, people: dict[str, Any], visitor: dict[str, Any], language: str,
        words: tuple[str, ...],
    ) -> None:
        alice = signed_in(app, "alice")
        assert "/console/sites/shop/visitors" in alice.get("/console/sites/shop").text
        assert "/console/sites/shop/visitors" not in signed_in(app, "bob").get("/console/sites/shop").text
        for method, path in (("POST", "/restriction"), ("DELETE", "/restriction"), ("DELETE", "")):
            ask(client, visitor["last"], method, path)
        page = alice.get(f"/console/sites/shop/visitors?lang={language}").text
        for word in words:
            assert word in page
        assert visitor["id"] not in page

    @pytest.mark.parametrize("days", [0, 21, 2.5, "5", True])
    def test_a_promise_is_a_number_of_days(self, app: Flask, days: Any) -> None:
        with pytest.raises(sites.DefinitionError, match="request_working_days"):
            sites.parse_definition({**DEFINITION, "request_working_days": days})
        assert "request_working_days" not in sites.parse_definition(DEFINITION), "else every digest would change"


class TestPage:
    @pytest.mark.parametrize("origin", [None, "https://www.shop.example", "http://localhost"])
    def test_a_form_of_the_site_brings_a_receipt(
        self, client: FlaskClient, visitor: dict[str, Any], origin: str | None
    ) -> None:
        page = client.post(
            "/me/shop", data={"receipt": visitor["last"]}, headers={"Origin": origin} if origin else {})
        assert page.status_code == 200
        assert f'data-receipt="{visitor["last"]}"' in page.text
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert page.headers["Cache-Control"] == "no-store"
        assert "unsafe" not in page.headers["Content-Security-Policy"]

    @pytest.mark.parametrize("origin", ["https://evil.example", "null"])
    def test_a_form_of_another_site_does_not(
        self, client: FlaskClient, visitor: dict[str, Any], origin: str
    ) -> None:
        page = client.post("/me/shop", data={"receipt": visitor["last"]}, headers={"Origin": origin})
        assert page.status_code == 403
        assert visitor["last"] not in page.text

    def test_without_a_script_it_says_what_it_needs(self, client: FlaskClient, shop: versions.Version) -> None:
        assert "<noscript>" in client.get("/me/shop").text

    def test_an_address_brings_none(self, client: FlaskClient, visitor: dict[str, Any]) -> None:
        page = client.get(f"/me/shop?receipt={visitor['last']}").text
        assert 'data-receipt=""' in page
        hostile = client.post("/me/shop", data={"receipt": '"><script>alert(1)</script>'}).text
        assert "<script>alert" not in hostile


# Among millions -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("migrated", ["sqlite"], indirect=True)
def test_no_right_costs_a_walk_through_everybody_s_records(
    app: Flask, client: FlaskClient, visitor: dict[str, Any]
) -> None:
    """One such walk through a million records took 8 s, with everybody's decisions in line behind it."""
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if statement.startswith(("SELECT", "DELETE", "UPDATE")):
            asked.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        for method, path in (("POST", "/restriction"), ("DELETE", "/restriction"), ("DELETE", "")):
            assert ask(client, visitor["last"], method, path).status_code == 204
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    assert len(asked) > 12
    with db.engine.connect() as connection:
        for statement, parameters in asked:
            plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            walks = [step for step in plan if re.match(r"(SCAN|SEARCH) (record|outbox|outcome)\b", step)
                     and not re.search(r"visitor=\?|\bid=\?|record=\?", step)]
            assert walks == [], statement


# Two at once ----------------------------------------------------------------------------------------------------------

MOMENTS = ("DELETE FROM record", "DELETE FROM outbox", "DELETE FROM outcome")


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("migrated", ["postgresql"], indirect=True)
def test_a_decision_that_comes_in_during_an_erasure_is_whole_or_gone(
    app: Flask, shop: versions.Version, post: Post, moment: str
) -> None:
    """On two connections: no event outlives its record, and no record loses its event."""
    version = versions.published(shop)
    sent = records.parse_consent(json.dumps(body("accept_all")).encode())
    late = records.row_of("shop", {**sent, "id": uuid.uuid4(), "gpc": False}, FIREFOX, datetime.now(UTC))
    early = {**late, "id": uuid.uuid4()}
    told = {row["id"]: outbox.of_record(row, records.receipt_of(row, version), version.gate) for row in (early, late)}
    db.session.execute(insert(records.Record.__table__).values(early))
    outbox.add(told[early["id"]])
    db.session.commit()
    other = db.engine.connect()
    other.execute(insert(records.Record.__table__).values(late))
    other.execute(insert(Event.__table__).values(told[late["id"]]))

    def arrive(_: Any, __: Any, statement: str, *___: Any) -> None:
        if statement.startswith(moment) and other.in_transaction():
            other.commit()

    event.listen(db.engine, "before_cursor_execute", arrive)
    try:
        erasure.erase("shop", sent["visitor"], version.gate, datetime.now(UTC))
        db.session.commit()
    finally:
        event.remove(db.engine, "before_cursor_execute", arrive)
        other.close()
    kept = set(db.session.scalars(select(records.Record.id)))
    assert kept == ({late["id"]} if moment != MOMENTS[0] else set())
    assert set(db.session.scalars(select(Event.record))) == kept
