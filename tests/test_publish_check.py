"""What breaks a rule is not published, by no way, and nothing is written; the reasons of the rest are kept."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner
from sqlalchemy import func, select

from app import create_app
from consent import audit, changes, linter, retention, rules_site, sites, versions
from consent.db import db
from docs import rules
from tests.conftest import KEY, ROOT
from tests.pages import Browser
from tests.shop import DEFINITION, NOW

Definition = dict[str, Any]
GUILT: Definition = {**DEFINITION, "texts": {"nl": {"settings_intro": "Weet je het zeker?"}}}
APART: Definition = {**DEFINITION, "origins": ["https://www.shop.example", "https://blog.shop.example"],
                     "cookie_domain": None}
REASON = "Het blog is een aparte site."


def apply(definition: Definition) -> sites.Site:
    site, _ = sites.apply(definition)
    db.session.commit()
    return site


def published() -> int:
    return db.session.scalar(select(func.count()).select_from(versions.Version)) or 0


OWNER = audit.By(user_id=None, via="console")
WAYS = {"the console": OWNER, "the API": audit.By(via="api"), "a command": audit.COMMAND}


@pytest.mark.parametrize("by", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("reasons", [None, {}, {"B11:texts.nl.settings_intro": "Wij vinden het leuk."}],
                         ids=["without reasons", "with none", "with a reason"])
def test_a_hard_finding_is_not_published(app: Flask, by: audit.By, reasons: dict[str, str] | None) -> None:
    site = apply(GUILT)
    with pytest.raises(linter.Blocked) as blocked:
        versions.publish(site, NOW, by, reasons)
    assert [found.key for found in blocked.value.findings] == ["B11:texts.nl.settings_intro"]
    db.session.commit()
    assert (published(), site.current) == (0, None)


@pytest.mark.parametrize("by", [OWNER, WAYS["the API"]], ids=["the console", "the API"])
@pytest.mark.parametrize("reason", ["", "   ", None], ids=["empty", "blanks", "none"])
def test_a_soft_finding_asks_for_a_reason(app: Flask, by: audit.By, reason: str | None) -> None:
    site = apply(APART)
    with pytest.raises(linter.Unexplained) as unexplained:
        versions.publish(site, NOW, by, {} if reason is None else {"F5:cookie_domain": reason})
    assert [found.key for found in unexplained.value.findings] == ["F5:cookie_domain"]
    db.session.commit()
    assert published() == 0


def test_the_reason_is_kept_in_the_version_and_shown_to_no_visitor(app: Flask, client: FlaskClient) -> None:
    given = {"F5:cookie_domain": f" {REASON} ", "B11:texts.nl.intro": "Was not found."}
    version, _ = versions.publish(apply(APART), NOW, OWNER, given)
    db.session.commit()
    assert version.reasons == {"F5:cookie_domain": REASON}
    paths = ("versions/1", "config?lang=nl", "declaration?lang=nl")
    seen = [client.get(f"/v1/sites/shop/{path}").text for path in paths]
    assert all(REASON not in text for text in [*seen, version.snapshot, client.get("/banner/shop.js").text])
    without, _ = versions.publish(apply({**APART, "name": "Winkel"}), NOW)
    assert (without.number, without.reasons) == (2, None), "a command only warns"


def test_what_the_definition_says_itself_counts_as_the_reason(app: Flask) -> None:
    """Who said it in the file, or at the tracker, is not asked the same again."""
    said = {"nl": "Hier alleen voor de knop.", "en": "Only for the button here."}
    mode = {"google_consent_mode": "advanced", "google_consent_mode_reason": "Gemodelleerd."}
    trackers = [{"id": "ga4"}, {"id": "meta", "category": "functional", "reason": said}]
    site = apply({**DEFINITION, **mode, "trackers": trackers})
    version, _ = versions.publish(site, NOW, OWNER, {"J4:google_consent_mode": "Zo werkt het."})
    assert version.reasons == {"C1:trackers.meta.category": said["nl"], "J4:google_consent_mode": "Zo werkt het."}


def test_a_reason_is_kept_on_one_line_and_ends(app: Flask) -> None:
    odd = "\x00\ud800 Het blog\r\nis\u200b apart. " + "x" * 1_000
    version, _ = versions.publish(apply(APART), NOW, OWNER, {"F5:cookie_domain": odd})
    db.session.commit()
    db.session.refresh(version)
    kept = (version.reasons or {})["F5:cookie_domain"]
    assert kept.startswith("Het blog is apart. xxx")
    assert len(kept) == linter.LONGEST_REASON


def test_what_was_published_before_a_rule_came_stays_published(app: Flask) -> None:
    """Publishing the same again publishes nothing, so there is nothing to refuse."""
    site = apply(GUILT)
    snapshot = versions.freeze(site.draft)
    version = versions._version(site.key, 1, snapshot, changes.since(None, snapshot, [], 1), [], NOW)
    db.session.add(version)
    site.current = 1
    db.session.commit()
    assert versions.publish(site, NOW, OWNER, {}) == (version, False)


class TestCommands:
    @pytest.fixture
    def run(self, app: Flask, tmp_path: Path) -> Callable[..., Any]:
        runner = app.test_cli_runner()

        def command(*arguments: str, definition: Any = None) -> Any:
            file = tmp_path / "site.json"
            file.write_text(json.dumps(definition))
            return runner.invoke(args=["site", *(str(file) if one == "FILE" else one for one in arguments)])

        return command

    def test_apply_writes_nothing_of_what_breaks_a_rule(self, run: Callable[..., Any]) -> None:
        """The whole file is one transaction, so the sound site before it is not written either."""
        done = run("apply", "FILE", "--publish", definition=[{**DEFINITION, "key": "sound"}, GUILT])
        assert done.exit_code == 1
        assert done.stderr.startswith("Error: shop can not be published: texts.nl.settings_intro: ")
        assert done.stderr.count("\n") == 1
        assert "(B11)" in done.stderr
        assert db.session.scalar(select(func.count()).select_from(sites.Site)) == 0

    def test_a_draft_is_kept_and_warned_of_and_not_published(self, run: Callable[..., Any]) -> None:
        done = run("apply", "FILE", definition=GUILT)
        assert done.exit_code == 0
        assert done.stderr.startswith("Warning: shop: texts.nl.settings_intro: ")
        refused = run("publish", "shop")
        assert refused.exit_code == 1
        assert "(B11)" in refused.stderr
        assert published() == 0

    @pytest.mark.parametrize("rule", ["F5", "F5:cookie_domain"])
    def test_a_reason_is_kept_and_silences_the_warning(self, run: Callable[..., Any], rule: str) -> None:
        warned = run("apply", "FILE", "--publish", definition=APART)
        assert warned.exit_code == 0
        assert warned.stderr.startswith("Warning: shop: cookie_domain: ")
        explained = run("apply", "FILE", "--publish", "--reason", f"{rule}={REASON}",
                        definition={**APART, "name": "Winkel"})
        assert (explained.exit_code, explained.stderr) == (0, "")
        kept = db.session.scalars(select(versions.Version.reasons).order_by(versions.Version.number)).all()
        assert kept == [None, {"F5:cookie_domain": REASON}]

    def test_publish_takes_a_reason_too(self, run: Callable[..., Any]) -> None:
        apply(APART)
        assert run("publish", "shop", "--reason", f"F5={REASON}").stderr == ""
        assert db.session.scalar(select(versions.Version.reasons)) == {"F5:cookie_domain": REASON}

    @pytest.mark.parametrize("reason", ["F5", "F5=", "Z9=because", "=because", "F5=" + "x" * 501])
    def test_what_is_no_reason_is_refused(self, run: Callable[..., Any], reason: str) -> None:
        assert run("check", "FILE", "--reason", reason, definition=DEFINITION).exit_code == 2

    def test_the_draft_of_a_site_is_checked_by_its_key(self, run: Callable[..., Any]) -> None:
        apply(GUILT)
        assert run("check", "shop").exit_code == 1
        assert run("check", "nosuch").exit_code == 2


# A file, more arguments, the status, a part of what is said.
REFUSED_BY_RULE = {**DEFINITION, "trackers": [{"id": "ga4", "category": "necessary", "reason": "Wij meten graag."}]}
SAID: list[tuple[str, Any, list[str], int, str]] = [
    ("sound", DEFINITION, [], 0, "shop: nothing found"),
    ("hard", GUILT, [], 1, "  HARD  B11  texts.nl.settings_intro"),
    ("hard, with a reason", GUILT, ["--reason", "B11=Wij vinden het leuk."], 1, "shop: 1 HARD"),
    ("soft", APART, [], 0, "shop: 1 soft"),
    ("soft and strict", APART, ["--strict"], 1, "  soft  F5  cookie_domain"),
    ("soft and strict, with a reason", APART, ["--strict", "--reason", f"F5={REASON}"], 0, "nothing found"),
    ("soft and strict, with a reason of its own",
     {**DEFINITION, "google_consent_mode": "advanced", "google_consent_mode_reason": "Gemodelleerd."},
     ["--strict"], 0, "  soft  J4  google_consent_mode"),
    ("in Dutch", APART, ["--language", "nl"], 0, "        Herstel: Laat een keuze voor heel shop.example gelden"),
    ("one of several", [DEFINITION, {**GUILT, "key": "other"}], [], 1, "other: 1 HARD"),
    ("refused by a rule alone", REFUSED_BY_RULE, [], 1, "  HARD  A6  trackers.0.category"),
    ("refused otherwise", {**DEFINITION, "colour": "red"}, [], 2, "site.json shop: colour: Unknown field."),
    ("no definition", [], [], 2, "holds no definition"),
    ("not JSON", None, [], 2, "is not JSON"),
    ("not there", ..., [], 2, "can not be read: No such file"),
]


@pytest.fixture(scope="module")
def runner(applications: Callable[[str], Flask]) -> FlaskCliRunner:
    return applications("sqlite").test_cli_runner()


@pytest.mark.parametrize(("definition", "more", "status", "said"), [row[1:] for row in SAID], ids=[r[0] for r in SAID])
def test_the_command_says_what_is_wrong_by_its_status(
    runner: FlaskCliRunner, tmp_path: Path, definition: Any, more: list[str], status: int, said: str
) -> None:
    file = tmp_path / "site.json"
    if definition is not ...:
        file.write_text(json.dumps(definition) if definition is not None else "{")
    done = runner.invoke(args=["site", "check", str(file), *more])
    assert done.exit_code == status, done.stderr
    assert said in done.output


def test_the_real_command_needs_no_database_and_ends_with_the_same_status(tmp_path: Path) -> None:
    file = tmp_path / "site.json"
    file.write_text(json.dumps([DEFINITION, GUILT]))
    done = flask(str(file), "--format", "json")
    sound, broken = json.loads(done.stdout)["sites"]
    assert sound == {"key": "shop", "hard": 0, "soft": 0, "findings": []}
    assert (broken["hard"], broken["findings"][0]["rule"], done.returncode) == (1, "B11", 1)
    assert set(broken["findings"][0]) == {"rule", "hard", "path", "what", "why", "source", "mend"}


def test_a_database_that_is_away_says_nothing_of_the_rules(tmp_path: Path) -> None:
    app = create_app(POORT_DATABASE_URL=f"sqlite:///{tmp_path}/none/poort.sqlite3", POORT_SECRET_KEYS=KEY)
    done = app.test_cli_runner().invoke(args=["site", "check", "shop"])
    assert (done.exit_code, done.stderr) == (2, "Error: The database can not be asked for the site 'shop'.\n")


def flask(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as an owner's own CI runs it, on a database that is not there."""
    settings = {"POORT_DATABASE_URL": "sqlite:////nonexistent/poort.sqlite3", "POORT_SECRET_KEYS": KEY}
    command = [str(ROOT / ".venv" / "bin" / "flask"), "site", "check", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **settings}, capture_output=True, text=True)


def test_the_console_shows_the_definitions_own_reason_in_its_field(app: Flask, people: dict[str, Any]) -> None:
    """What is there to be sent again, or put better."""
    apply({**DEFINITION, "trackers": [{"id": "meta", "category": "functional", "reason": "Voor de <knop>."}]})
    browser = Browser(app)
    browser.sign_in("alice@shop.example")
    page = browser.get("/console/sites/shop/publish").text
    assert 'name="reason:C1:trackers.meta.category" value="Voor de &lt;knop&gt;."' in page
    keyboard = linter.all_rules()["N2"].kept
    assert keyboard
    assert any(said in page for said in keyboard.values())


def test_the_page_of_rules_is_made_from_the_rules() -> None:
    assert rules.PAGE.read_text(encoding="utf-8") == rules.page(), "run `python -m docs.rules`"


def test_a_claim_period_above_the_default_is_what_asks_for_a_reason() -> None:
    """The default stands in a module above this one, so the number is there twice."""
    assert rules_site.CLAIM == retention.CLAIM_DAYS
