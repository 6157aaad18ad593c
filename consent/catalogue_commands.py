"""The commands `flask catalogue list|show|match|match-cookie|recognise`: what Poort knows of trackers.

They need no database.

Exit status 1 for a tracker that is not known, which counts as marketing until it is classified; 2 for bad input.
"""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from ipaddress import ip_address
from typing import Any, TextIO
from urllib.parse import SplitResult, urlsplit

import click
from flask.cli import AppGroup

from consent import snippet_words, snippets
from consent.catalogue import CATALOGUE, Cookie, Tracker, marks, match_cookie, match_host
from consent.gate import CATEGORIES
from consent.lifetimes import in_words
from consent.patterns import HOST, matches, on_host, on_path
from consent.shapes import OUR_NAME, CookieSchema

catalogue_group = AppGroup("catalogue", help="Look into the catalogue of trackers.")
as_json = click.option("--json", "as_data", is_flag=True, help="Print JSON instead of text.")

PROSE = textwrap.TextWrapper(100, break_long_words=False, break_on_hyphens=False)
SCHEMES = ("http", "https", "ws", "wss")


class BadInput(click.ClickException):
    """What was typed can not be looked up."""

    exit_code = 2


def print_json(data: Any) -> None:
    """Pretty, with dates as ISO 8601."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False, default=date.isoformat))


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """A table with columns as wide as they have to be."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


# list and show ------------------------------------------------------------------------------------------------------


@catalogue_group.command("list")
@as_json
def list_command(as_data: bool) -> None:
    """List the trackers: id, category, vendor, country, role, and what is special about them."""
    rows = list(CATALOGUE.values())
    if as_data:
        print_json(rows)
        return
    heading = ("ID", "CATEGORY", "VENDOR", "COUNTRY", "ROLE", "MARKS")
    click.echo(aligned([heading, *(_line(row) for row in rows)]))


def _line(row: Tracker) -> tuple[str, ...]:
    return row["id"], row["category"], row["vendor"], row["country"], row["role"], ", ".join(marks(row))


@catalogue_group.command("show")
@click.argument("tracker", metavar="ID")
@as_json
def show_command(tracker: str, as_data: bool) -> None:
    """Show everything that is known of the tracker ID."""
    row = CATALOGUE.get(tracker)
    if row is None:
        raise BadInput(f"{_plain(tracker)} is not in the catalogue; `flask catalogue list` shows what is.")
    if as_data:
        print_json(row)
        return
    click.echo(aligned([(label, "  " + line) for label, line in _described(row)]))


def _described(row: Tracker) -> Iterator[tuple[str, str]]:
    for label, value in _facts(row):
        lines = PROSE.wrap(value) if isinstance(value, str) else value
        yield from zip([label, *[""] * len(lines)], lines, strict=False)


def _facts(row: Tracker) -> Iterator[tuple[str, str | Sequence[str]]]:
    yield "id", row["id"]
    yield "name", f"{row['name']}, by {row['vendor']} ({row['country']}), as {row['role']}"
    yield "category", row["category"]
    yield "why", row["why"]
    yield "marks", ", ".join(marks(row)) or "-"
    yield "transfer", "leaves the EEA" if row["transfer"] else "stays in the EEA"
    yield "hosts", row["hosts"] or "-"
    yield "paths", row["paths"] or "-"
    yield "cookies", [cookie_line(cookie) for cookie in row["cookies"]] or "-"
    yield "storage", [f"{one['name']}  {one['kind']}" for one in row["storage"]] or "-"
    yield "elements", row["elements"] or "-"
    yield from _words(row)


def _words(row: Tracker) -> Iterator[tuple[str, str | Sequence[str]]]:
    yield "signal", row["signal"] or "-"
    yield "consent call", row["consent_call"] or "none"
    yield "teardown", row["teardown"] or "-"
    yield "purpose", [row["purpose"]["nl"], row["purpose"]["en"]]
    yield "policy", row["policy_url"]
    yield "source", f"{row['source']}, verified {row['verified_at'].isoformat()}"
    yield "note", row["note"] or "-"


def cookie_line(cookie: Cookie) -> str:
    """A cookie with its life, its domain and who can expire it."""
    parts = [cookie["name"], in_words(cookie["duration"], "en")]
    parts += [f"on {cookie['domain']}"] if "domain" in cookie else []
    parts += ["expired by the site's server"] if cookie.get("server") else []
    return "  ".join(parts)


# match --------------------------------------------------------------------------------------------------------------


@catalogue_group.command("match")
@click.argument("url")
@as_json
def match_command(url: str, as_data: bool) -> None:
    """Tell the trackers that a request to URL is for; the scheme may be left out. Status 1 when none is known."""
    parts = _address(url)
    host = (parts.hostname or "").rstrip(".")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    found = [{**_brief(id), "by": _pattern(CATALOGUE[id], host, path)} for id in match_host(host, path)]
    _answer("url", url, found, as_data)


