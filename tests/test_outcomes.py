"""The trail of a record: what the page did after the decision, tracker by tracker."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from consent.db import db
from consent.outcomes import Outcome
from tests.shop import body

Post = Callable[..., Any]
pytestmark = [pytest.mark.usefixtures("shop", "through_doors")]
DONE = {"hotjar": ["deleted"], "meta": ["told", "deleted"], "ga4": ["could_not"]}


@pytest.fixture
def withdrawn(post: Post) -> dict[str, Any]:
    """Somebody who withdrew: the record's id, its receipt, and the receipt of before."""
    sent = body("accept_all")
    before = post(sent).json["receipt"]
    answer = post(body("withdraw", source="settings", visitor=sent["visitor"])).json
    return {"record": answer["record"]["id"], "receipt": answer["receipt"], "before": before}


def report(client: FlaskClient, token: str, said: Any, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named = {"Content-Type": "application/json", "Poort-Receipt": token, **named}
    return client.post("/v1/sites/shop/outcomes", data=json.dumps(said), headers=named)


def me(client: FlaskClient, token: str, path: str = "") -> Any:
    db.session.rollback()
    return client.get(f"/v1/sites/shop/me{path}", headers={"Poort-Receipt": token})


def stored() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(Outcome)) or 0


def test_a_report_is_in_the_trail_of_its_record(client: FlaskClient, withdrawn: dict[str, Any]) -> None:
    said = {"record": withdrawn["record"], "trackers": DONE}
    assert report(client, withdrawn["receipt"], said).status_code == 204
    first, last = me(client, withdrawn["receipt"]).json["records"]
    assert first["trail"] == []
    (entry,) = last["trail"]
    assert (entry["source"], entry["trackers"]) == ("page", {**DONE, "meta": ["deleted", "told"]})
    assert entry["recorded_at"] > last["recorded_at"]


def test_the_download_has_the_trail(client: FlaskClient, withdrawn: dict[str, Any]) -> None:
    report(client, withdrawn["receipt"], {"record": withdrawn["record"], "trackers": DONE})
    first, last = me(client, withdrawn["receipt"], "/export").get_json(force=True)["@graph"]
    assert first["poort:trail"] == []
    assert last["poort:trail"][0]["poort:source"] == "page"
    assert {"dct:identifier": "ga4", "poort:result": ["could_not"]} in last["poort:trail"][0]["poort:outcome"]


def test_the_first_report_counts(client: FlaskClient, withdrawn: dict[str, Any]) -> None:
    said = {"record": withdrawn["record"], "trackers": {"meta": ["told", "deleted"]}}
    again = {"record": withdrawn["record"], "trackers": {"meta": ["deleted", "told"]}}
    other = {"record": withdrawn["record"], "trackers": {"meta": ["could_not"]}}
    statuses = [report(client, withdrawn["receipt"], each).status_code for each in (said, again, other)]
    assert statuses == [204, 204, 409]
    assert stored() == 1
    assert me(client, withdrawn["receipt"]).json["records"][1]["trail"][0]["trackers"] == {"meta": ["deleted", "told"]}


def test_a_page_that_is_left_may_send_plain_text(client: FlaskClient, withdrawn: dict[str, Any]) -> None:
    said = {"record": withdrawn["record"], "trackers": DONE}
    assert report(client, withdrawn["receipt"], said, Content_Type="text/plain;charset=UTF-8").status_code == 204


