"""Recording a decision: what is stored, what is refused, and that nothing stored can be changed."""

import io
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from app import create_app
from consent import records, sites, versions
from consent.counts import DailyCount
from consent.db import db
from consent.receipts import Keyring
from tests.conftest import HERE, KEY
from tests.shop import DEFINITION, FIREFOX, NOW, body

Post = Callable[..., Any]


def stored() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(records.Record)) or 0


def tallies(bot: bool = False) -> dict[tuple[str, str], int]:
    db.session.rollback()
    rows = db.session.scalars(select(DailyCount).where(DailyCount.bot == bot))
    return {(row.metric, row.value): row.n for row in rows}


@pytest.mark.usefixtures("shop", "through_doors")
class TestAccepted:
    def test_a_decision_is_stored_with_everything_it_said(self, post: Post) -> None:
        """E1, E2, E4: server time, version, every category explicitly."""
        sent = body("custom", trackers={"hotjar": False}, page_group="pricing")
        answer = post(sent, User_Agent=FIREFOX)
        assert answer.status_code == 201
        record = answer.json["record"]
        assert {name: record[name] for name in sent} == sent
        assert (record["browser"], record["os"], record["device"], record["bot"]) == (
            "Firefox",
            "Linux",
            "desktop",
            False,
        )
        assert record["recorded_at"].endswith("Z")
        assert stored() == 1

    def test_a_retry_returns_the_same_record_and_receipt(self, post: Post) -> None:
        sent = body("accept_all")
        first, again = post(sent), post(sent)
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json == again.json
        assert stored() == 1
        assert tallies()["answered", "accept_all"] == 1, "a retry is counted once"

    def test_a_beacon_may_send_plain_text(self, post: Post) -> None:
        assert post(body(), Content_Type="text/plain;charset=UTF-8").status_code == 201

    def test_the_header_turns_gpc_on_whatever_the_page_saw(self, post: Post) -> None:
        """I2"""
        assert post(body(gpc=False), Sec_GPC="1").json["record"]["gpc"] is True
        assert post(body(gpc=False), Sec_GPC="0").json["record"]["gpc"] is False

    def test_a_retry_may_come_with_another_gpc_header(self, post: Post) -> None:
        """The visitor turned it on or off in between; the decision is the one that was made."""
        sent = body("accept_all")
        first = post(sent)
        again = post(sent, Sec_GPC="1")
        assert (again.status_code, again.json) == (200, first.json)
        other = body("accept_all")
        with_header = post(other, Sec_GPC="1")
        assert (post(other).status_code, post(other).json) == (200, with_header.json)

    def test_the_same_id_on_another_site_is_another_record(self, post: Post, define: Callable[..., Any]) -> None:
        define(key="second")
        sent = body()
        assert post(sent).status_code == 201
        assert post(sent, key="second").status_code == 201
        assert stored() == 2

    def test_a_record_about_an_older_version_is_taken(self, post: Post, define: Callable[..., Any]) -> None:
        """The visitor answered what they were shown."""
        define(name="Webwinkel 2")
        answer = post(body(version=1))
        assert answer.status_code == 201
        assert answer.json["record"]["version"] == 1

    def test_an_imported_consent_is_never_prolonged(self, post: Post) -> None:
        """F2: it ends when it would have ended, had it been given here."""
        moment = (datetime.now(UTC) - timedelta(days=100)).replace(microsecond=0)
        sent = body("accept_all", source="import", decided_at=moment.isoformat())
        first, again = post(sent), post(sent)
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json == again.json
        receipt = Keyring([KEY]).read(first.json["receipt"])
        assert (receipt.decided, receipt.expires) == (int(moment.timestamp()), int(moment.timestamp()) + 180 * 86_400)
        assert first.json["record"]["decided_at"] == moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        assert first.json["record"]["recorded_at"] > first.json["record"]["decided_at"]
        assert post({**sent, "decided_at": datetime.now(UTC).isoformat()}).status_code == 409

    def test_an_import_ends_by_the_days_of_what_it_says(self, post: Post, define: Callable[..., Any]) -> None:
        define(consent_days=10, refusal_days=90)
        moment = (datetime.now(UTC) - timedelta(days=30)).isoformat()
        said = {"source": "import", "decided_at": moment, "version": 2}
        assert post(body("custom", **said)).json["fields"].keys() == {"decided_at"}
        assert post(body("necessary_only", **said)).status_code == 201

    def test_an_imported_refusal_may_come_without_a_date_and_is_no_answer_in_the_banner(self, post: Post) -> None:
        assert post(body("necessary_only", source="import")).json["record"]["decided_at"] is None
        assert tallies() == {("imported", "necessary_only"): 1}

    def test_an_imported_consent_needs_its_date(self, post: Post) -> None:
        """F2: it would last anew from today."""
        for action in ("accept_all", "custom"):
            assert post(body(action, source="import")).json["fields"].keys() == {"decided_at"}

    def test_counts_are_kept_with_the_record(self, post: Post, client: FlaskClient) -> None:
        for action in ("accept_all", "necessary_only", "custom", "withdraw"):
            post(body(action))
        post(body("accept_all", source="settings"))
        shown = {"type": "shown", "version": 1, "language": "nl", "page_group": None}
        client.post("/v1/sites/shop/events", json=shown, headers={"Origin": HERE, "User-Agent": FIREFOX})
        assert tallies() == {
            ("shown", ""): 1,
            ("answered", "accept_all"): 1,
            ("answered", "necessary_only"): 1,
            ("answered", "custom"): 1,
            ("granted", "functional"): 2,
            ("granted", "analytics"): 2,
            ("granted", "marketing"): 1,
            ("withdrawn", ""): 1,
            ("changed", "accept_all"): 1,
        }

    def test_bots_are_counted_apart(self, post: Post, client: FlaskClient) -> None:
        scan = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0 Safari/537.36 PoortScan"
        assert post(body("accept_all"), User_Agent=scan).json["record"]["bot"] is True
        bot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
        assert post(body("accept_all"), User_Agent=bot).json["record"]["bot"] is True
        event = {"type": "shown", "version": 1, "language": "nl", "page_group": None}
        client.post("/v1/sites/shop/events", json=event, headers={"User-Agent": bot})
        assert tallies() == {}
        assert tallies(bot=True)["shown", ""] == 1

    def test_no_address_agent_or_page_is_kept(self, app: Flask, post: Post) -> None:
        """G1: the whole row holds families only."""
        agent = (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/139.0.7258.5 Safari/537.36 canary/77"
        )
        post(body(), User_Agent=agent, Referer="https://www.shop.example/secret?x=1", X_Forwarded_For="203.0.113.9")
        row = json.dumps([list(row) for row in db.session.execute(text("SELECT * FROM record"))], default=str)
        for trace in ("canary", "7258", "secret", "203.0.113.9", "127.0.0.1", "AppleWebKit"):
            assert trace not in row


