"""What tests of accounts do over and over, through the pages: links, codes, passkeys, and time that goes by."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

from flask import Flask
from sqlalchemy import BigInteger, select, type_coerce, update
from werkzeug.test import TestResponse

from consent import accounts, factors, invitations, sessions, tickets
from consent.db import db
from consent.mails import Mail
from tests.authenticator import Authenticator
from tests.pages import Browser

NEW = "another battery staple"
_MOMENTS: dict[Any, tuple[str, ...]] = {
    tickets.Ticket.__table__: ("created_at", "expires_at"), sessions.Session.__table__: ("created_at", "proved_at")}
ADDRESS = {"alice": "alice@shop.example", "bob": "bob@shop.example", "charlie": "charlie@other.example"}


def user(name: str) -> accounts.User:
    """alice, bob, charlie, or whoever has this address, as they are stored now."""
    db.session.rollback()
    found = accounts.find_user(ADDRESS.get(name, name))
    assert found is not None
    return found


def send(browser: Browser, path: str, form: dict[str, Any] | None = None) -> TestResponse:
    """Send a form with a token that counts."""
    return browser.post(path, data={"csrf_token": token(browser), **(form or {})})


def token(browser: Browser) -> str:
    """A token for the forms of this browser, signed in or not."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/console/", follow_redirects=True).text)
    assert found
    return found[1]


def organisation(name: str = "Webwinkel B.V.") -> int:
    """The number of an organisation."""
    return accounts.organisation_named(name).id


def links() -> list[str]:
    """The links in the mails that wait, oldest first, as paths."""
    db.session.rollback()
    texts = db.session.scalars(select(Mail.text).where(Mail.state == "waiting").order_by(Mail.created_at))
    return [found for text in texts for found in re.findall(r"https?://[^/\s]+(/\S+)", text)]


def subjects() -> list[tuple[str, str]]:
    """To whom the mails that wait are, and about what."""
    db.session.rollback()
    waiting = select(Mail.recipient, Mail.subject).where(Mail.state == "waiting").order_by(Mail.created_at)
    return [(to, subject) for to, subject in db.session.execute(waiting)]


def later(by: timedelta) -> None:
    """So much time goes by for what was issued and begun."""
    db.session.rollback()
    for table, names in _MOMENTS.items():
        for name in names:
            then = type_coerce(table.columns[name], BigInteger) - by // timedelta(microseconds=1)
            db.session.execute(update(table).values({name: then}))
    db.session.commit()


def code_of(name: str, offset: int = 0) -> str:
    """The code that somebody's app shows now, or shows a number of steps later."""
    found = factors._secret(user(name))
    assert found is not None
    return factors.code_at(found, int(datetime.now(UTC).timestamp()) // factors.STEP + offset)


def add_totp(browser: Browser, name: str) -> list[str]:
    """Set an app up by the pages; the recovery codes."""
    send(browser, "/console/security/totp")
    answer = send(browser, "/console/security/totp/confirm", {"code": code_of(name, -1)})
    return shown_codes(answer)


def shown_codes(answer: TestResponse) -> list[str]:
    """The recovery codes on a page."""
    return re.findall(r"\b(?:[a-z2-9]{4}-){3}[a-z2-9]{4}\b", answer.text)


def add_passkey(browser: Browser, key: Authenticator, name: str = "phone") -> TestResponse:
    """Register a passkey by the pages."""
    options = send(browser, "/console/security/passkeys/options").get_json()
    return send(browser, "/console/security/passkeys", {"name": name, "answer": key.make(options)})


def show_passkey(browser: Browser, key: Authenticator, path: str = "/login/passkey", **lies: Any) -> TestResponse:
    """Show a passkey by the pages."""
    options = send(browser, f"{path}/options").get_json()
    return send(browser, path, {"answer": key.show(options, **lies)})


def half_way(app: Flask, name: str) -> Browser:
    """A browser in which the password was given, and the second step is asked for."""
    browser = Browser(app)
    answer = browser.sign_in(ADDRESS[name])
    assert answer.headers["Location"].startswith("/login/second")
    return browser


def text(page: TestResponse) -> str:
    """What a reader reads."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def members() -> dict[str, str]:
    """The members of the shop's organisation with their roles."""
    db.session.rollback()
    return {each.email: each.role for each in invitations.members(organisation())}