def test_the_receipt_has_to_be_the_record_s_own(
    client: FlaskClient, withdrawn: dict[str, Any], post: Post
) -> None:
    said = {"record": withdrawn["record"], "trackers": DONE}
    stranger = post(body("accept_all")).json["receipt"]
    assert report(client, withdrawn["before"], said).status_code == 403
    assert report(client, stranger, said).status_code == 403
    assert report(client, "forged.token", said).status_code == 401
    assert report(client, "", said).status_code == 401
    assert stored() == 0


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("no record", {"trackers": DONE}, "record"),
    ("a record that is no UUID", {"record": "42", "trackers": DONE}, "record"),
    ("no trackers", {}, "trackers"),
    ("an empty report", {"trackers": {}}, "trackers"),
    ("an unknown tracker", {"trackers": {"clarity": ["deleted"]}}, "trackers.clarity"),
    ("an unknown result", {"trackers": {"meta": ["perhaps"]}}, "trackers.meta.value.0"),
    ("no result", {"trackers": {"meta": []}}, "trackers.meta.value"),
    ("a result twice", {"trackers": {"meta": ["told", "told"]}}, "trackers.meta.value"),
    ("a result that is no list", {"trackers": {"meta": "told"}}, "trackers.meta.value"),
    ("an unknown field", {"trackers": DONE, "ip": "203.0.113.9"}, "ip"),
]


@pytest.mark.parametrize(("said", "field"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_bad_report_is_refused(
    client: FlaskClient, withdrawn: dict[str, Any], said: dict[str, Any], field: str
) -> None:
    named = {} if field == "record" else {"record": withdrawn["record"]}
    answer = report(client, withdrawn["receipt"], {**named, **said})
    assert answer.status_code == 422, answer.json
    assert field in answer.json["fields"]
    assert stored() == 0


def test_a_foreign_page_reports_nothing(client: FlaskClient, withdrawn: dict[str, Any]) -> None:
    said = {"record": withdrawn["record"], "trackers": DONE}
    answer = report(client, withdrawn["receipt"], said, Origin="https://evil.example")
    assert (answer.status_code, answer.json["error"]) == (403, "foreign_origin")
    assert stored() == 0


def test_the_site_s_own_page_may(client: FlaskClient, withdrawn: dict[str, Any]) -> None:
    said = {"record": withdrawn["record"], "trackers": DONE}
    answer = report(client, withdrawn["receipt"], said, Origin="https://www.shop.example")
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "https://www.shop.example"
    asked = client.options("/v1/sites/shop/outcomes", headers={
        "Origin": "https://www.shop.example", "Access-Control-Request-Method": "POST"})
    assert (asked.status_code, asked.headers["Access-Control-Allow-Methods"]) == (204, "POST")
    assert "Poort-Receipt" in asked.headers["Access-Control-Allow-Headers"]


def test_erasing_a_visitor_takes_their_trail(client: FlaskClient, withdrawn: dict[str, Any], post: Post) -> None:
    """G5"""
    other = post(body("withdraw")).json
    report(client, withdrawn["receipt"], {"record": withdrawn["record"], "trackers": DONE})
    report(client, other["receipt"], {"record": other["record"]["id"], "trackers": DONE})
    erased = client.delete("/v1/sites/shop/me", headers={"Poort-Receipt": withdrawn["receipt"]})
    assert erased.status_code == 204
    db.session.rollback()
    assert [str(row.record) for row in db.session.scalars(select(Outcome))] == [other["record"]["id"]]
    again = report(client, withdrawn["receipt"], {"record": withdrawn["record"], "trackers": DONE})
    assert again.status_code == 401
    assert stored() == 1


@pytest.mark.parametrize("statement", ["UPDATE outcome SET source = 'other'", "DELETE FROM outcome"])
def test_the_database_itself_refuses_to_change_a_trail(
    app: Flask, client: FlaskClient, withdrawn: dict[str, Any], statement: str
) -> None:
    report(client, withdrawn["receipt"], {"record": withdrawn["record"], "trackers": DONE})
    db.session.rollback()
    with pytest.raises(DBAPIError, match="append-only"):
        db.session.execute(text(statement))
    assert stored() == 1


def test_a_record_of_another_site_is_none_of_ours(client: FlaskClient, withdrawn: dict[str, Any]) -> None:
    said = {"record": str(uuid.uuid4()), "trackers": DONE}
    assert report(client, withdrawn["receipt"], said).status_code == 403