def without(name: str) -> dict[str, Any]:
    data = body()
    del data[name]
    return data


CHOICES = {"functional": True, "analytics": False, "marketing": False}
DEEP = b'{"id":' + b"[" * 5_000 + b"]" * 5_000 + b"}"

REFUSALS: list[tuple[str, Any, int, str]] = [
    # what is wrong, body, status, field that is named
    *[
        (f"no {name}", without(name), 422, name)
        for name in ("id", "visitor", "version", "action", "choices", "source", "language")
    ],
    ("an unknown field", body(ip="203.0.113.9"), 422, "ip"),
    ("an id that is no UUID", body(id="42"), 422, "id"),
    ("an id in bytes notation", body(id="{" + str(uuid.uuid4()) + "}"), 422, "id"),
    ("a visitor that is a number", body(visitor=7), 422, "visitor"),
    ("a version in text", body(version="1"), 422, "version"),
    ("a version that is true", body(version=True), 422, "version"),
    ("a version in a fraction", body(version=1.0), 422, "version"),
    ("version zero", body(version=0), 422, "version"),
    ("a version that was never published", body(version=2), 422, "version"),
    ("a version beyond every number", body(version=2**70), 422, "version"),
    ("an unknown action", body(action="custom") | {"action": "yes"}, 422, "action"),
    ("a missing category", body(choices={"functional": True, "analytics": False}), 422, "choices.marketing"),
    ("an unknown category", body(choices={**CHOICES, "profiling": True}), 422, "choices.profiling"),
    ("the necessary category", body(choices={**CHOICES, "necessary": True}), 422, "choices.necessary"),
    ("a choice of one", body(choices={**CHOICES, "analytics": 1}), 422, "choices.analytics"),
    ("a choice in words", body(choices={**CHOICES, "analytics": "yes"}), 422, "choices.analytics"),
    ("a choice of nothing", body(choices={**CHOICES, "analytics": None}), 422, "choices.analytics"),
    ("choices in a list", body(choices=["analytics"]), 422, "choices"),
    ("an unknown tracker", body(trackers={"clarity": False}), 422, "trackers.clarity"),
    ("a tracker's choice in words", body(trackers={"hotjar": "no"}), 422, "trackers.hotjar.value"),
    ("an unknown source", body(source="import2"), 422, "source"),
    ("a date of a decision that was made here", body(decided_at="2026-05-01T12:00:00Z"), 422, "decided_at"),
    ("an imported date without an offset", body(source="import", decided_at="2026-05-01T12:00:00"), 422, "decided_at"),
    ("an imported day", body(source="import", decided_at="2026-05-01"), 422, "decided_at"),
    ("an imported day that is none", body(source="import", decided_at="2026-02-31T12:00:00Z"), 422, "decided_at"),
    ("an imported number", body(source="import", decided_at=1_780_000_000), 422, "decided_at"),
    ("an import from the future", body(source="import", decided_at="2099-01-01T00:00:00Z"), 422, "decided_at"),
    ("an import that has ended", body(source="import", decided_at="2021-01-01T00:00:00Z"), 422, "decided_at"),
    ("a language that is not shown", body(language="de"), 422, "language"),
    ("a page instead of a page group", body(page_group="https://www.shop.example/x"), 422, "page_group"),
    ("gpc in words", body(gpc="1"), 422, "gpc"),
    ("accept_all that refuses a category", body("accept_all", choices=CHOICES), 422, "action"),
    ("accept_all that refuses a tracker", body("accept_all", trackers={"hotjar": False}), 422, "action"),
    ("necessary_only that grants a category", body("necessary_only", choices=CHOICES), 422, "action"),
    ("necessary_only that grants a tracker", body("necessary_only", trackers={"hotjar": True}), 422, "action"),
    ("withdraw that grants", body("withdraw", choices=CHOICES), 422, "action"),
    ("custom that grants everything", body("accept_all") | {"action": "custom"}, 422, "action"),
    ("custom that refuses everything", body("necessary_only") | {"action": "custom"}, 422, "action"),
    ("no JSON", b"id=1", 400, ""),
    ("a list", b"[]", 400, ""),
    ("NaN", json.dumps(body()).replace('"version": 1', '"version": NaN').encode(), 400, ""),
    ("Infinity", json.dumps(body()).replace('"version": 1', '"version": Infinity').encode(), 400, ""),
    ("a key twice", json.dumps(body()).replace('{"id"', '{"gpc": true, "id"', 1).encode(), 400, ""),
    (
        "a key twice further in",
        json.dumps(body()).replace('"functional"', '"analytics": true, "functional"').encode(),
        400,
        "",
    ),
    ("bytes that are no UTF-8", b'{"id": "\xff"}', 400, ""),
    ("a deep body", DEEP, 400, ""),
    ("half of a surrogate pair as a field", b'{"\\ud800": 1}', 400, ""),
    ("half of a surrogate pair as a tracker", json.dumps(body(trackers={"\ud800": False})).encode(), 400, ""),
    (
        "a number of thousands of digits",
        json.dumps(body()).replace('"version": 1', '"version": ' + "9" * 5000).encode(),
        400,
        "",
    ),
]


