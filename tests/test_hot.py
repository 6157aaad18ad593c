"""The hot calls over HTTP: script, config, gate in its three forms, and who may call from where."""

import gzip
import json
import re
import time
from collections.abc import Callable
from typing import Any

import brotli
import pytest
from flask import Flask
from flask.testing import FlaskClient

from consent import sites, versions
from consent.addresses import is_local
from consent.db import db
from consent.hot import ROUTES
from consent.receipts import Keyring
from tests.shop import DEFINITION, NOW, body
from tests.test_gate import ALL

Post = Callable[..., Any]
GATE = "/v1/sites/shop/gate"


@pytest.mark.usefixtures("shop", "through_doors")
class TestScript:
    def test_it_has_the_current_version_baked_in(self, client: FlaskClient, define: Callable[..., Any]) -> None:
        first = client.get("/banner/shop.js")
        assert first.status_code == 200
        assert first.content_type == "text/javascript; charset=utf-8"
        assert re.search('version"?:1', first.text)
        assert "__POORT_CONFIG__" not in first.text
        define(name="Winkel")
        assert re.search('version"?:2', client.get("/banner/shop.js").text)

    @pytest.mark.parametrize(
        ("accept", "coding", "undo"),
        [
            ("br, gzip", "br", brotli.decompress),
            ("gzip, deflate", "gzip", gzip.decompress),
            ("", None, bytes),
            ("identity", None, bytes),
            ("br;q=0, gzip", "gzip", gzip.decompress),
        ],
    )
    def test_compressed_as_the_browser_likes(
        self, client: FlaskClient, accept: str, coding: str | None, undo: Callable[[bytes], bytes]
    ) -> None:
        plain = client.get("/banner/shop.js").data
        answer = client.get("/banner/shop.js", headers={"Accept-Encoding": accept})
        assert answer.headers.get("Content-Encoding") == coding
        assert undo(answer.data) == plain
        assert "Accept-Encoding" in answer.headers["Vary"]

    def test_the_same_bytes_are_not_sent_twice(self, client: FlaskClient) -> None:
        etag = client.get("/banner/shop.js").headers["ETag"]
        again = client.get("/banner/shop.js", headers={"If-None-Match": etag})
        assert (again.status_code, again.data) == (304, b"")
        assert client.get("/banner/shop.js", headers={"If-None-Match": '"other"'}).status_code == 200

    def test_the_pinned_script_is_for_every_site_and_for_ever(self, client: FlaskClient) -> None:
        answer = client.get("/banner/v1/poort.js")
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["Access-Control-Allow-Origin"] == "*", "SRI asks for CORS"
        assert "shop" not in answer.text.replace("shopping", "")

    def test_an_owner_s_text_can_not_end_the_script(self, client: FlaskClient, define: Callable[..., Any]) -> None:
        """Threat 3"""
        define(name="</script><script>alert(1)</script>\u2028x")
        text = client.get("/banner/shop.js").text
        assert "</script>" not in text
        assert "\u2028" not in text

    def test_an_unknown_site_is_404(self, client: FlaskClient) -> None:
        assert client.get("/banner/nobody.js").status_code == 404


@pytest.mark.usefixtures("shop", "through_doors")
class TestConfig:
    def test_it_is_in_the_language_asked_for(self, client: FlaskClient) -> None:
        for asked, language in (("nl", "nl"), ("en", "en"), ("en-GB", "en"), ("de", "nl"), ("", "nl")):
            assert client.get(f"/v1/sites/shop/config?lang={asked}").json["language"] == language  # type: ignore[index]

    def test_it_says_what_the_contract_says(self, client: FlaskClient) -> None:
        config = client.get("/v1/sites/shop/config?lang=nl").json
        assert config is not None
        assert {"version", "digest", "texts", "categories", "trackers", "signals"} <= set(config)
        assert [category["id"] for category in config["categories"]] == [
            "necessary",
            "functional",
            "analytics",
            "marketing",
        ]
        assert {"id", "category", "since", "cookies"} <= set(config["trackers"][0])


