"""What owners are told by mail: that the privacy policy is materially another from a version on (F3)."""

import textwrap
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from babel.dates import format_date, format_datetime
from sqlalchemy import select

from consent import mails
from consent.accounts import Membership, User
from consent.changes import Change
from consent.db import db
from consent.sites import Site

WIDTH = 72  # characters of a line, as mail programs quote it


@cache
def _texts() -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def announce(
    site: Site, number: int, previous: int, snapshot: Mapping[str, Any], found: Sequence[Change], now: datetime
) -> None:
    """Queue a mail to each owner of the site's organisation: the policy of this version is another. The caller commits.

    In the site's first language. A version is announced once.
    """
    subject, text = written(number, previous, snapshot, found, now)
    owners = select(User.id, User.email).join(Membership, Membership.user_id == User.id).where(
        Membership.organisation_id == site.organisation_id, Membership.role == "owner")
    for owner in db.session.execute(owners.order_by(User.id)):
        mails.queue(f"policy:{site.key}:{number}:{owner.id}", owner.email, subject, text, now)


def written(
    number: int, previous: int, snapshot: Mapping[str, Any], found: Sequence[Change], now: datetime
) -> tuple[str, str]:
    """The subject and the text of the announcement."""
    definition = snapshot["definition"]
    language, policy = definition["default_language"], definition["policy"]
    words = _texts()[language]
    values = {
        "site": definition["name"], "number": number, "controller": definition["controller"]["name"],
        "organisation": definition["organisation"], "date": _day(policy["date"], language),
        "moment": format_datetime(now, "d MMMM y, HH:mm", locale=language), "categories": _affected(snapshot, language),
        "before": words["before"].format(previous=previous) if previous else "",
    }
    said = {name: template.format(**values) for name, template in words.items() if name != "before"}
    others = [change.sentence[language] for change in found if change.material and change.kind != "policy"]
    paragraphs = [
        said["first"],
        f"{said['what']}\n{_wrapped(policy['summary'][language])}",
        *([said["more"] + "\n" + "\n".join(_item(sentence) for sentence in others)] if others else []),
        f"{said['when']}\n{_wrapped(said['date'])}",
        f"{said['visitors']}\n{_wrapped(said['asked' if policy.get('affects') else 'unasked'])}",
        f"{said['where']}\n{definition['controller']['policy_url']}",
        said["why"],
    ]
    return said["subject"], "\n\n".join(map(_shaped, paragraphs)) + "\n"


def _day(day: str, language: str) -> str:
    return format_date(date.fromisoformat(day), "d MMMM y", locale=language)


def _affected(snapshot: Mapping[str, Any], language: str) -> str:
    categories = snapshot["texts"][language]["categories"]
    names = [categories[name]["name"].lower() for name in snapshot["definition"]["policy"].get("affects", [])]
    return f" {_texts()[language]['and']} ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _shaped(paragraph: str) -> str:
    return paragraph if "\n" in paragraph else _wrapped(paragraph)


def _wrapped(text: str, first: str = "", further: str = "") -> str:
    return textwrap.fill(text, WIDTH, initial_indent=first, subsequent_indent=further, break_long_words=False,
                         break_on_hyphens=False)


def _item(sentence: str) -> str:
    return _wrapped(sentence, "- ", "  ")
