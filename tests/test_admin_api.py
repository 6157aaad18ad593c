"""The owners' API: who may call what, what each call does, and that two writers do not overwrite each other."""

import os
import re
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import select
from werkzeug.serving import make_server

from consent import accounts, keys, reports, sites
from consent.audit import Audit
from consent.db import db, writing
from consent.sites import Site
from consent.versions import Version
from consent.views.admin.doors import KeyLimit
from tests.conftest import ROOT
from tests.shop import DEFINITION, body
from tests.test_reports import count

pytestmark = pytest.mark.usefixtures("shop")
ALL = tuple(scope for scope in keys.SCOPES if scope != "gate")


class Program:
    """A program with an API key."""

    def __init__(self, client: FlaskClient, key: str | None) -> None:
        self.client, self.key = client, key

    def call(self, method: str, path: str, said: Any = None, **headers: str) -> Any:
        """One call."""
        db.session.rollback()  # the test's own transaction, which a request at the WSGI door shares
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        bearer = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        sent = {} if said is None else {"json": said}
        return self.client.open(f"/v1/admin{path}", method=method, headers={**bearer, **named}, **sent)


def key_of(organisation: str = "Webwinkel B.V.", scopes: tuple[str, ...] = ALL, site: str | None = None) -> str:
    """A new key."""
    _, text = keys.create(organisation, site, "test", datetime.now(UTC), scopes)
    db.session.commit()
    return text


@pytest.fixture
def program(client: FlaskClient) -> Program:
    """One that may do everything."""
    return Program(client, key_of())


@pytest.fixture
def stranger(client: FlaskClient) -> Program:
    """One of another organisation that may do everything there."""
    accounts.organisation_named("Ander B.V.")
    return Program(client, key_of("Ander B.V."))


def audits() -> list[Audit]:
    """What was noted, oldest first."""
    db.session.rollback()
    return list(db.session.scalars(select(Audit).order_by(Audit.id)))


class TestTheDoor:
    def test_a_key_that_does_not_count_is_no_key(self, client: FlaskClient) -> None:
        now = datetime.now(UTC)
        _, text = keys.create("Webwinkel B.V.", None, "", now - timedelta(days=2), ALL, now - timedelta(days=1))
        revoked, gone = keys.create("Webwinkel B.V.", None, "", now, ALL)
        keys.revoke(revoked.id, now)
        db.session.commit()
        for key in (None, "", "poort_none", text, gone, gone.removeprefix("poort_")):
            answer = Program(client, key).call("GET", "/sites")
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert answer.get_json()["error"] == "no_key"

    def test_a_key_in_an_address_or_a_cookie_is_no_key(self, client: FlaskClient) -> None:
        key = key_of()
        client.set_cookie("Authorization", f"Bearer {key}")
        assert client.get(f"/v1/admin/sites?key={key}").status_code == 401

    def test_a_key_for_one_site_opens_that_one_alone(self, client: FlaskClient, define: Callable[..., Version]) -> None:
        define(key="other-shop")
        one = Program(client, key_of(site="shop"))
        assert [site["site"] for site in one.call("GET", "/sites").get_json()["sites"]] == ["shop"]
        assert one.call("GET", "/sites/shop").status_code == 200
        assert one.call("GET", "/sites/other-shop").status_code == 404
        refused = one.call("POST", "/sites", {**DEFINITION, "key": "new"})
        assert (refused.status_code, refused.get_json()["error"]) == (403, "one_site")

    def test_too_many_calls_with_a_key_are_refused(self, app: Flask, program: Program) -> None:
        before = app.extensions["poort.api_limit"]
        app.extensions["poort.api_limit"] = KeyLimit(3)
        try:
            answers = [program.call("GET", "/sites") for _ in range(4)]
        finally:
            app.extensions["poort.api_limit"] = before
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert answers[3].headers["Retry-After"]

    @pytest.mark.parametrize(("sent", "status"), [
        ({"data": "{}", "content_type": "text/plain"}, 415),
        ({"data": "{}", "content_type": "application/x-www-form-urlencoded"}, 415),
        ({"data": "[]", "content_type": "application/json"}, 400),
        ({"data": "{", "content_type": "application/json"}, 400),
        ({"data": '{"key": 1, "key": 2}', "content_type": "application/json"}, 400),
        ({"data": b"\xff", "content_type": "application/json"}, 400),
        ({"data": "[" * 100_000, "content_type": "application/json"}, 400),
        ({"data": '{"a": NaN}', "content_type": "application/json"}, 400),
        ({"data": '{"a": "' + "x" * 262_144 + '"}', "content_type": "application/json"}, 413),
        ({"json": {"unknown": 1}}, 422),
    ])
    def test_a_body_that_is_none_is_refused(self, program: Program, sent: dict[str, Any], status: int) -> None:
        headers = {"Authorization": f"Bearer {program.key}"}
        answer = program.client.post("/v1/admin/sites/shop/versions", headers=headers, **sent)
        assert answer.status_code == status
        assert set(answer.get_json()) <= {"error", "message", "fields"}