def _address(url: str) -> SplitResult:
    try:
        parts = urlsplit(url if "//" in url.partition("?")[0] else f"//{url}")
        known = (parts.scheme or "https") in SCHEMES and _is_host(parts.hostname or "")
        _ = parts.port
    except ValueError:
        known = False
    if not known or not url.isprintable() or " " in url:
        raise BadInput(f"{_plain(url)} is not a web address; give one such as https://static.hotjar.com/c/hotjar-1.js.")
    return parts


def _is_host(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        ascii_host = host.rstrip(".").encode("idna").decode()
        return ascii_host == "localhost" or re.fullmatch(HOST, ascii_host) is not None


def _pattern(row: Tracker, host: str, path: str) -> str:
    """The first of the tracker's patterns that the request fits."""
    hosts = (pattern for pattern in row["hosts"] if on_host(pattern, host))
    return next(hosts, None) or next(pattern for pattern in row["paths"] if on_path(pattern, host, path))


@catalogue_group.command("match-cookie")
@click.argument("name")
@click.option("--domain", help="The domain the cookie lies on; without it, the site's own.")
@as_json
def match_cookie_command(name: str, domain: str | None, as_data: bool) -> None:
    """Tell the trackers that set the cookie NAME. Status 1 when none is known."""
    _check_cookie(name, domain)
    found = [{**_brief(id), "by": _pattern_of_cookie(CATALOGUE[id], name)} for id in match_cookie(name, domain)]
    _answer("cookie", name, found, as_data, _elsewhere(name) if domain is None else "")


def _check_cookie(name: str, domain: str | None) -> None:
    if name == OUR_NAME:
        raise BadInput(f"{OUR_NAME} is the visitor's own choice, which Poort keeps; it belongs to no tracker.")
    given = {"name": name.replace("*", "_")} | ({} if domain is None else {"domain": domain.strip(".").lower()})
    faults = CookieSchema(partial=True).validate(given)
    if "name" in faults:
        raise BadInput(f"{_plain(name)} is not a cookie's name; leave out its value and any blanks.")
    if "domain" in faults:
        raise BadInput(f"{_plain(domain or '')} is not a domain; give one such as bing.com.")


def _pattern_of_cookie(row: Tracker, name: str) -> str:
    return next(cookie["name"] for cookie in row["cookies"] if matches(cookie["name"], name))


def _elsewhere(name: str) -> str:
    """Where a name is known that means nothing on a site's own domain."""
    rows = (cookie for row in CATALOGUE.values() for cookie in row["cookies"] if matches(cookie["name"], name))
    domains = sorted({cookie["domain"] for cookie in rows if "domain" in cookie})
    return f" It is known on {' and '.join(domains)}: give --domain." if domains else ""


# recognise ----------------------------------------------------------------------------------------------------------


@catalogue_group.command("recognise")
@click.argument("file", type=click.File("r", encoding="utf-8", errors="replace"))
@as_json
def recognise_command(file: TextIO, as_data: bool) -> None:
    """Read a vendor's snippet from FILE (- for standard input) and print the form of it that waits for consent.

    What it is and what remains to be done goes to standard error. Status 1 when a part of it is not recognised.
    """
    try:
        found = snippets.recognise(file.read(snippets.LONGEST + 1))
    except snippets.TooLong as error:
        raise BadInput(f"This is more than a snippet: give {snippets.LONGEST} characters at most.") from error
    if as_data:
        print_json({**asdict(found), "strangers": found.strangers})
    else:
        click.echo(found.gated)
        for line in _told(found):
            click.echo(line, err=True)
    if "unknown" in found.notes:
        raise click.exceptions.Exit(1)


def _told(found: snippets.Recognised) -> Iterator[str]:
    for piece in found.pieces:
        who = ", ".join(piece.trackers) or "unknown"
        yield f"{snippet_words.WHAT[piece.what]} {_plain(piece.about)}: {who}, {snippet_words.FATES[piece.fate]}"
        yield from (f"  {snippet_words.REASONS[reason]}" for reason in piece.reasons)
    yield from (snippet_words.REASONS[note] for note in found.notes)


# both ---------------------------------------------------------------------------------------------------------------


def _brief(id: str) -> dict[str, str]:
    row = CATALOGUE[id]
    return {"id": id, "name": row["name"], "vendor": row["vendor"], "category": row["category"]}


def _answer(kind: str, asked: str, found: list[dict[str, str]], as_data: bool, hint: str = "") -> None:
    if as_data:
        print_json({kind: asked, "trackers": found, "category": _strictest(found)})
    elif found:
        click.echo(aligned([_found(one) for one in found]))
        if len(found) > 1:
            click.echo("It may be for each of these, so each has to be allowed.")
    if not found:
        raise click.ClickException(
            f"{_plain(asked)} is of no tracker in the catalogue; it counts as marketing until it is classified.{hint}"
        )


def _found(one: Mapping[str, str]) -> tuple[str, ...]:
    return one["id"], one["category"], f"{one['name']} ({one['vendor']})", f"by {one['by']}"


def _strictest(found: list[dict[str, str]]) -> str:
    return max((one["category"] for one in found), key=CATEGORIES.index, default="marketing")


def _plain(text: str) -> str:
    # One line, whatever was typed.
    return ascii(text)[1:-1] if not text.isprintable() else text or "nothing"
