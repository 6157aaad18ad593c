"""What a visitor gets to see, takes along and erases; and what everybody may see."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from consent import versions
from consent.lifetimes import in_words
from consent.receipts import Keyring, Receipt
from tests.conftest import KEY
from tests.shop import body

Post = Callable[..., Any]


@pytest.fixture
def visitor(post: Post, shop: versions.Version) -> dict[str, Any]:
    """Somebody who accepted, then withdrew; with both receipts."""
    sent = body("accept_all")
    first = post(sent).json["receipt"]
    last = post({**body("withdraw", source="settings"), "visitor": sent["visitor"]}).json["receipt"]
    post(body("custom"))  # somebody else
    return {"id": sent["visitor"], "first": first, "last": last}


def show(client: FlaskClient, token: str, path: str = "", method: str = "GET", **headers: str) -> Any:
    return client.open(f"/v1/sites/shop/me{path}", method=method, headers={"Poort-Receipt": token, **headers})


@pytest.mark.usefixtures("shop", "through_doors")
class TestMe:
    def test_a_visitor_sees_everything_they_said_oldest_first(
        self, client: FlaskClient, visitor: dict[str, Any]
    ) -> None:
        """G4: and which version they were shown."""
        answer = show(client, visitor["last"]).json
        assert [row["action"] for row in answer["records"]] == ["accept_all", "withdraw"]
        assert {row["visitor"] for row in answer["records"]} == {visitor["id"]}
        assert answer["records"][0]["version_shown"]["number"] == 1
        assert answer["versions"]["1"]["digest"] == answer["records"][0]["version_shown"]["digest"]

    def test_the_cookie_does_as_well_as_the_header(self, client: FlaskClient, visitor: dict[str, Any]) -> None:
        client.set_cookie("poort", visitor["first"])
        assert len(client.get("/v1/sites/shop/me").json["records"]) == 2  # type: ignore[index]

    @pytest.mark.parametrize("path", ["", "/export"])
    @pytest.mark.parametrize("method", ["GET"])
    def test_without_a_good_receipt_it_is_401(
        self, client: FlaskClient, visitor: dict[str, Any], path: str, method: str
    ) -> None:
        other_site = Keyring([KEY]).issue(
            Receipt(
                "other",
                str(uuid.uuid4()),
                visitor["id"],
                1,
                "accept_all",
                frozenset(),
                frozenset(),
                frozenset(),
                False,
                0,
                9,
            )
        )
        for token in ("", "forged.token", visitor["last"][:-2], other_site):
            assert show(client, token, path, method).status_code == 401
        assert client.get(f"/v1/sites/shop/me{path}?receipt={visitor['last']}").status_code == 401, (
            "never from an address"
        )

    def test_a_download_is_json_ld_with_a_receipt_for_every_record(
        self, client: FlaskClient, visitor: dict[str, Any]
    ) -> None:
        """M1"""
        answer = show(client, visitor["last"], "/export")
        assert answer.headers["Content-Type"] == "application/ld+json"
        assert "attachment" in answer.headers["Content-Disposition"]
        graph = answer.get_json(force=True)["@graph"]
        assert [receipt["dpv:hasConsentStatus"] for receipt in graph] == ["dpv:ConsentGiven", "dpv:ConsentWithdrawn"]
        assert graph[0]["dpv:hasDataController"]["dpv:hasName"] == "Webwinkel B.V."
        assert {process["poort:category"] for process in graph[0]["dpv:hasProcess"]} == {
            "necessary",
            "functional",
            "analytics",
            "marketing",
        }

    def test_an_imported_decision_is_exported_with_its_own_date(self, client: FlaskClient, post: Post) -> None:
        moment = (datetime.now(UTC) - timedelta(days=30)).replace(microsecond=0)
        sent = body("accept_all", source="import", decided_at=moment.isoformat())
        receipt = post(sent).json["receipt"]
        graph = show(client, receipt, "/export").get_json(force=True)["@graph"]
        until = (moment + timedelta(days=180)).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert graph[0]["dpv:isIndicatedAtTime"]["@value"] == moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        assert graph[0]["dpv:hasDuration"]["poort:until"]["@value"] == until

    @pytest.mark.parametrize("source", ["banner", "settings", "api", "import"])
    def test_where_a_choice_came_from_is_marked_everywhere(self, client: FlaskClient, post: Post, source: str) -> None:
        """E5"""
        moment = {"decided_at": datetime.now(UTC).isoformat()} if source == "import" else {}
        stored = post(body("accept_all", source=source, **moment)).json
        assert stored["record"]["source"] == source
        assert [row["source"] for row in show(client, stored["receipt"]).get_json()["records"]] == [source]
        (receipt,) = show(client, stored["receipt"], "/export").get_json(force=True)["@graph"]
        assert receipt["dpv:hasIndicationMethod"]["poort:source"] == source

    def test_erasing_is_for_good_and_for_this_visitor_alone(
        self, client: FlaskClient, visitor: dict[str, Any], post: Post
    ) -> None:
        """G5"""
        other = post(body("accept_all")).json["receipt"]
        assert show(client, visitor["first"], method="DELETE").status_code == 204
        assert show(client, visitor["first"]).status_code == 401
        assert show(client, visitor["last"], "/export").status_code == 401
        assert show(client, visitor["last"], method="DELETE").status_code == 401
        assert len(show(client, other).json["records"]) == 1

    def test_a_foreign_page_reads_and_erases_nothing(self, client: FlaskClient, visitor: dict[str, Any]) -> None:
        for method in ("GET", "DELETE"):
            answer = show(client, visitor["last"], method=method, Origin="https://evil.example")
            assert answer.status_code == 403
            assert "Access-Control-Allow-Origin" not in answer.headers
        assert len(show(client, visitor["last"]).json["records"]) == 2

    def test_the_site_s_own_page_may(self, client: FlaskClient, visitor: dict[str, Any]) -> None:
        answer = show(client, visitor["last"], Origin="https://www.shop.example")
        assert answer.headers["Access-Control-Allow-Origin"] == "https://www.shop.example"
        asked = client.options(
            "/v1/sites/shop/me",
            headers={"Origin": "https://www.shop.example", "Access-Control-Request-Method": "DELETE"},
        )
        assert asked.status_code == 204
        assert "DELETE" in asked.headers["Access-Control-Allow-Methods"]
        assert "Poort-Receipt" in asked.headers["Access-Control-Allow-Headers"]
        assert asked.headers.getlist("Access-Control-Allow-Origin") == ["https://www.shop.example"]

    def test_an_unknown_site_is_404(self, client: FlaskClient, app: Flask) -> None:
        assert client.get("/v1/sites/nobody/me").status_code == 404


@pytest.mark.usefixtures("through_doors")
class TestDeclaration:
    def test_json_names_every_tracker_with_what_the_law_asks(self, client: FlaskClient, shop: versions.Version) -> None:
        """C2: vendor, purpose, cookies, lifetimes, role; C4: transfer"""
        answer = client.get("/v1/sites/shop/declaration?lang=en", headers={"Accept": "application/json"}).json
        assert answer is not None
        assert answer["language"] == "en"
        for tracker in answer["trackers"]:
            assert tracker["vendor"]
            assert tracker["purpose"]
            assert tracker["role"] in ("processor", "controller")
            assert isinstance(tracker["transfer"], bool)
        assert answer["version"] == 1

    @pytest.mark.parametrize(("language", "word"), [("nl", "Statistieken"), ("en", "Statistics")])
    def test_html_is_in_the_language_asked_for(
        self, client: FlaskClient, shop: versions.Version, language: str, word: str
    ) -> None:
        page = client.get(f"/v1/sites/shop/declaration?lang={language}", headers={"Accept": "text/html"})
        assert page.status_code == 200
        assert f'<html lang="{language}"' in page.text
        assert word in page.text
        for vendor in ("Hotjar", "Meta", "Google", "Intercom", "Webwinkel B.V."):
            assert vendor in page.text

    @pytest.mark.parametrize(
        ("header", "language"),
        [("en-GB,nl;q=0.5", "en"), ("nl-BE,en;q=0.8", "nl"), ("de,en;q=0.8,nl;q=0.4", "en"), ("fr", "nl"), ("", "nl")],
    )
    def test_else_in_the_language_that_the_browser_likes_best(
        self, client: FlaskClient, shop: versions.Version, header: str, language: str
    ) -> None:
        page = client.get("/v1/sites/shop/declaration", headers={"Accept": "text/html", "Accept-Language": header})
        assert f'<html lang="{language}"' in page.text

    def test_an_unknown_site_is_404(self, client: FlaskClient, app: Flask) -> None:
        assert client.get("/v1/sites/nobody/declaration").status_code == 404

    @pytest.mark.parametrize(("language", "said"), [("nl", "voordat je kiest"), ("en", "before you choose")])
    def test_the_advanced_consent_mode_is_declared_with_its_reason(
        self, client: FlaskClient, define: Callable[..., versions.Version], language: str, said: str
    ) -> None:
        """J4: visitors are told what the owner chose, and nothing where the owner did not."""
        path = f"/v1/sites/shop/declaration?lang={language}"
        define()
        assert "google-consent-mode" not in client.get(path, headers={"Accept": "text/html"}).text
        assert "google_consent_mode" not in client.get(path, headers={"Accept": "application/json"}).text
        define(google_consent_mode="advanced", google_consent_mode_reason="Conversions are <modelled>.")
        page = client.get(path, headers={"Accept": "text/html"}).text
        assert said in page
        assert "Conversions are &lt;modelled&gt;." in page
        answer = client.get(path, headers={"Accept": "application/json"}).json
        assert answer is not None
        assert answer["google_consent_mode"] == "advanced"
        assert client.get("/me/nobody").status_code == 404


@pytest.mark.parametrize(
    ("duration", "nl", "en"),
    [
        ("P2Y", "2 jaar", "2 years"),
        ("P1M", "1 maand", "1 month"),
        ("P7D", "7 dagen", "7 days"),
        ("PT1H30M", "1 uur, 30 minuten", "1 hour, 30 minutes"),
        ("session", "tot je de browser sluit", "until you close the browser"),
        ("persistent", "tot je het wist", "until you delete it"),
    ],
)
def test_a_lifetime_is_in_the_reader_s_words(duration: str, nl: str, en: str) -> None:
    assert (in_words(duration, "nl"), in_words(duration, "en")) == (nl, en)
