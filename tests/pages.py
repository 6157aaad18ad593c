"""A browser for the pages: keeps cookies, reads forms, and leaves nothing behind between two requests.

Flask reuses an application context that a test has open, with the user of the request before; a browser's requests
run outside of it, as they do under a server.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context
from itertools import count
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event
from werkzeug.test import TestResponse

from app import create_app
from consent.db import db
from tests.conftest import KEY, PASSWORD, close

HTML = {"Accept": "text/html"}
_addresses = count(1)


@contextmanager
def restarted(app: Flask, **settings: Any) -> Iterator[Flask]:
    """The application anew on the same database, with other settings."""
    url = app.config["SQLALCHEMY_DATABASE_URI"]
    other = create_app(**{"POORT_DATABASE_URL": url, "POORT_SECRET_KEYS": KEY, **settings})
    try:
        yield other
    finally:
        close(other)


@contextmanager
def queries() -> Iterator[list[str]]:
    """The statements that the database is asked meanwhile."""
    asked: list[str] = []

    def note(*args: Any) -> None:
        if not str(args[2]).startswith("BEGIN"):
            asked.append(str(args[2]))

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


class Browser(FlaskClient):
    """A browser at an address of its own, so that one test's attempts to sign in are not another's."""

    def __init__(self, app: Flask, **kwargs: Any) -> None:
        super().__init__(app, app.response_class, use_cookies=True, **kwargs)
        self.address = f"10.{next(_addresses) % 250}.0.1"
        self.environ_base = {**self.environ_base, "REMOTE_ADDR": self.address}

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        """One request."""
        kwargs["headers"] = {**HTML, **dict(kwargs.get("headers") or {})}
        kwargs.setdefault("buffered", True)  # so that the file of a static answer is closed
        answer: TestResponse = Context().run(super().open, *args, **kwargs)
        return answer

    def token(self, path: str = "/login") -> str:
        """The token of the form on a page."""
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.get(path).text)
        assert found, f"there is no form on {path}"
        return found[1]

    def sign_in(self, email: str, password: str = PASSWORD, path: str = "/login") -> TestResponse:
        """Fill in the form and send it."""
        form = {"email": email, "password": password, "csrf_token": self.token(path)}
        return self.post(path, data=form)

    def is_signed_in(self) -> bool:
        """Whether the console opens."""
        return self.get("/console/").status_code == 200


def signed_in(app: Flask, name: str) -> Browser:
    """alice, bob or charlie, signed in."""
    browser = Browser(app)
    domain = "other" if name == "charlie" else "shop"
    assert browser.sign_in(f"{name}@{domain}.example").status_code == 302
    return browser