@pytest.mark.usefixtures("shop", "through_doors")
class TestRefused:
    @pytest.mark.parametrize(
        ("sent", "status", "field"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS]
    )
    def test_bad_input_gets_one_clear_error_and_nothing_is_stored(
        self, post: Post, sent: Any, status: int, field: str
    ) -> None:
        answer = post(sent)
        assert answer.status_code == status, answer.json
        assert set(answer.json) <= {"error", "message", "fields"}
        assert answer.json["message"].endswith(".")
        if field:
            assert field in answer.json["fields"]
        assert stored() == 0
        assert tallies() == {}

    def test_the_same_id_with_other_content_is_a_conflict(self, post: Post) -> None:
        sent = body("custom")
        assert post(sent).status_code == 201
        answer = post({**body("accept_all"), "id": sent["id"]})
        assert answer.status_code == 409
        assert "id" in answer.json["fields"]
        assert stored() == 1

    @pytest.mark.parametrize(
        "origin",
        [
            "https://evil.example",
            "null",
            "http://www.shop.example",
            "https://www.shop.example.evil.example",
            "https://www.shop.example:8443",
            "https://evilwww.shop.example",
            "https://WWW.shop.example",
            "",
        ],
    )
    def test_a_foreign_origin_is_refused(self, post: Post, origin: str) -> None:
        """E8, threat 5"""
        answer = post(body(), Origin=origin)
        assert answer.status_code == 403
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert stored() == 0

    def test_a_foreign_origin_hears_no_more_than_that(self, post: Post) -> None:
        """Whatever it sends: an attacker learns nothing of the site's versions."""
        assert post(b"junk", Origin="https://evil.example").json["error"] == "foreign_origin"

    def test_a_name_that_leads_here_is_no_origin_of_the_site(self, post: Post) -> None:
        """DNS rebinding: Host and Origin agree, and both are the attacker's."""
        assert post(body(), Host="evil.example", Origin="http://evil.example").status_code == 403
        assert post(body(), Host="localhost:8000", Origin="http://localhost:8000").status_code == 201

    def test_an_unknown_site_is_404(self, post: Post) -> None:
        assert post(body(), key="nobody").status_code == 404
        assert post(body(), key="No%20Site").status_code == 404

    def test_over_16_kB_is_413(self, post: Post) -> None:
        assert post(json.dumps(body()).encode() + b" " * 16_384).status_code == 413
        assert stored() == 0

    def test_without_a_length_is_411(self, client: FlaskClient) -> None:
        """Threat 12: a chunked body would be cut off at the limit and taken for whole."""
        environ = {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}
        answer = client.post("/v1/sites/shop/consents", content_type="application/json", environ_overrides=environ)
        assert answer.status_code == 411

    def test_another_content_type_is_415(self, post: Post) -> None:
        assert post(body(), Content_Type="application/x-www-form-urlencoded").status_code == 415

    def test_a_site_for_children_takes_no_optional_consent(self, post: Post, define: Callable[..., Any]) -> None:
        """H1"""
        define(key="kids", audience="children")
        assert post(body("accept_all"), key="kids").json["fields"].keys() == {"choices"}
        assert post(body("necessary_only"), key="kids").status_code == 201
        for source in ("settings", "api"):
            one = body("custom", source=source, choices=dict.fromkeys(CHOICES, False), trackers={"hotjar": True})
            refused = post(one, key="kids")
            assert (refused.status_code, refused.json["fields"].keys()) == (422, {"choices"})

    def test_a_page_of_before_the_site_was_for_children_can_not_grant_either(
        self, post: Post, define: Callable[..., Any]
    ) -> None:
        """H1"""
        define()
        define(audience="children")
        refused = post(body("accept_all"))
        assert refused.status_code == 422
        assert "children" in refused.json["fields"]["choices"]
        assert post(body("withdraw")).status_code == 201

    def test_too_many_from_one_address_is_429(self, client: FlaskClient) -> None:
        event = {"type": "shown", "version": 1, "language": "nl", "page_group": None}
        statuses, last = [], None
        for _ in range(302):
            last = client.post("/v1/sites/shop/events", json=event, environ_base={"REMOTE_ADDR": "203.0.113.77"})
            statuses.append(last.status_code)
        assert statuses[:300] == [204] * 300
        assert statuses[300:] == [429, 429]
        assert last is not None
        assert int(last.headers["Retry-After"]) > 0
        assert (
            client.post("/v1/sites/shop/events", json=event, environ_base={"REMOTE_ADDR": "203.0.113.78"}).status_code
            == 204
        )

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("type", "hidden"),
            ("version", 9),
            ("language", "de"),
            ("page_group", "/x"),
            ("visitor", "6f1c2f0e-58f3-4d5c-9f6a-0a1b2c3d4e5f"),
        ],
    )
    def test_a_bad_event_is_refused(self, client: FlaskClient, field: str, value: Any) -> None:
        event = {"type": "shown", "version": 1, "language": "nl", "page_group": None, field: value}
        answer = client.post("/v1/sites/shop/events", json=event)
        assert answer.status_code == 422
        assert answer.json is not None
        assert field in answer.json["fields"]
        assert tallies() == {}