class TestSites:
    def test_a_list_comes_in_pages(self, program: Program, define: Callable[..., Version]) -> None:
        for name in ("a", "b", "c"):
            define(key=name)
        seen: list[str] = []
        after: str | None = ""
        for _ in range(2):
            page = program.call("GET", f"/sites?limit=2&after={after}").get_json()
            seen += [site["site"] for site in page["sites"]]
            after = page["next"]
        assert (seen, after) == (["a", "b", "c", "shop"], None)
        assert program.call("GET", "/sites?limit=0").get_json()["fields"].keys() == {"limit"}
        assert program.call("GET", "/sites?since=1").status_code == 422

    def test_a_site_is_made_in_the_organisation_of_the_key(self, program: Program) -> None:
        definition = {name: value for name, value in DEFINITION.items() if name != "organisation"}
        answer = program.call("POST", "/sites", {**definition, "key": "new"})
        assert answer.status_code == 201
        assert answer.headers["Location"] == "/v1/admin/sites/new"
        made = answer.get_json()
        assert made["definition"]["organisation"] == "Webwinkel B.V."
        assert (made["revision"], made["current"], made["managed"]) == (1, None, "api")
        assert [(row.what, row.subject, row.via, row.user_id) for row in audits()][-1] == (
            "site.create", "new", "api", None)
        assert audits()[-1].key_id is not None

    def test_another_organisation_can_not_be_named(self, stranger: Program) -> None:
        for said in ({**DEFINITION, "key": "new"}, {**DEFINITION, "key": "new", "organisation": "Nieuw B.V."}):
            answer = stranger.call("POST", "/sites", said)
            assert answer.status_code == 422
            assert answer.get_json()["fields"].keys() == {"organisation"}
        assert db.session.get(Site, "new") is None

    def test_a_key_that_is_taken_is_refused_whoever_has_it(self, program: Program, stranger: Program) -> None:
        definition = {name: value for name, value in DEFINITION.items() if name != "organisation"}
        for one in (program, stranger):
            assert one.call("POST", "/sites", definition).status_code == 409
        assert db.session.get_one(Site, "shop").organisation.name == "Webwinkel B.V."

    def test_a_draft_is_replaced_by_who_has_read_it(self, program: Program) -> None:
        read = program.call("GET", "/sites/shop")
        assert read.headers["ETag"] == f'"{read.get_json()["revision"]}"'
        definition = {**read.get_json()["definition"], "consent_days": 90}
        answer = program.call("PUT", "/sites/shop", definition, If_Match=read.headers["ETag"])
        assert answer.status_code == 200
        assert answer.get_json()["revision"] == read.get_json()["revision"] + 1
        assert answer.headers["ETag"] != read.headers["ETag"]
        assert (answer.get_json()["managed"], answer.get_json()["definition"]["consent_days"]) == ("api", 90)
        assert audits()[-1].details == {"fields": ["consent_days"]}
        again = program.call("PUT", "/sites/shop", definition, If_Match=answer.headers["ETag"])
        assert again.get_json()["revision"] == answer.get_json()["revision"], "the same again changes nothing"

    @pytest.mark.usefixtures("through_doors")
    def test_a_large_definition_comes_through_both_doors(self, program: Program) -> None:
        """Over the 16 kB that visitors may send."""
        own = DEFINITION["trackers"][-1]
        many = [{**own, "id": f"own-{n}", "hosts": [f"s{n}.shop.example"], "cookies": []} for n in range(90)]
        answer = program.call("PUT", "/sites/shop", {**DEFINITION, "trackers": many}, If_Match='"1"')
        assert int(answer.request.headers["Content-Length"]) > 20_000
        assert (answer.status_code, len(answer.get_json()["definition"]["trackers"])) == (200, 90)

    @pytest.mark.parametrize(("told", "status"), [
        ({}, 428), ({"If_Match": "*"}, 428), ({"If_Match": '"99"'}, 412), ({"If_Match": "1"}, 412),
        ({"If_Match": '"x"'}, 412), ({"If_Match": 'W/"1"'}, 200), ({"If_Match": '"1"'}, 200),
    ])
    def test_a_draft_is_not_replaced_without_its_revision(
        self, program: Program, told: dict[str, str], status: int
    ) -> None:
        answer = program.call("PUT", "/sites/shop", {**DEFINITION, "consent_days": 90}, **told)
        assert answer.status_code == status
        db.session.rollback()
        changed = db.session.get_one(Site, "shop").draft["consent_days"] == 90
        assert changed == (status == 200)

    @pytest.mark.parametrize(("change", "field"), [
        ({"key": "other"}, "key"), ({"organisation": "Ander B.V."}, "organisation"), ({"revision": 7}, "revision"),
        ({"managed": "file"}, "managed"), ({"organisation_id": 2}, "organisation_id"), ({"current": 1}, "current"),
        ({"trackers": [{"id": "nobody"}]}, "trackers.0.id"), ({"consent_days": 0}, "consent_days"),
    ])
    def test_what_is_no_definition_is_refused_by_its_field(
        self, program: Program, change: dict[str, Any], field: str
    ) -> None:
        answer = program.call("PUT", "/sites/shop", {**DEFINITION, **change}, If_Match='"1"')
        assert answer.status_code == 422
        assert field in answer.get_json()["fields"]
        assert program.call("GET", "/sites/shop").get_json()["revision"] == 1

    def test_of_two_writers_at_once_one_is_told(self, app: Flask, program: Program) -> None:
        start, answers = threading.Barrier(2), []

        def write(days: int) -> None:
            one = Program(app.test_client(), program.key)
            with app.app_context():
                start.wait()
                answers.append((one.call(
                    "PUT", "/sites/shop", {**DEFINITION, "consent_days": days}, If_Match='"1"').status_code, days))

        for _ in range(3):
            answers.clear()
            db.session.rollback()
            site = db.session.get_one(Site, "shop")
            site.draft, site.revision = sites.parse_definition(DEFINITION), 1
            db.session.commit()
            threads = [threading.Thread(target=write, args=(days,)) for days in (60, 90)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sorted(status for status, _ in answers) == [200, 412]
            db.session.rollback()
            kept = db.session.get_one(Site, "shop", populate_existing=True)
            assert (kept.revision, kept.draft["consent_days"]) == (2, dict(answers)[200])


class TestPublishing:
    def test_a_check_tells_what_is_wrong_and_how_to_mend_it(self, program: Program) -> None:
        found = program.call("GET", "/sites/shop/check").get_json()
        assert found["publishable"] is True
        wrong = {**DEFINITION, "trackers": [{"id": "hotjar", "category": "necessary", "reason": "We want it."}]}
        answer = program.call("POST", "/check", wrong).get_json()
        assert answer["publishable"] is False
        assert {"nl", "en"} == set(answer["findings"][0]["mend"])
        nothing = program.call("POST", "/check", {"nonsense": 1}).get_json()
        assert nothing["publishable"] is False
        assert "nonsense" in nothing["faults"]

    def test_what_is_published_is_what_was_to_change(self, program: Program) -> None:
        assert program.call("GET", "/sites/shop/changes").get_json()["pending"] is False
        program.call("PUT", "/sites/shop", {**DEFINITION, "trackers": [{"id": "ga4"}]}, If_Match='"1"')
        told = program.call("GET", "/sites/shop/changes").get_json()
        assert told["pending"] is True
        first = program.call("POST", "/sites/shop/versions", {"reasons": reasons(program)}, If_Match='"2"')
        assert first.status_code == 201, first.get_json()
        assert first.headers["Location"] == "/v1/admin/sites/shop/versions/2"
        assert first.get_json()["digest"] == told["digest"]
        again = program.call("POST", "/sites/shop/versions", {"reasons": {}})
        assert (again.status_code, again.get_json()["number"]) == (200, 2)
        assert [row.what for row in audits()].count("version.publish") == 2, "the fixture's, and this one"
        assert program.call("POST", "/sites/shop/versions", {}, If_Match='"1"').status_code == 412

    def test_a_soft_finding_asks_for_a_reason_which_the_version_keeps(self, program: Program) -> None:
        program.call("PUT", "/sites/shop", {**DEFINITION, "consent_days": 395, "refusal_days": 395}, If_Match='"1"')
        wanted = reasons(program)
        assert wanted.keys() == {"F2:consent_days"}
        refused = program.call("POST", "/sites/shop/versions", {"reasons": {}})
        assert (refused.status_code, refused.get_json()["error"]) == (422, "unexplained")
        assert refused.get_json()["fields"].keys() == {f"reasons.{key}" for key in wanted}
        made = program.call("POST", "/sites/shop/versions", {"reasons": wanted})
        assert (made.status_code, made.get_json()["reasons"]) == (201, wanted)
        assert "reasons" not in program.client.get("/v1/sites/shop/versions/2").get_json()

    def test_a_draft_that_breaks_the_law_is_not_published(self, program: Program) -> None:
        local = {**DEFINITION["controller"], "policy_url": "https://localhost/privacy"}
        program.call("PUT", "/sites/shop", {**DEFINITION, "controller": local}, If_Match='"1"')
        assert program.call("GET", "/sites/shop/check").get_json()["publishable"] is False
        refused = program.call("POST", "/sites/shop/versions", {"reasons": reasons(program)})
        assert (refused.status_code, refused.get_json()["error"]) == (409, "blocked")
        assert refused.get_json()["fields"].keys() == {"C6:controller.policy_url"}
        assert program.call("GET", "/sites/shop").get_json()["current"] == 1

    def test_of_two_who_publish_at_once_both_get_the_one_version(self, app: Flask, program: Program) -> None:
        program.call("PUT", "/sites/shop", {**DEFINITION, "consent_days": 90}, If_Match='"1"')
        said, start, answers = {"reasons": reasons(program)}, threading.Barrier(2), []

        def publish() -> None:
            one = Program(app.test_client(), program.key)
            with app.app_context():
                start.wait()
                answer = one.call("POST", "/sites/shop/versions", said)
                answers.append((answer.status_code, answer.get_json().get("number")))

        threads = [threading.Thread(target=publish) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [(200, 2), (201, 2)]


def reasons(program: Program) -> dict[str, str]:
    """A reason for each finding."""
    found = program.call("GET", "/sites/shop/check").get_json()["findings"]
    return {one["key"]: "Our officer agreed." for one in found}


class TestTheArchive:
    def test_an_old_version_comes_back_as_a_new_one(self, program: Program) -> None:
        program.call("PUT", "/sites/shop", {**DEFINITION, "trackers": [{"id": "ga4"}]}, If_Match='"1"')
        program.call("POST", "/sites/shop/versions", {"reasons": reasons(program)})
        path = "/sites/shop/versions/1/restore"
        assert program.call("POST", path, {}).status_code == 428
        assert program.call("POST", path, {}, If_Match='"1"').status_code == 412
        back = program.call("POST", path, {}, If_Match='"2"')
        assert (back.status_code, back.get_json()["number"], back.get_json()["restored"]) == (201, 3, 1)
        assert len(program.call("GET", "/sites/shop").get_json()["definition"]["trackers"]) == 5
        assert program.call("POST", "/sites/shop/versions/9/restore", {}, If_Match='"3"').status_code == 404

    def test_a_key_that_only_publishes_does_not_replace_the_draft(self, app: Flask, program: Program) -> None:
        with writing():
            _, key = keys.create(DEFINITION["organisation"], None, "", datetime.now(UTC), ["read", "publish"])
        answer = app.test_client().post("/v1/admin/sites/shop/versions/1/restore", json={}, headers={
            "Authorization": f"Bearer {key}", "If-Match": '"1"'})
        assert (answer.status_code, "write" in answer.get_json()["message"]) == (403, True)

    def test_the_versions_come_in_pages_and_one_by_one(self, program: Program) -> None:
        program.call("PUT", "/sites/shop", {**DEFINITION, "trackers": [{"id": "ga4"}]}, If_Match='"1"')
        program.call("POST", "/sites/shop/versions", {"reasons": reasons(program)})
        first = program.call("GET", "/sites/shop/versions?limit=1").get_json()
        assert ([one["number"] for one in first["versions"]], first["next"]) == ([2], 2)
        last = program.call("GET", "/sites/shop/versions?limit=1&before=2").get_json()
        assert ([one["via"] for one in last["versions"]], last["next"]) == (["command"], None)
        assert program.call("GET", "/sites/shop/versions/2").get_json()["snapshot"]["definition"]["key"] == "shop"

    def test_the_tag_names_the_site(self, program: Program) -> None:
        assert all("shop" in text or "durable" in text for text in program.call("GET", "/sites/shop/tag").json.values())


class TestAVisitor:
    def test_is_found_by_a_record_or_a_receipt_and_by_nothing_else(self, program: Program, post: Any) -> None:
        sent = body("accept_all")
        stored = post(sent).get_json()
        for known in (stored["record"]["id"], stored["receipt"]):
            found = program.call("POST", "/sites/shop/visitors", {"known": known})
            assert found.status_code == 200
            assert found.get_json()["counts"]["records"] == 1
        for known in (sent["visitor"], "x", "\x00", stored["receipt"][:-3], str(uuid.uuid4())):
            answer = program.call("POST", "/sites/shop/visitors", {"known": known})
            assert (answer.status_code, answer.get_json()["fields"].keys()) == (422, {"known"})

    def test_is_restricted_and_erased_and_no_list_tells_who(self, program: Program, post: Any) -> None:
        sent = body("accept_all")
        known = {"known": post(sent).get_json()["record"]["id"]}
        assert program.call("POST", "/sites/shop/visitors/restrict", known).get_json()["changed"] == {"records": 1}
        assert program.call("POST", "/sites/shop/visitors/lift", known).get_json()["done"] == "lifting"
        day = (datetime.now(UTC) - timedelta(days=3)).date().isoformat()
        erased = program.call("POST", "/sites/shop/visitors/erase", {**known, "received": day})
        assert erased.get_json()["removed"]["records"] == 1
        assert program.call("POST", "/sites/shop/visitors/erase", known).status_code == 422
        listed = program.call("GET", "/sites/shop/requests").get_json()["requests"]
        assert {one["kind"] for one in listed} == {"erasure", "restriction", "lifting"}
        assert min(one["received_at"] for one in listed).startswith(day)
        noted = [row for row in audits() if row.what.startswith("visitor.")]
        assert [row.what for row in noted] == ["visitor.restrict", "visitor.lift", "visitor.erase"]
        assert not any(secret in str(row.details) for row in noted for secret in (sent["visitor"], known["known"]))


class TestWhoHasAccess:
    def test_somebody_is_invited_by_a_link_that_is_shown_once(self, program: Program) -> None:
        made = program.call("POST", "/invitations", {"email": "dave@shop.example", "role": "marketer"})
        assert made.status_code == 201
        assert made.get_json()["link"].startswith("http://localhost/join/")
        waiting = program.call("GET", "/invitations").get_json()["invitations"]
        assert [(one["id"], one["email"]) for one in waiting] == [(made.get_json()["id"], "dave@shop.example")]
        assert "link" not in waiting[0]
        assert program.call("DELETE", f"/invitations/{waiting[0]['id']}").status_code == 204
        assert program.call("DELETE", f"/invitations/{waiting[0]['id']}").status_code == 404
        assert program.client.get(made.get_json()["link"]).status_code == 410

    def test_the_last_owner_stays(self, program: Program, people: dict[str, accounts.User]) -> None:
        ids = {name: user.id for name, user in people.items()}
        for method, path, said in (("PUT", "/role", {"role": "marketer"}), ("DELETE", "", None)):
            answer = program.call(method, f"/members/{ids['alice']}{path}", said)
            assert (answer.status_code, answer.get_json()["error"]) == (409, "last_owner")
            assert program.call(method, f"/members/{ids['charlie']}{path}", said).status_code == 404
        assert program.call("PUT", f"/members/{ids['bob']}/role", {"role": "owner"}).status_code == 200
        assert program.call("DELETE", f"/members/{ids['alice']}").status_code == 204
        members = program.call("GET", "/members").get_json()["members"]
        assert [(one["email"], one["role"]) for one in members] == [("bob@shop.example", "owner")]

    def test_a_key_makes_no_key_and_can_end_itself(self, program: Program) -> None:
        assert program.call("POST", "/keys", {"name": "more"}).status_code == 405
        listed = program.call("GET", "/keys").get_json()["keys"]
        assert "poort_" not in str(listed)
        assert program.call("DELETE", f"/keys/{listed[0]['id']}").status_code == 204
        assert program.call("GET", "/keys").status_code == 401

    def test_the_audit_list_tells_what_a_key_did(self, program: Program) -> None:
        for days in (60, 90, 120):
            revision = program.call("GET", "/sites/shop").headers["ETag"]
            program.call("PUT", "/sites/shop", {**DEFINITION, "consent_days": days}, If_Match=revision)
        page = program.call("GET", "/audit?limit=2&what=draft.change").get_json()
        assert [one["via"] for one in page["entries"]] == ["api", "api"]
        rest = program.call("GET", f"/audit?limit=2&what=draft.change&before={page['next']}").get_json()
        assert (len(rest["entries"]), rest["next"]) == (1, None)
        assert program.call("GET", "/audit?from=2026-13-01").get_json()["fields"].keys() == {"from"}


class TestWhatIsSeen:
    def test_a_look_is_begun_at_a_page_of_the_site_alone(self, program: Program) -> None:
        for url in ("https://evil.example/", "http://127.0.0.1/", "file:///etc/passwd",
                    "https://www.shop.example@evil.example/"):
            answer = program.call("POST", "/sites/shop/scans", {"url": url})
            assert (answer.status_code, answer.get_json()["fields"].keys()) == (422, {"url"}), url
        begun = program.call("POST", "/sites/shop/scans", {"url": "https://www.shop.example/"})
        assert (begun.status_code, begun.get_json()["state"]) == (202, "waiting")
        assert program.call("POST", "/sites/shop/scans", {"url": "https://www.shop.example/"}).status_code == 409
        one = program.client.get(begun.headers["Location"], headers={"Authorization": f"Bearer {program.key}"})
        assert one.get_json()["report"] is None

    def test_the_figures_are_those_of_the_site(self, program: Program) -> None:
        count((reports.today(), "shown", "", 7))
        assert program.call("GET", "/sites/shop/report").get_json()["total"]["shown"] == 7
        assert "days" not in program.call("GET", "/sites/shop/report?by=total").get_json()
        assert program.call("GET", "/sites/shop/report?from=x").get_json()["fields"].keys() == {"from"}
        assert program.call("GET", "/sites/shop/leaks?days=90").get_json()["trackers"] == []

    def test_prometheus_reads_the_counts_of_its_own_sites(
        self, program: Program, stranger: Program, post: Any
    ) -> None:
        assert post(body("accept_all")).status_code == 201
        told = program.call("GET", "/metrics").text
        found = {sample.labels["event"] + sample.labels["value"]: sample.value
                 for family in text_string_to_metric_families(told) for sample in family.samples
                 if sample.name == "poort_site_events" and sample.labels["site"] == "shop"}
        assert found == {"answeredaccept_all": 1, "grantedfunctional": 1, "grantedanalytics": 1, "grantedmarketing": 1}
        assert "# TYPE poort_site_events gauge" in told, "a flood that is taken off is no new beginning"
        assert 'poort_site_tracker_share{site="shop",tracker="ga4"} 1.0' in told
        assert "shop" not in stranger.call("GET", "/metrics").text

    def test_the_catalogue_and_snippets_are_known(self, program: Program) -> None:
        assert [one["id"] for one in program.call("GET", "/catalogue?q=hotjar").get_json()["trackers"]] == ["hotjar"]
        assert len(program.call("GET", "/catalogue").get_json()["trackers"]) > 30
        found = program.call("POST", "/snippets", {"snippet": '<script src="https://bat.bing.com/bat.js"></script>'})
        assert found.get_json()["trackers"] == ["uet"]
        assert 'type="text/plain"' in found.get_json()["gated"]


# The page ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("migrated", ["sqlite"], indirect=True)
def test_the_examples_of_the_page_work_from_top_to_bottom(app: Flask) -> None:
    key, ran = key_of(), 0
    with served(app) as place:
        for block in re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "api.md").read_text(), re.S):
            for command in re.split(r"\n(?=curl )", block.strip()):
                done = subprocess.run(
                    ["bash", "-c", f"{command} -w '\\n%{{http_code}}'"], capture_output=True, text=True, timeout=30,
                    env={"PATH": os.environ["PATH"], "POORT": place, "KEY": key}, check=True)
                assert done.stdout.rpartition("\n")[2] in ("200", "201", "204"), (command, done.stdout)
                ran += 1
    assert ran > 8


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """The application on a port."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
