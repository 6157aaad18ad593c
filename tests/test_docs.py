"""The documentation is under test: docs/reference.md has every setting, command, route and script call, no other."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from flask import Flask

from app import create_app
from consent.catalogue import CATALOGUE, Tracker
from consent.config import SETTINGS, STAND_INS
from consent.hot import ROUTES
from docs import trackers
from tests.browser.test_script_api import METHODS
from tests.conftest import KEY, ROOT

REFERENCE = (ROOT / "docs" / "reference.md").read_text()
FLASK_OWN = {"run", "shell", "routes", "limiter", "db"}
PAGES = [
    "README.md", "CHANGELOG.md", "deploy/gtm/README.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
]


def column(heading: str) -> list[str]:
    """The first column of the tables under a heading, without the ticks."""
    section = REFERENCE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    cells = re.findall(r"^\| (.+?) \| ", section, re.M)
    return [code for cell in cells for code in re.findall(r"`([^`]+)`", cell)]


def test_every_setting_is_there_with_its_default() -> None:
    assert set(column("Settings")) == {setting.name for setting in SETTINGS}
    for setting in SETTINGS:
        row = next(line for line in REFERENCE.splitlines() if line.startswith(f"| `{setting.name}` |"))
        if setting.default and "instance" not in setting.default:
            assert f"`{setting.default}`" in row, row


def commands(group: click.Group, path: str) -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}"


def test_every_command_is_there(app: Flask) -> None:
    own = {name: command for name, command in app.cli.commands.items() if name not in FLASK_OWN}
    there = set(commands(click.Group(commands=own), "flask")) | {"flask db upgrade"}
    documented = {" ".join(code.split()[:3]) for code in column("Commands")}
    documented = {name if name in there else name.rsplit(" ", 1)[0] for name in documented}
    assert documented == there


def as_template(rule: str) -> str:
    return re.sub(r"<(?:[a-z]+:)?([a-z_]+)>", r"{\1}", rule)


def test_every_route_is_there(tmp_path: Path) -> None:
    app = create_app(POORT_DATABASE_URL=f"sqlite:///{tmp_path}/poort.sqlite3", POORT_SECRET_KEYS=KEY, POORT_DEMO="on")
    hot = {f"{route.method} {route.template}" for route in ROUTES}
    flask = {
        f"{method} {as_template(str(rule))}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert set(column("Routes")) == hot | flask


def test_every_call_of_the_script_is_there() -> None:
    """The browser suite holds METHODS against `window.Poort` itself."""
    assert set(re.findall(r"Poort\.(\w+)\(", "\n".join(column("The script in the page")))) == set(METHODS)


def test_the_page_of_trackers_is_made_from_the_catalogue() -> None:
    assert trackers.PAGE.read_text(encoding="utf-8") == trackers.page(), "run `python -m docs.trackers`"


@pytest.mark.parametrize("row", CATALOGUE.values(), ids=CATALOGUE)
def test_the_page_of_trackers_says_what_a_reader_needs(row: Tracker) -> None:
    section = trackers.page().split(f'<a id="{row["id"]}"></a>', 1)[1].split("<a id=", 1)[0]
    assert f"{row['vendor']} ({row['country']}), {row['role']};" in section
    for known in (*row["hosts"], *row["paths"], *(own["name"] for own in (*row["cookies"], *row["storage"]))):
        assert f"`{known}`" in section
    for text in (row["name"], row["category"], row["why"], row["source"], row["verified_at"].isoformat()):
        assert text in section.replace("\\", "")


@pytest.mark.parametrize("page", PAGES)
def test_the_pages_speak_of_things_that_exist(page: str) -> None:
    text = (ROOT / page).read_text()
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in link:
            assert (ROOT / page).parent.joinpath(link).exists(), link
    for secret in re.findall(r"POORT_SECRET_KEYS=(\S+)", text):
        assert secret.startswith("$") or STAND_INS.search(secret), "no key to copy stands in the documentation"