# At the ASGI door who cuts off a body is gone, and is told nothing: tests/test_fast_door.py.
@pytest.mark.usefixtures("shop")
def test_a_body_that_was_cut_off_is_400(client: FlaskClient) -> None:
    data = json.dumps(body()).encode()
    answer = client.post(
        "/v1/sites/shop/consents",
        input_stream=io.BytesIO(data),
        content_type="application/json",
        environ_overrides={"CONTENT_LENGTH": str(len(data) + 9)},
    )
    assert answer.status_code == 400
    assert stored() == 0


@pytest.mark.usefixtures("shop")
class TestAppendOnly:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE record SET action = 'accept_all'",
            "DELETE FROM record",
            "UPDATE version SET digest = 'x'",
            "DELETE FROM version",
        ],
    )
    def test_the_database_itself_refuses_to_change_what_was_written(self, post: Post, statement: str) -> None:
        """D7, E6"""
        assert post(body("necessary_only")).status_code == 201
        with pytest.raises(DBAPIError, match=r"append-only|immutable"):
            db.session.execute(text(statement))
        assert stored() == 1

    def test_erasure_takes_one_visitor_and_leaves_the_counts(self, post: Post) -> None:
        """G5"""
        mine, other = body("accept_all"), body("accept_all")
        for sent in (mine, {**body("withdraw"), "visitor": mine["visitor"]}, other):
            post(sent)
        before = tallies()
        assert len(records.erase("shop", uuid.UUID(mine["visitor"]))) == 2
        db.session.commit()
        assert [str(row.visitor) for row in db.session.scalars(select(records.Record))] == [other["visitor"]]
        assert tallies() == before
        assert db.session.scalar(select(func.count()).select_from(records.RemovalPermit)) == 0

    def test_a_permit_for_one_visitor_lets_nobody_else_go(self, post: Post) -> None:
        sent = body()
        post(sent)
        db.session.execute(
            records.RemovalPermit.__table__.insert().values(
                site="shop", id=uuid.uuid4(), visitor=uuid.uuid4(), before=None
            )
        )
        with pytest.raises(DBAPIError, match="append-only"):
            db.session.execute(text("DELETE FROM record"))
        db.session.rollback()


