"""The report of a scan for people: a page that stands alone, or lines on a terminal."""

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from flask import current_app
from flask_babel import gettext
from markupsafe import Markup

from consent import platforms, scan_words
from consent.catalogue import CATALOGUE

STYLES: Final = tuple(Path(__file__).resolve().parent.parent / "static" / "admin" / name
                      for name in ("tokens.css", "poort.css"))
MARKS: Final = {True: "ok   ", False: "FAULT", None: "?    "}


@cache
def style() -> str:
    """The style sheets that the page brings along."""
    return "\n".join(file.read_text(encoding="utf-8") for file in STYLES)


def style_hash() -> str:
    """What a Content-Security-Policy has to say for it."""
    return f"'sha256-{b64encode(hashlib.sha256(style().encode()).digest()).decode()}'"


def for_templates(report: dict[str, Any]) -> dict[str, Any]:
    """What scan/body.html needs."""
    names = {id: row["name"] for id, row in CATALOGUE.items()}
    names.update({one["tracker"]: one["name"] for one in report["trackers"]})
    return {
        "report": report, "words": scan_words, "names": names, "platforms": platforms.BY_ID, "path_of": path_of,
        "started": datetime.fromisoformat(report["started_at"]).replace(tzinfo=None),
    }


def path_of(url: str) -> str:
    """An address of the site without its origin."""
    return urlsplit(url).path or "/"


def title(report: dict[str, Any]) -> str:
    """What the page is called."""
    installed = report["kind"] == "install"
    return str(gettext("The installation of Poort") if installed else gettext("What loads on this site"))


def as_page(report: dict[str, Any], language: str) -> str:
    """A page of its own, with nothing from elsewhere."""
    # Not by Flask's render_template: a command has no request that it could be drawn for.
    return current_app.jinja_env.get_template("scan/page.html").render(
        **for_templates(report), language=language, title=title(report),
        host=urlsplit(report["url"]).netloc, style=Markup(style()))  # noqa: S704  # our own file


def as_lines(report: dict[str, Any]) -> Iterator[str]:
    """For a terminal, in English; what a page calls its things can not steer the terminal or forge a line."""
    for line in _lines(report):
        yield "".join(char if char.isprintable() else "?" for char in line)


def _lines(report: dict[str, Any]) -> Iterator[str]:
    for page in report["pages"]:
        yield f"page   {page['url']}  {page['status'] or scan_words.error(page['error'])}"
    yield f"banner {', '.join(platforms.BY_ID[id].name for id in report['platforms']) or 'none was seen'}"
    for phase in report["phases"]:
        if phase["why"]:
            yield f"missed {scan_words.PHASES[phase['phase']]}: {scan_words.UNDONE[phase['why']]}"
    yield from (f"limit  {scan_words.limit(one)}" for one in report["limits"])
    yield ""
    if report["kind"] == "install":
        yield from _checks(report)
    else:
        yield from _verdicts(report)


def _checks(report: dict[str, Any]) -> Iterator[str]:
    for one in report["checks"]:
        name, sentence = scan_words.check(one)
        yield f"{scan_words.STATES[one['state']]:16}{name}: {sentence}"
    yield from _leaks(report)


def _verdicts(report: dict[str, Any]) -> Iterator[str]:
    for one in report["verdicts"]:
        count = f" ({one['count']})" if one["count"] else ""
        yield f"{MARKS[one['ok']]} {one['rule']} {scan_words.RULES[one['rule']]}{count}"
    yield from _leaks(report)
    if report["unknown"]:
        yield ""
    yield from (f"unknown {one['what']} {one['name']}" for one in report["unknown"])
    if report["proposals"]:
        yield ""
    yield from (f"add {one['tracker']} ({one['category']}): {one['name']}" for one in report["proposals"])


def _leaks(report: dict[str, Any]) -> Iterator[str]:
    if report["leaks"]:
        yield ""
    for leak in report["leaks"]:
        who = leak["initiator"] or {}
        place = f" by {who['url']}" + (f":{who['line']}" if who.get("line") else "") if who.get("url") else ""
        page = f" on {path_of(leak['page'])}" if leak["page"] else ""
        yield f"{leak['rule']} {leak['phase']}: {'/'.join(leak['trackers'])} {leak['what']} {leak['name']}{page}{place}"
