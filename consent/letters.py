"""The mails about accounts: an invitation, a link to sign up, a link to a new password. The texts are in letters.toml.

Each is queued in the commit of what it tells of (mails.py), under a random key: it names nobody.
"""

import secrets
import textwrap
import tomllib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path

from flask import current_app

from consent import mails

WIDTH = 72


@cache
def _texts() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def can_be_sent() -> bool:
    """Whether there is a mail server: without one a link is shown instead."""
    return current_app.extensions["poort.settings"].mail_url is not None


def send(kind: str, to: str, language: str, now: datetime, **values: str) -> None:
    """Queue a letter. The caller commits."""
    subject, text = written(kind, language, **values)
    mails.queue(_key(kind), to, subject, text, now)


def pretend(kind: str, language: str, now: datetime, **values: str) -> None:
    """The same work, and no letter: who asks for one can not time whether there is somebody to get it."""
    subject, text = written(kind, language, **values)
    mails.queue(_key(kind), "nobody@invalid", subject, text, now, nobody=True)


def _key(kind: str) -> str:
    return f"{mails.LETTER}{kind}:{secrets.token_hex(16)}"


def written(kind: str, language: str, **values: str) -> tuple[str, str]:
    """The subject and the text of a letter."""
    words = _texts()[kind][language]
    paragraphs = words["text"].strip().split("\n\n")
    wrapped = [_wrapped(paragraph.format(**values)) for paragraph in paragraphs]
    return words["subject"].format(**values), "\n\n".join(wrapped) + "\n"


def _wrapped(paragraph: str) -> str:
    if "://" in paragraph:  # a link stays on one line
        return paragraph
    return textwrap.fill(paragraph, WIDTH, break_long_words=False, break_on_hyphens=False)