def test_a_database_file_that_was_replaced_is_noticed(tmp_path: Path) -> None:
    """What a pool of connections writes to a deleted file would be acknowledged and lost."""
    file = tmp_path / "poort.sqlite3"
    app = create_app(POORT_DATABASE_URL=f"sqlite:///{file}", POORT_SECRET_KEYS=KEY)
    with app.app_context():
        flask_migrate.upgrade()
        site, _ = sites.apply(DEFINITION)
        versions.publish(site, NOW)
        db.session.commit()
        db.session.remove()
    client = app.test_client()
    assert client.post("/v1/sites/shop/consents", json=body()).status_code == 201
    with app.app_context():
        db.engine.dispose()  # the last connection to close brings all of it into the one file
    kept = file.read_bytes()
    assert client.get("/readyz").status_code == 200
    for part in tmp_path.glob("poort.sqlite3*"):
        part.unlink()
    assert client.post("/v1/sites/shop/consents", json=body()).status_code == 503
    assert client.get("/readyz").status_code == 503
    for part in tmp_path.glob("poort.sqlite3*"):
        part.unlink()
    file.write_bytes(kept)
    assert client.get("/readyz").status_code == 200
    assert client.post("/v1/sites/shop/consents", json=body()).status_code == 201
    with app.app_context():
        db.engine.dispose()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def parsed(data: bytes) -> dict[str, Any] | records.Refused:
    try:
        return records.parse_consent(data)
    except records.Refused as refused:
        return refused


def is_sound(found: dict[str, Any] | records.Refused) -> bool:
    """A refusal that says why, or a decision of which every field is what the table takes."""
    if isinstance(found, records.Refused):
        return (
            found.status in (400, 422) and found.message.endswith(".") and (found.status == 400 or bool(found.faults))
        )
    choices = {**found["choices"], **found["trackers"], "gpc": found["gpc"]}
    return (
        isinstance(found["id"], uuid.UUID)
        and isinstance(found["visitor"], uuid.UUID)
        and type(found["version"]) is int
        and set(found["choices"]) == {"functional", "analytics", "marketing"}
        and all(type(choice) is bool for choice in choices.values())
        and (found["page_group"] is None or records.PAGE_GROUP.fullmatch(found["page_group"]) is not None)
    )


@given(st.sampled_from([*sorted(body()), "extra"]), json_values)
def test_no_value_of_any_field_breaks_the_parser_of_decisions(name: str, value: Any) -> None:
    assert is_sound(parsed(json.dumps({**body(), name: value}).encode()))


@given(st.binary(max_size=300) | json_values.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_break_the_parser_of_decisions(data: bytes) -> None:
    assert is_sound(parsed(data))
