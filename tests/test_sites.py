"""Site definitions and versions: what is refused, what publishing freezes, and what the commands say."""

import hashlib
import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from consent import sites, versions
from consent.db import db
from consent.sites import DefinitionError, parse_definition
from tests.conftest import ROOT, forget
from tests.shop import DEFINITION, NOW

OWN = DEFINITION["trackers"][4]


def changed(**fields: Any) -> dict[str, Any]:
    return {**deepcopy(DEFINITION), **fields}


def lacking(name: str) -> dict[str, Any]:
    return {key: value for key, value in changed().items() if key != name}


FAULTS: list[tuple[str, Any, str]] = [
    *[(f"no {name}", lacking(name), name) for name in ("key", "name", "organisation", "controller", "origins")],
    ("an unknown field", changed(colour="red"), "colour"),
    ("legitimate interest (A5)", changed(legal_basis="legitimate_interest"), "legal_basis"),
    ("a key with capitals", changed(key="Shop"), "key"),
    ("a key with a slash", changed(key="a/b"), "key"),
    ("a key that ends with a newline", changed(key="shop\n"), "key"),
    ("an origin with a path", changed(origins=["https://www.shop.example/"]), "origins.0"),
    ("an origin without a scheme", changed(origins=["www.shop.example"]), "origins.0"),
    ("an origin with a wildcard", changed(origins=["https://*.shop.example"]), "origins.0"),
    ("an origin with its default port", changed(origins=["https://www.shop.example:443"]), "origins.0"),
    ("an origin with a user", changed(origins=["https://me@www.shop.example"]), "origins.0"),
    ("an origin with a bad port", changed(origins=["https://www.shop.example:99999"]), "origins.0"),
    ("an origin of another scheme", changed(origins=["ftp://www.shop.example"]), "origins.0"),
    ("an origin that is null", changed(origins=["null"]), "origins.0"),
    ("an origin twice", changed(origins=["https://www.shop.example"] * 2), "origins"),
    ("no origin", changed(origins=[]), "origins"),
    ("an origin outside the cookie domain", changed(origins=["https://www.other.example"]), "cookie_domain"),
    ("a cookie domain that is a label", changed(cookie_domain="example"), "cookie_domain"),
    ("a cookie domain with a dot before it", changed(cookie_domain=".shop.example"), "cookie_domain"),
    (
        "a policy address that is a script",
        changed(controller={**DEFINITION["controller"], "policy_url": "javascript:alert(1)"}),
        "controller.policy_url",
    ),
    (
        "a controller without an e-mail address",
        changed(controller={**DEFINITION["controller"], "email": "x"}),
        "controller.email",
    ),
    ("a controller with more", changed(controller={**DEFINITION["controller"], "fax": "1"}), "controller.fax"),
    ("an unknown language", changed(languages=["nl", "xx"]), "languages.1"),
    ("a default language that is not there", changed(languages=["en"]), "default_language"),
    ("an unknown tracker", changed(trackers=[{"id": "ga4"}, {"id": "nobody-knows"}]), "trackers.1"),
    ("a tracker twice", changed(trackers=[{"id": "ga4"}, {"id": "ga4"}]), "trackers.1.id"),
    (
        "an unknown category",
        changed(trackers=[{"id": "ga4", "category": "social", "reason": "x"}]),
        "trackers.0.category",
    ),
    (
        "another category without a reason (A6)",
        changed(trackers=[{"id": "ga4", "category": "functional"}]),
        "trackers.0.reason",
    ),
    (
        "an exemption without a reason (A7)",
        changed(trackers=[{"id": "plausible", "exempt": True}]),
        "trackers.0.reason",
    ),
    ("session replay exempt (A8)", changed(trackers=[{"id": "hotjar", "exempt": True, "reason": "x"}]), "trackers.0"),
    (
        "an exemption outside the Netherlands (A7)",
        changed(jurisdiction="DE", trackers=[{"id": "plausible", "exempt": True, "reason": "x"}]),
        "trackers.0",
    ),
    (
        "an own tracker without a purpose",
        changed(trackers=[{k: v for k, v in OWN.items() if k != "purpose"}]),
        "trackers.0.purpose",
    ),
    ("consent for longer than 13 months (F2)", changed(consent_days=396, refusal_days=396), "consent_days"),
    ("consent for no time", changed(consent_days=0), "consent_days"),
    ("days in text", changed(consent_days="180"), "consent_days"),
    ("a refusal forgotten sooner than a consent (F1)", changed(consent_days=180, refusal_days=90), "refusal_days"),
    ("an unknown release", changed(release="soon"), "release"),
    ("an unknown audience", changed(audience="adults"), "audience"),
    ("an origin that is half an address", changed(origins=["https://["]), "origins.0"),
    ("an origin of look-alike letters", changed(origins=["http://a\u2100b.example"]), "origins.0"),
    (
        "a policy address that is half an address",
        changed(controller={**DEFINITION["controller"], "policy_url": "https://["}),
        "controller.policy_url",
    ),
    ("a name without a letter", changed(name="  "), "name"),
    ("a name with a NUL", changed(name="a\0b"), "name"),
    ("a name with half a surrogate pair", changed(organisation="\ud800"), "organisation"),
    ("more trackers than anybody has", changed(trackers=[{"id": "x"}] * 301), "trackers"),
    (
        "more own trackers than a cookie can hold a choice for",
        changed(trackers=[{**OWN, "id": f"own-{n:036}", "hosts": []} for n in range(100)]),
        "trackers",
    ),
    ("an unknown consent mode", changed(google_consent_mode="open"), "google_consent_mode"),
    ("the advanced mode without a reason (J4)", changed(google_consent_mode="advanced"), "google_consent_mode_reason"),
    ("a reason for the basic mode", changed(google_consent_mode_reason="x"), "google_consent_mode_reason"),
    (
        "the advanced mode without Google's trackers",
        changed(google_consent_mode="advanced", google_consent_mode_reason="x", trackers=[{"id": "hotjar"}]),
        "google_consent_mode",
    ),
    ("a list", [], "definition"),
    ("a text", "shop", "definition"),
]


