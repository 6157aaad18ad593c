"""What a proxy in front of a site's pages is told about a visitor: who may load, the policy, what to expire."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from consent.catalogue import CATALOGUE
from consent.front import EXPIRED, domains
from consent.sdk import Gate
from tests.shop import body

Post = Callable[..., Any]
PATH = "/v1/sites/shop/gate-headers"
PAST = "Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"


@pytest.mark.usefixtures("shop", "through_doors")
class TestHeaders:
    @pytest.fixture
    def client(self, app: Flask) -> FlaskClient:
        """Sends the Cookie header as the test gives it."""
        return app.test_client(use_cookies=False)

    def ask(self, client: FlaskClient, cookie: str = "", **headers: str) -> Any:
        """What a proxy gets for who sends these cookies."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.get(PATH, headers={**sent, **({"Cookie": cookie} if cookie else {})})

    def token(self, post: Post, action: str = "accept_all", **changes: Any) -> str:
        """A receipt."""
        return str(post(body(action, **changes)).json["receipt"])

    def test_who_chose_nothing_is_allowed_nothing(self, client: FlaskClient) -> None:
        answer = self.ask(client)
        assert (answer.status_code, answer.data) == (204, b"")
        assert answer.headers["Poort-Allowed"] == ""
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Poort-Sources" not in answer.headers
        assert "hotjar" not in answer.headers["Poort-CSP"]
        assert "default-src 'self'" in answer.headers["Poort-CSP"]
        assert "object-src 'none'" in answer.headers["Poort-CSP"]

    def test_what_is_granted_is_listed_and_nothing_else(self, client: FlaskClient, post: Post) -> None:
        token = self.token(post, "custom", trackers={"ga4": False})
        answer = self.ask(client, f"poort={token}")
        assert answer.headers["Poort-Allowed"] == "hotjar,intercom,own-stats"
        for header in ("Poort-CSP", "Poort-Sources"):
            assert "*.hotjar.com" in answer.headers[header]
            assert "stats.shop.example" in answer.headers[header]
            assert "google" not in answer.headers[header]
            assert "facebook" not in answer.headers[header]

    def test_the_receipt_and_the_signal_are_read_as_the_gate_reads_them(self, client: FlaskClient, post: Post) -> None:
        yes, no = self.token(post), self.token(post, "necessary_only")
        every = "ga4,hotjar,intercom,meta,own-stats"
        assert self.ask(client, Poort_Receipt=yes).headers["Poort-Allowed"] == every
        assert self.ask(client, f"poort={yes}").headers["Poort-Allowed"] == every
        assert self.ask(client, f"poort={yes}", Sec_GPC="1").headers["Poort-Allowed"] == every.replace(",meta", "")
        assert self.ask(client, f"poort={yes}; poort={no}").headers["Poort-Allowed"] == ""
        assert self.ask(client, f"poort={yes[:-4]}AAAA").headers["Poort-Allowed"] == ""

    def test_the_hosts_are_those_of_the_sdk(self, client: FlaskClient, post: Post, app: Flask) -> None:
        settings = app.extensions["poort.settings"]
        config = client.get("/v1/sites/shop/config").get_json()
        gate = Gate("shop", list(settings.secret_keys), config, settings.public_url)
        for action in ("accept_all", "necessary_only", "custom"):
            token = self.token(post, action)
            theirs = re.search(r"script-src 'self' (.*?)(?:;|$)", gate.csp(token))
            ours = re.fullmatch(
                r"default-src 'self' (.*); object-src 'none'; base-uri 'self'",
                self.ask(client, f"poort={token}").headers["Poort-CSP"])
            assert theirs is not None
            assert ours is not None
            assert ours[1] == theirs[1]

    def test_the_headers_of_a_site_with_every_tracker_fit_into_the_buffers_of_proxies(
        self, client: FlaskClient, post: Post, define: Callable[..., Any]
    ) -> None:
        define(trackers=[{"id": name} for name in CATALOGUE])
        answer = self.ask(client, f"poort={self.token(post, version=2)}")
        assert len(answer.headers["Poort-Allowed"].split(",")) == len(CATALOGUE)
        assert sum(len(name) + len(value) + 4 for name, value in answer.headers.items()) < 8_000

    def expired(self, answer: Any) -> list[str]:
        """The values for Set-Cookie, in their order."""
        found = [answer.headers.get(f"Poort-Expire-{number}") for number in range(1, EXPIRED + 2)]
        return [value for value in found if value is not None]

    def test_what_refused_trackers_left_is_expired(self, client: FlaskClient, post: Post) -> None:
        cookies = "FPID=a; session=b; _hjSessionUser_7=c; poort_x=d"
        assert self.expired(self.ask(client, cookies)) in (
            [f"{name}=; {domain}{PAST}" for name in names for domain in ("", "Domain=shop.example; ")]
            for names in (["FPID", "_hjSessionUser_7"], ["_hjSessionUser_7", "FPID"]))
        answer = self.ask(client, f"{cookies}; poort={self.token(post)}")
        assert self.expired(answer) == []

    def test_what_an_allowed_tracker_sets_too_stays(self, client: FlaskClient, post: Post) -> None:
        token = self.token(post, "custom", trackers={"hotjar": False})
        found = self.expired(self.ask(client, f"_ga=1; _hjid=2; theme=dark; poort={token}"))
        assert {value.partition("=")[0] for value in found} <= {"_hjid"}

    def test_more_than_fit_are_expired_by_and_by(self, client: FlaskClient) -> None:
        names = [f"_hjSession_{number}" for number in range(40)]
        found = self.expired(self.ask(client, "; ".join(f"{name}=x" for name in names)))
        assert len(found) == EXPIRED
        assert {value.partition("=")[0] for value in found} <= set(names)

    @pytest.mark.parametrize("odd", ["_hjSession_é=1", "_hjSession_ a=1", '_hjSession_"a"=1', "_hjSession_<b>=1"])
    def test_nothing_but_a_cookie_s_name_comes_back(self, client: FlaskClient, odd: str) -> None:
        assert self.expired(self.ask(client, odd.encode("utf-8").decode("latin-1"))) == []

    def test_a_name_that_asks_for_secure_gets_it(self, client: FlaskClient, define: Callable[..., Any]) -> None:
        own = {"id": "own-ads", "name": "A", "vendor": "V", "country": "NL", "category": "marketing", "hosts": [],
               "cookies": [{"name": "__Host-own", "duration": "P1D"}, {"name": "__Secure-own", "duration": "P1D"}],
               "purpose": {"nl": "Toont iets.", "en": "Shows something."}}
        define(trackers=[own])
        found = self.expired(self.ask(client, "__Host-own=1"))
        assert found == [f"__Host-own=; {PAST}; Secure"]
        found = self.expired(self.ask(client, "__Secure-own=1"))
        assert found == [f"__Secure-own=; {PAST}; Secure", f"__Secure-own=; Domain=shop.example; {PAST}; Secure"]

    def test_an_unknown_site_is_404(self, client: FlaskClient) -> None:
        assert client.get("/v1/sites/nobody/gate-headers").status_code == 404


def test_where_a_site_does_not_say_its_cookies_live_on_its_hosts_and_above() -> None:
    assert domains("shop.example", ["https://www.shop.example"]) == ["shop.example"]
    origins = ["https://www.shop.example", "https://shop.example:8443"]
    assert domains(None, origins) == ["www.shop.example", "shop.example"]
    assert domains(None, []) == []