@pytest.mark.usefixtures("shop", "through_doors")
class TestGate:
    @pytest.fixture
    def client(self, app: Flask) -> FlaskClient:
        """Sends the Cookie header as the test gives it."""
        return app.test_client(use_cookies=False)

    def ask(self, client: FlaskClient, tracker: str = "hotjar", **headers: str) -> Any:
        return client.get(
            f"{GATE}?tracker={tracker}", headers={k.replace("_", "-"): v for k, v in headers.items()}
        ).json

    def test_one_tracker(self, client: FlaskClient) -> None:
        assert self.ask(client) == {
            "tracker": "hotjar",
            "allow": False,
            "reason": "no_choice",
            "category": "analytics",
            "version": 1,
        }

    def test_an_unknown_tracker_is_still_200(self, client: FlaskClient) -> None:
        answer = client.get(f"{GATE}?tracker=nobody-knows")
        assert answer.status_code == 200
        assert answer.json == {
            "tracker": "nobody-knows",
            "allow": False,
            "reason": "unknown_tracker",
            "category": None,
            "version": 1,
        }

    def test_all_trackers_and_categories(self, client: FlaskClient, post: Post) -> None:
        token = post(body("custom", trackers={"hotjar": False, "meta": True})).json["receipt"]
        answer = client.get(GATE, headers={"Poort-Receipt": token}).json
        assert answer is not None
        assert {name: row["reason"] for name, row in answer["trackers"].items()} == {
            "ga4": "granted",
            "hotjar": "denied",
            "meta": "granted",
            "intercom": "granted",
            "own-stats": "granted",
        }
        assert {name: row["allow"] for name, row in answer["categories"].items()} == {
            "necessary": True,
            "functional": True,
            "analytics": True,
            "marketing": False,
        }

    def test_the_form_for_nginx(self, client: FlaskClient, post: Post) -> None:
        refused = client.get(f"{GATE}/hotjar")
        assert (refused.status_code, refused.headers["Poort-Reason"], refused.data) == (403, "no_choice", b"")
        token = post(body("accept_all")).json["receipt"]
        allowed = client.get(f"{GATE}/hotjar", headers={"Cookie": f"a=b; poort={token}"})
        assert (allowed.status_code, allowed.headers["Poort-Reason"], allowed.data) == (204, "granted", b"")
        assert client.get("/v1/sites/nobody/gate/hotjar").status_code == 403
        assert client.get(f"{GATE}/nobody-knows", headers={"Cookie": f"poort={token}"}).status_code == 403

    def test_of_two_cookies_the_stricter_counts(self, client: FlaskClient, post: Post) -> None:
        """Threat 13: a sibling subdomain can add a cookie, and must not open anything by it."""
        yes, no = post(body("accept_all")).json["receipt"], post(body("necessary_only")).json["receipt"]
        for pair in (f"poort={yes}; poort={no}", f"poort={no}; poort={yes}"):
            assert self.ask(client, Cookie=pair)["reason"] == "denied"
        assert self.ask(client, Cookie=f"poort={yes}; poort=forged")["reason"] == "bad_receipt"
        assert self.ask(client, Cookie=f"poort={yes}; poort={yes}")["allow"] is True

    def test_the_header_comes_before_the_cookie_and_the_address_never_counts(
        self, client: FlaskClient, post: Post
    ) -> None:
        yes, no = post(body("accept_all")).json["receipt"], post(body("necessary_only")).json["receipt"]
        assert self.ask(client, Poort_Receipt=yes, Cookie=f"poort={no}")["allow"] is True
        assert client.get(f"{GATE}?tracker=hotjar&receipt={yes}&poort={yes}").json["reason"] == "no_choice"  # type: ignore[index]

    @pytest.mark.parametrize("token", ["x", "a.b", ".", "é", "poort", "\t", "=" * 8000])
    def test_a_bad_receipt_is_a_plain_no(self, client: FlaskClient, token: str) -> None:
        answer = self.ask(client, Cookie=f"poort={token}")
        assert (answer["allow"], answer["reason"]) == (False, "bad_receipt")

    def test_gpc(self, client: FlaskClient, post: Post) -> None:
        """I4"""
        token = post(body("accept_all")).json["receipt"]
        assert self.ask(client, "meta", Poort_Receipt=token, Sec_GPC="1")["reason"] == "gpc"
        knowingly = post(body("accept_all", gpc=True)).json["receipt"]
        assert self.ask(client, "meta", Poort_Receipt=knowingly, Sec_GPC="1")["reason"] == "granted"

    def test_another_site_s_receipt(self, client: FlaskClient, post: Post, define: Callable[..., Any]) -> None:
        define(key="second")
        token = post(body("accept_all"), key="second").json["receipt"]
        assert self.ask(client, Poort_Receipt=token)["reason"] == "wrong_site"

    def test_a_material_change_makes_a_receipt_stale(
        self, client: FlaskClient, post: Post, define: Callable[..., Any]
    ) -> None:
        """F3: for what changed, and nothing else."""
        token = post(body("accept_all")).json["receipt"]
        define(trackers=[{"id": "ga4"}, {"id": "hotjar"}, {"id": "leadinfo"}])
        assert self.ask(client, "leadinfo", Poort_Receipt=token)["reason"] == "stale_version"
        assert self.ask(client, "hotjar", Poort_Receipt=token)["reason"] == "granted"

    def test_a_key_that_is_gone_verifies_nothing(self, client: FlaskClient) -> None:
        token = Keyring(["a-key-that-was-taken-away-0123456789-xyz"]).issue(ALL)
        assert self.ask(client, Poort_Receipt=token)["reason"] == "bad_receipt"


