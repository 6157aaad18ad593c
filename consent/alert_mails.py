"""The mail that tells of alerts: one to each reader, of all that begins and ends on an organisation's sites."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import current_app
from flask_babel import gettext

from consent import alert_words, mails, subscriptions
from consent.accounts import Organisation
from consent.alerts import News
from consent.db import microseconds
from consent.letterheads import listed, page, speaking, wrapped


@dataclass(frozen=True)
class Piece:
    """An alert in words."""

    site: str
    over: bool
    title: str
    sentences: Sequence[str]
    advice: str
    link: str


def write(organisation: Organisation, news: Sequence[News], now: datetime) -> None:
    """Queue it for everybody who wants it. The caller commits."""
    url = current_app.extensions["poort.settings"].public_url
    for reader in subscriptions.readers(organisation.id, subscriptions.ALERTS, now.date()):
        leave = subscriptions.address(url, reader.id, organisation.id, subscriptions.ALERTS)
        with speaking(reader.language):
            subject, text, html = written(organisation.name, news, url, leave, reader.language)
        mails.queue(f"alerts:{organisation.id}:{microseconds(now)}:{reader.id}", reader.email, subject, text, now,
                    page=mails.Page(html), leave=leave)


def written(
    organisation: str, news: Sequence[News], url: str, leave: str, language: str
) -> tuple[str, str, str]:
    """Subject, text and HTML, in the language that is spoken."""
    pieces = [_piece(each, url) for each in sorted(news, key=lambda each: each.alert.cleared_at is not None)]
    why = gettext("You get this because you are a member of %(name)s at Poort and want its alerts.", name=organisation)
    paragraphs = [_said(piece) for piece in pieces]
    text = [*paragraphs, wrapped(why), gettext("No more of these:") + f"\n{leave}"]
    html = page("alerts.html", pieces=pieces, why=why, leave=leave, language=language, organisation=organisation)
    return _subject(pieces), "\n\n".join(text) + "\n", html


def _subject(pieces: Sequence[Piece]) -> str:
    first = pieces[0]
    said = gettext("Over: %(title)s", title=first.title) if first.over else first.title
    if len(pieces) > 1:
        return str(gettext("%(site)s: %(title)s, and %(n)s more", site=first.site, title=said, n=len(pieces) - 1))
    return f"{first.site}: {said}"


def _piece(news: News, url: str) -> Piece:
    alert = news.alert
    over = alert.cleared_at is not None
    return Piece(
        news.site, over, alert_words.title(alert.kind),
        [gettext("This is over. It was:"), *alert_words.sentences(alert.kind, alert.facts)] if over
        else alert_words.sentences(alert.kind, alert.facts),
        "" if over else alert_words.advice(alert.kind), f"{url}/console/sites/{alert.site}/alerts")


def _said(piece: Piece) -> str:
    head = f"{piece.site}: {piece.title}"
    advice = [wrapped(piece.advice)] if piece.advice else []
    return "\n".join([wrapped(head), listed(piece.sentences), *advice, piece.link])
