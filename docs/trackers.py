"""Write docs/trackers.md from the catalogue: `python -m docs.trackers`. A test compares the page with the data."""

import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from consent.catalogue import CATALOGUE, Cookie, Stored, Tracker, marks
from consent.gate import CATEGORIES
from consent.lifetimes import in_words

PAGE = Path(__file__).resolve().parent / "trackers.md"
DATA = PAGE.parent.parent / "consent" / "catalogue.toml"

INTRODUCTION = """# The trackers that Poort knows

Made from [consent/catalogue.toml](../consent/catalogue.toml) by `python -m docs.trackers`; change the data, not this
page. The same on the command line: `flask catalogue list`, `flask catalogue show hotjar`.

The category is the safe default under Dutch and European law. A site may depart from it with a reason of its own. What
measures or advertises is never necessary; exempt from consent, in the Netherlands alone, is only what is marked for it,
with a reason; session replay never is. An address or a cookie that no entry fits counts as marketing until it is
classified.

A host matches exactly, or with `*.` every host under it; a path matches from its beginning; a name matches exactly, or
with `*` at its end whatever goes on. A cookie with a domain lies there and not on the site: a site can show it but can
not delete it. The date behind a source says when the entry was last looked over; what could not be checked stands in
the notes. Where a vendor publishes no lifetimes, many are those of the Open Cookie Database (Apache-2.0).
"""


def page() -> str:
    """The whole page."""
    rows = sorted(CATALOGUE.values(), key=lambda row: CATEGORIES.index(row["category"]))
    parts = [INTRODUCTION, *_overview(rows), *(part for row in rows for part in _entry(row)), *_shared()]
    return "\n".join(parts)


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heading, ["---" for _ in heading], *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def _prose(text: str) -> str:
    """On one line, with the characters escaped that Markdown would read: names have stars and underscores in them."""
    return re.sub(r"([\\`*_<>\[\]])", r"\\\1", " ".join(text.split()))


def _code(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _overview(rows: Sequence[Tracker]) -> Iterator[str]:
    for category in dict.fromkeys(row["category"] for row in rows):
        yield f"## By default {category}\n"
        lines = [_line(row) for row in rows if row["category"] == category]
        yield _table(("tracker", "id", "vendor", "country", "marks"), lines)


def _line(row: Tracker) -> tuple[str, ...]:
    link = f"[{row['name']}](#{row['id']})"
    return link, f"`{row['id']}`", row["vendor"], row["country"], ", ".join(marks(row))


def _entry(row: Tracker) -> Iterator[str]:
    yield f'<a id="{row["id"]}"></a>\n\n## {row["name"]}\n'
    yield f"{row['purpose']['en']} *{row['purpose']['nl']}*\n"
    yield _table(("", ""), list(_facts(row)))
    if kept := [*map(_cookie, row["cookies"]), *map(_stored, row["storage"])]:
        yield _table(("name", "kept as", "for", "who can delete it"), kept)
    yield f"{_prose(row['note'] or '')}\n"


def _facts(row: Tracker) -> Iterator[tuple[str, str]]:
    yield "id", f"`{row['id']}`"
    yield "vendor", f"{row['vendor']} ({row['country']}), {row['role']}; {_transfer(row)}"
    yield "category", f"{row['category']}. {_prose(row['why'])}"
    if special := ", ".join(marks(row)):
        yield "marks", special
    yield "hosts", _code(row["hosts"])
    if row["paths"]:
        yield "paths", _code(row["paths"])
    yield "its consent call", f"`{row['consent_call']}`" if row["consent_call"] else "none"
    yield "on withdrawal", _prose(row["teardown"] or "nothing more")
    if row["elements"]:
        yield "nodes removed", _code(row["elements"])
    yield "policy", f"<{row['policy_url']}>"
    yield "source", f"<{row['source']}>, {row['verified_at'].isoformat()}"


def _transfer(row: Tracker) -> str:
    return "data leaves the EEA" if row["transfer"] else "data stays in the EEA"


def _cookie(cookie: Cookie) -> tuple[str, str, str, str]:
    where = f"cookie on {cookie['domain']}" if "domain" in cookie else "cookie"
    return f"`{cookie['name']}`", where, in_words(cookie["duration"], "en"), _remover(cookie)


def _stored(one: Stored) -> tuple[str, str, str, str]:
    life = in_words("session" if one["kind"] == "session" else "persistent", "en")
    return f"`{one['name']}`", f"{one['kind']} storage", life, "the page"


def _remover(cookie: Cookie) -> str:
    if "domain" in cookie:
        return "the vendor"
    return "the site's server" if cookie.get("server") else "the page"


def _shared() -> Iterator[str]:
    entries: list[dict[str, Any]] = tomllib.loads(DATA.read_text(encoding="utf-8"))["shared"]
    yield "## What trackers share\n"
    yield "No pattern of one tracker fits another's host, cookie or key, but for these.\n"
    yield _table(("what", "trackers", "why"), [
        (_code(entry["names"]), _code(entry["trackers"]), entry["reason"]) for entry in entries])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