@pytest.mark.usefixtures("shop", "through_doors")
class TestOrigins:
    OWN = "https://www.shop.example"

    def test_the_site_s_own_origin_may_read_without_credentials(self, client: FlaskClient) -> None:
        """Threat 5"""
        for path in ("/v1/sites/shop/config", GATE):
            answer = client.get(path, headers={"Origin": self.OWN})
            assert answer.headers["Access-Control-Allow-Origin"] == self.OWN
            assert "Origin" in ", ".join(answer.headers.getlist("Vary"))
            assert "Access-Control-Allow-Credentials" not in answer.headers

    @pytest.mark.parametrize(
        "origin", ["https://evil.example", "null", "http://www.shop.example", "https://www.shop.example.evil.example"]
    )
    def test_nobody_else_may(self, client: FlaskClient, origin: str) -> None:
        for path in ("/v1/sites/shop/config", GATE):
            assert "Access-Control-Allow-Origin" not in client.get(path, headers={"Origin": origin}).headers
            asked = client.options(path, headers={"Origin": origin, "Access-Control-Request-Method": "GET"})
            assert asked.status_code == 403

    def test_a_browser_may_ask_before_it_calls(self, client: FlaskClient) -> None:
        asked = client.options(GATE, headers={"Origin": self.OWN, "Access-Control-Request-Headers": "poort-receipt"})
        assert asked.status_code == 204
        assert "Poort-Receipt" in asked.headers["Access-Control-Allow-Headers"]

    def test_an_error_can_be_read_by_the_site_too(self, post: Post) -> None:
        answer = post(b"{}", Origin=self.OWN)
        assert answer.status_code == 422
        assert answer.headers["Access-Control-Allow-Origin"] == self.OWN


@pytest.mark.usefixtures("through_doors")
def test_another_method_is_405_with_the_methods_that_are(client: FlaskClient, shop: versions.Version) -> None:
    for route in ROUTES:
        path = route.template.replace("{site}", "shop").replace("{tracker}", "hotjar")
        answer = client.open(path, method="PATCH")
        assert answer.status_code == 405
        assert route.method in answer.headers["Allow"]
        assert json.loads(answer.data)["error"] == "method_not_allowed"


@pytest.mark.usefixtures("through_doors")
def test_head_is_get_without_the_body(client: FlaskClient, shop: versions.Version) -> None:
    for path in ("/banner/shop.js", GATE):
        assert client.head(path).status_code == 200
        assert client.head(path).data == b""


@pytest.mark.usefixtures("through_doors")
def test_a_publication_is_seen_within_a_second(app: Flask, client: FlaskClient, shop: versions.Version) -> None:
    client.get(GATE)
    site, _ = sites.apply({**DEFINITION, "name": "Winkel"})
    versions.publish(site, NOW)
    db.session.commit()
    time.sleep(1.0)
    assert client.get(GATE).json["version"] == 2  # type: ignore[index]


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("203.0.113.7", False),
        ("2001:db8::1", False),
        ("", False),
        ("unix:", False),
    ],
)
def test_who_is_on_the_machine_itself(address: str, local: bool) -> None:
    assert is_local(address) is local