@pytest.mark.parametrize(("definition", "path"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_a_bad_definition_is_refused_with_the_path_of_the_fault(definition: Any, path: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        parse_definition(definition)
    assert any(fault == path or fault.startswith(f"{path}.") for fault in refused.value.faults), refused.value.faults


def test_the_contract_s_example_is_accepted() -> None:
    assert parse_definition(DEFINITION)["trackers"] == DEFINITION["trackers"]


def test_what_is_left_out_has_a_default() -> None:
    least = {name: DEFINITION[name] for name in ("key", "name", "organisation", "controller", "origins")}
    full = parse_definition(least)
    assert full["release"] == "acknowledged"
    assert (full["consent_days"], full["refusal_days"], full["cookie_domain"]) == (180, 180, None)
    assert parse_definition(full) == full, "an export can be applied again"


def test_the_consent_mode_is_in_a_definition_only_where_the_owner_put_it() -> None:
    """Definitions that were applied before stay the same."""
    assert "google_consent_mode" not in parse_definition(DEFINITION)
    assert parse_definition(changed(google_consent_mode="basic"))["google_consent_mode"] == "basic"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def faults_of(definition: Any) -> dict[str, str]:
    """The faults of a definition; none when it is accepted, and then its export is accepted as well."""
    try:
        parsed = parse_definition(definition)
    except DefinitionError as refused:
        return refused.faults
    assert parse_definition(parsed) == parsed
    return {}


@given(st.sampled_from(sorted(DEFINITION)), json_values)
def test_no_value_of_any_field_breaks_the_parser(name: str, value: Any) -> None:
    assert all(faults_of(changed(**{name: value})).values())


@given(st.sampled_from([*sorted(OWN), "exempt", "reason", "role", "storage"]), json_values)
def test_no_value_of_any_field_of_a_tracker_breaks_the_parser(name: str, value: Any) -> None:
    assert all(path.startswith("trackers") for path in faults_of(changed(trackers=[{**OWN, name: value}])))


class TestVersions:
    def test_a_version_s_digest_can_be_computed_by_anybody(self, shop: versions.Version, client: FlaskClient) -> None:
        """E2"""
        shown = client.get("/v1/sites/shop/versions/1").json
        assert shown is not None
        assert hashlib.sha256(rfc8785.dumps(shown["snapshot"])).hexdigest() == shown["digest"] == shop.digest
        assert shown["snapshot"]["texts"]["nl"]["accept_all"] == "Alle cookies toestaan"
        assert [row["id"] for row in shown["snapshot"]["trackers"]] == [
            "ga4",
            "hotjar",
            "meta",
            "intercom",
            "own-stats",
        ]

    def test_the_same_content_is_published_once(self, define: Callable[..., versions.Version]) -> None:
        assert define().number == define().number == 1
        assert define(name="Another").number == 2
        assert define().number == 3, "going back is a new version"

    def test_since_rises_for_what_changed_and_nothing_else(self, define: Callable[..., versions.Version]) -> None:
        """F3, F4"""
        define()
        more = [*DEFINITION["trackers"], {"id": "leadinfo"}]
        second = define(trackers=more)
        assert second.since["trackers"] == {
            "ga4": 1,
            "hotjar": 1,
            "meta": 1,
            "intercom": 1,
            "own-stats": 1,
            "leadinfo": 2,
        }
        moved = [{**t, "category": "marketing", "reason": "used for ads"} if t["id"] == "ga4" else t for t in more]
        third = define(trackers=moved)
        assert third.since["trackers"]["ga4"] == 3
        typo = [
            {**OWN, "purpose": {"nl": "Telt het bezoek.", "en": "Counts visits."}} if t["id"] == "own-stats" else t
            for t in moved
        ]
        fourth = define(trackers=typo)
        assert fourth.number == 4
        assert fourth.since["trackers"] == third.since["trackers"], "another wording asks nobody again"
        assert define(trackers=moved[:-1]).since["trackers"]["ga4"] == 3
        assert define(trackers=moved).since["trackers"]["leadinfo"] == 6, "what went away and came back is new"

    def test_an_unknown_version_is_404(self, shop: versions.Version, client: FlaskClient) -> None:
        for number in ("2", "0", "-1", "x", "9" * 30, "1.0"):
            assert client.get(f"/v1/sites/shop/versions/{number}").status_code == 404


class TestCommands:
    @pytest.fixture
    def run(self, app: Flask, tmp_path: Path) -> Callable[..., Any]:
        runner: FlaskCliRunner = app.test_cli_runner()

        def command(*arguments: str, definition: Any = None) -> Any:
            if definition is None:
                return runner.invoke(args=["site", *arguments])
            file = tmp_path / "site.json"
            file.write_text(definition if isinstance(definition, str) else json.dumps(definition))
            return runner.invoke(args=["site", "apply", str(file), *arguments])

        return command

    def test_apply_changes_the_draft_and_publishes_on_request(self, run: Callable[..., Any]) -> None:
        assert run(definition=DEFINITION).exit_code == 0
        assert db.session.scalar(select(sites.Site.current)) is None
        assert "published as version 1" in run("--publish", definition=DEFINITION).output
        assert "unchanged, stays version 1" in run("--publish", definition=DEFINITION).output
        assert "published as version 2" in run("--publish", definition=changed(name="Winkel")).output

    def test_the_advanced_consent_mode_is_applied_with_a_warning(self, run: Callable[..., Any]) -> None:
        """J4"""
        mode = {"google_consent_mode": "advanced", "google_consent_mode_reason": "Conversions are modelled."}
        done = run("--publish", definition=changed(**mode))
        assert done.exit_code == 0
        assert done.stderr.startswith("Warning: shop: google_consent_mode: ")
        assert "(J4)" in done.stderr
        assert "Warning" not in done.stdout
        assert json.loads(run("export", "shop").stdout).items() >= mode.items()
        assert run(definition=DEFINITION).stderr == ""

    def test_export_is_what_apply_takes(self, run: Callable[..., Any]) -> None:
        run(definition=DEFINITION)
        exported = run("export", "shop").output
        assert json.loads(exported) == parse_definition(DEFINITION)
        assert "the same as it was" in run(definition=exported).output

    def test_list_and_snippet(self, run: Callable[..., Any]) -> None:
        run("--publish", definition=DEFINITION)
        assert "shop\tversion 1\tWebwinkel B.V.\tWebwinkel" in run("list").output
        assert run("snippet", "shop").output.strip() == '<script async src="http://localhost/banner/shop.js"></script>'

    @pytest.mark.parametrize(
        ("definition", "words"),
        [
            ("{", "is not JSON"),
            ("[" * 100_000, "is not JSON"),
            (changed(colour="red"), "colour: Unknown field."),
            ([DEFINITION, changed(key="second", origins=["x"])], "origins.0"),
            ("[]", "holds no definition"),
            ('{"key": "a", "key": "b"}', "a key is there twice"),
            (changed(**{"a\nb": 1}), "a\\nb: Unknown field."),
        ],
    )
    def test_bad_input_is_one_line_and_writes_nothing(
        self, run: Callable[..., Any], definition: Any, words: str
    ) -> None:
        done = run("--publish", definition=definition)
        assert done.exit_code != 0
        assert words in done.output
        assert "Traceback" not in done.output
        assert len(done.output.splitlines()) == 1
        db.session.rollback()
        assert db.session.scalars(select(sites.Site)).all() == []

    def test_another_organisation_can_not_take_a_key(self, run: Callable[..., Any]) -> None:
        run(definition=DEFINITION)
        assert "belongs to another organisation" in run(definition=changed(organisation="Kaper B.V.")).output

    @pytest.mark.parametrize("command", ["publish", "export", "snippet"])
    def test_an_unknown_site_is_one_line(self, run: Callable[..., Any], command: str) -> None:
        done = run(command, "nobody")
        assert done.exit_code != 0
        assert "There is no site 'nobody'." in done.output

    @pytest.mark.parametrize("command", ["apply", "publish", "export", "list", "snippet"])
    def test_every_command_explains_itself(self, run: Callable[..., Any], command: str) -> None:
        done = run(command, "--help")
        assert done.exit_code == 0
        assert len(done.output.split()) > 10

    def test_a_file_that_is_not_there_is_one_line(self, run: Callable[..., Any], tmp_path: Path) -> None:
        done = run("apply", str(tmp_path / "none.json"))
        assert done.exit_code != 0
        assert "can not be read" in done.output


@pytest.mark.parametrize("file", sorted((ROOT / "examples").glob("*.json")), ids=lambda file: file.stem)
def test_every_profile_applies_and_publishes(app: Flask, client: FlaskClient, file: Path) -> None:
    data = json.loads(file.read_text())
    for definition in data if isinstance(data, list) else [data]:
        site, _ = sites.apply(definition)
        versions.publish(site, NOW)
        db.session.commit()
        forget(app)
        config = client.get(f"/v1/sites/{site.key}/config?lang=nl").json
        assert config is not None
        assert config["ask"] is (file.stem not in ("hours", "integrator"))
        assert len(config["trackers"]) == len(definition["trackers"])
