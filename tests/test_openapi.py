"""The API's description says what the application does: no call is missing, none is made up, and every answer fits."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from consent import openapi
from consent.catalogue import CATALOGUE
from consent.hot import ROUTES
from consent.keys import SCOPES
from tests import servers
from tests.servers import COMMANDS, Server
from tests.shop import DEFINITION, body

# The contract's table of calls.
PROMISED = {
    "GET /banner/{site}.js", "GET /banner/v1/poort.js", "GET /v1/sites/{site}/config", "POST /v1/sites/{site}/consents",
    "POST /v1/sites/{site}/events", "GET /v1/sites/{site}/gate", "GET /v1/sites/{site}/gate/{tracker}",
    "GET /v1/sites/{site}/me", "GET /v1/sites/{site}/me/export", "DELETE /v1/sites/{site}/me",
    "GET /v1/sites/{site}/versions/{number}", "GET /v1/sites/{site}/declaration", "GET /me/{site}",
    "GET /.well-known/gpc.json", "GET /healthz", "GET /readyz", "GET /metrics", "GET /openapi.json", "GET /docs",
}
# Pages that people use in a browser.
FOR_PEOPLE = ("/console/", "/login", "/logout", "/sign-up", "/lost-password", "/join/", "/leave/", "/static/",
              "/demo/")


def documented(client: FlaskClient) -> set[str]:
    """Every call in the document."""
    paths = client.get("/openapi.json").get_json()["paths"]
    return {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}


def test_every_call_is_documented_and_every_documented_call_is_there(app: Flask, client: FlaskClient) -> None:
    there = {f"{route.method} {route.template}" for route in ROUTES}
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        if path != "/" and not path.startswith(FOR_PEOPLE):
            there |= {f"{method} {path}" for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    assert documented(client) == there
    assert set(openapi.CALLS) == there
    assert there >= PROMISED


def test_what_a_call_does_is_what_its_handler_says(client: FlaskClient) -> None:
    for path, methods in client.get("/openapi.json").get_json()["paths"].items():
        for operation in methods.values():
            assert re.fullmatch(r"[A-Z0-9].*\.", operation["summary"]), (path, operation["summary"])
            assert operation["responses"]


def test_bodies_are_described_by_the_schemas_that_check_them(client: FlaskClient) -> None:
    shapes = client.get("/openapi.json").get_json()["components"]["schemas"]
    consent = shapes["Consent"]
    assert consent["additionalProperties"] is False
    assert set(consent["required"]) == {"id", "visitor", "version", "action", "choices", "source", "language"}
    assert consent["properties"]["version"]["minimum"] == 1
    assert consent["properties"]["id"]["format"] == "uuid"
    assert set(shapes["Site"]["properties"]) == set(DEFINITION) | {
        "claim_days", "count_visits", "experiment", "google_consent_mode", "google_consent_mode_reason", "leak_reports",
        "look", "policy", "request_working_days", "texts"}


@pytest.mark.usefixtures("shop")
def test_the_page_shows_every_call_and_shape_and_loads_nothing_from_elsewhere(client: FlaskClient) -> None:
    answer = client.get("/docs")
    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    document = client.get("/openapi.json").get_json()
    for methods in document["paths"].values():
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in answer.text
    targets = set(re.findall(r'href="#([^"]+)"', answer.text))
    assert targets <= set(re.findall(r'id="([^"]+)"', answer.text))
    assert set(document["components"]["schemas"]) <= targets
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', answer.text)
    assert "<script" not in answer.text
    assert " style=" not in answer.text


def test_the_page_of_trackers_has_every_one_and_loads_nothing_from_elsewhere(client: FlaskClient) -> None:
    answer = client.get("/docs/trackers")
    assert answer.status_code == 200
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert set(re.findall(r'<section class="card" id="([^"]+)"', answer.text)) == set(CATALOGUE)
    for row in CATALOGUE.values():
        for own in (*row["cookies"], *row["storage"]):
            assert f"<code>{own['name']}</code>" in answer.text
        assert f'<a href="{row["source"]}" rel="noopener">' in answer.text
    assert not re.findall(r'src="|<link[^>]+href="(?:https?:)?//', answer.text)
    assert "<script" not in answer.text
    assert " style=" not in answer.text
    assert 'href="/docs/trackers"' in client.get("/docs").text


# -- schemathesis -----------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module", params=servers.PLACES)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Poort with the shop."""
    url, door = servers.place(request, tmp_path_factory.mktemp("openapi"))
    with Server(url, door=door, POORT_API_LIMIT=100_000) as running:
        running.publish(DEFINITION)
        yield running


CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "negative_data_rejection", "missing_required_header", "unsupported_method",
    "allow_header_conformance", "ignored_auth",
)


@pytest.mark.parametrize("server", ["sqlite-asgi"], indirect=True)
def test_schemathesis_finds_nothing(server: Server, tmp_path: Path) -> None:
    receipt = server.call("POST", "/v1/sites/shop/consents", body()).json()["receipt"]
    find(server, tmp_path, "--exclude-path-regex", "^/v1/admin/", "--max-examples", "15",
         "--phases", "examples,coverage,fuzzing",
         "--header", f"Poort-Receipt: {receipt}")


@pytest.mark.parametrize("server", ["postgresql-wsgi"], indirect=True)
def test_schemathesis_finds_nothing_in_the_owners_api(server: Server, tmp_path: Path) -> None:
    """With a key that may do everything, but end keys: it would be the first that ends."""
    scopes = [word for scope in SCOPES for word in ("--scope", scope)]
    key = server.flask("key", "create", "--organisation", "Webwinkel B.V.", *scopes).stdout.splitlines()[-1]
    find(server, tmp_path, "--include-path-regex", "^/v1/admin/", "--exclude-path-regex", "^/v1/admin/keys/",
         "--phases", "examples,fuzzing", "--max-examples", "3", "--header", f"Authorization: Bearer {key}")


def find(server: Server, folder: Path, *arguments: str) -> None:
    """Let schemathesis loose on the server; it finds nothing."""
    config = folder / "schemathesis.toml"
    config.write_text("[generation]\ndatabase = \"none\"\n")
    command: list[str | Path] = [
        COMMANDS / "schemathesis", "--config-file", config, "run", f"{server.url}/openapi.json", "--url", server.url,
        "--checks", ",".join(CHECKS), "--seed", "7",
        "--generation-deterministic", "--workers", "1", "--suppress-health-check", "all", "--continue-on-failure",
        "--request-timeout", "20", "--no-color", *arguments,
    ]
    found = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=240, env={**server.env, "COLUMNS": "160"})
    assert found.returncode == 0, found.stdout[-12_000:] + found.stderr[-2_000:]
