"""Signing in: Flask-Security checks the password, a second step follows for whoever has a second factor, and a row of
sessions.py is what goes on.

The second step and the passkeys are our own and not Flask-Security's: its challenges open twice within their time, and
its second step takes any user's key.
"""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask, g, redirect, request, session, url_for
from flask.typing import ResponseValue
from flask_login import user_logged_in, user_logged_out
from flask_login.utils import _user_context_processor
from flask_security import LoginForm, Security, login_user
from flask_security.tf_plugin import TfPlugin
from flask_security.utils import set_request_attr
from sqlalchemy import inspect, select

from consent import factors, sessions
from consent.accounts import SHORTEST_PASSWORD, TRANSLATIONS, User, datastore, show_life
from consent.agents import agent
from consent.attempts import attempts
from consent.config import Settings
from consent.db import db, writing

HALF = timedelta(minutes=10)  # between the password and the second step
# What of a cookie outlives signing in and out. Whoever planted one in the browser knows everything in it.
_KEPT = ("language",)


class SignInForm(LoginForm):
    """E-mail address and password. No "remember me": a session ends with the browser, and after sessions.LIFE."""

    remember = None

    def validate(self, **kwargs: Any) -> bool:
        """Called by Flask-Security."""
        account = self.email.data or ""
        attempts().check(account)
        if super().validate(**kwargs):
            return True
        attempts().fail(account)
        return False


class SecondStep(TfPlugin):
    """What Flask-Security asks when a password was right."""

    def tf_enter(
        self, user: Any, remember_me: bool | None, primary_authn_via: str, next_loc: str | None
    ) -> ResponseValue | None:
        """The second step, for whoever has one; None lets them in."""
        if not factors.has_any(user):
            return None
        _keep_hash(user)
        _renew()
        session["half"] = {"user": user.fs_uniquifier, "at": int(datetime.now(UTC).timestamp()), "of": _mark_of(user)}
        return redirect(url_for("sign_in.second", next=request.args.get("next")), 303)


def half() -> User | None:
    """Who has given their password and not yet their second factor, in this browser."""
    said = session.get("half") or {}
    age = datetime.now(UTC).timestamp() - said.get("at", 0)
    if not 0 <= age <= HALF.total_seconds():
        return None
    user = db.session.scalar(select(User).where(User.fs_uniquifier == said["user"], User.active))
    # Whose password was changed meanwhile begins anew.
    return user if user is not None and secrets.compare_digest(said["of"], _mark_of(user)) else None


def _mark_of(user: User) -> str:
    return hashlib.sha256(user.password.encode()).hexdigest()[:16]


def enter(user: User, via: str) -> None:
    """Sign a user in who has proved who they are. Commits."""
    login_user(user, remember=False, authn_via=[via])


def present() -> sessions.Present:
    """Who is signed in, and their session; for views that nobody else reaches."""
    found: sessions.Present = g.present
    return found


def register(app: Flask, settings: Settings) -> None:
    """Set Flask-Security up."""
    app.config.update(_security_settings(), **_session_settings(settings.public_url.startswith("https://")))
    security = Security(app, datastore, login_form=SignInForm)
    security.want_json(lambda request: False)  # pages only: no token is handed out over JSON
    security.two_factor_plugins = SecondStep()
    security.login_manager.user_loader(_load)
    security.login_manager.request_loader(_nobody)
    # Both load the user for every request or template, also for pages that are everybody's, also while the database
    # is away. Who needs the user asks for it.
    security.principal.identity_loaders.clear()
    app.template_context_processors[None].remove(_user_context_processor)
    user_logged_in.connect(_begin_session, app)
    user_logged_out.connect(_end_session, app)


def _security_settings() -> dict[str, Any]:
    return {
        "SECURITY_PASSWORD_HASH": "argon2",
        "SECURITY_PASSWORD_SCHEMES": ["argon2"],
        # argon2 salts by itself. A second hash keyed with the secret keys would lock everybody out at their rotation.
        "SECURITY_PASSWORD_SINGLE_HASH": ["argon2"],
        "SECURITY_PASSWORD_LENGTH_MIN": SHORTEST_PASSWORD,
        "SECURITY_RETURN_GENERIC_RESPONSES": True,
        "SECURITY_MSG_GENERIC_AUTHN_FAILED": ("The e-mail address or the password is not right.", "error"),
        "SECURITY_FLASH_MESSAGES": False,
        "SECURITY_CACHE_CONTROL": None,  # consent/views/headers.py says it
        "SECURITY_API_ENABLED_METHODS": ["session"],
        "SECURITY_LOGIN_USER_TEMPLATE": "console/login.html",
        "SECURITY_POST_LOGIN_VIEW": "/console/",
        "SECURITY_POST_LOGOUT_VIEW": "/login",
        "SECURITY_STATIC_FOLDER": None,
        "SECURITY_JOIN_USER_ROLES": False,
        # Leaves Flask-Security's /verify out. A session's last proof is in its row, where no cookie that was copied
        # brings an older one back; doors.fresh asks for a new one after sessions.FRESH.
        "SECURITY_FRESHNESS": timedelta(minutes=-1),
        "SECURITY_CLI_USERS_NAME": False,
        "SECURITY_CLI_ROLES_NAME": False,
        "SECURITY_I18N_DIRNAME": ["builtin", str(TRANSLATIONS)],
    }


def _session_settings(https: bool) -> dict[str, Any]:
    return {
        "SESSION_COOKIE_NAME": "__Host-poort_session" if https else "poort_session",
        "SESSION_COOKIE_SECURE": https,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "PERMANENT_SESSION_LIFETIME": sessions.LIFE,
        "WTF_CSRF_TIME_LIMIT": None,  # a token lives as long as its session
        "WTF_CSRF_CHECK_DEFAULT": False,  # consent/views/protection.py checks, before any view
    }


def _load(user_id: str) -> User | None:
    """Called by Flask-Login for whoever has a cookie, when a page asks who it is."""
    found = sessions.find(str(session.get("secret", "")), user_id, datetime.now(UTC))
    if found is None:
        return None
    g.present = found
    set_request_attr("fs_authn_via", "session")  # asked for by auth_required("session")
    return found.user


def _nobody(_: Any) -> None:
    """Nobody signs in by a token in a header or an address."""


def _renew(*more: str) -> None:
    """Keep nothing secret of the cookie before, nor the token of its forms."""
    kept = {name: session[name] for name in (*_KEPT, *more) if name in session}
    session.clear()
    session.update(kept)
    g.pop("csrf_token", None)


def _keep_hash(user: User) -> None:
    """Flask-Security hashes a password anew when that takes more work by now; a transaction of ours would undo it."""
    if inspect(user).attrs.password.history.has_changes():
        hashed = user.password
        with writing():
            user.password = hashed


def _begin_session(app: Flask, user: Any, **_: Any) -> None:
    _renew("_user_id", "_fresh", "_id")
    now = datetime.now(UTC)
    _keep_hash(user)
    with writing():
        secret = sessions.begin(user, str(agent(request.user_agent.string[:512])["browser"]), now)
    session["secret"] = secret
    show_life(user, now.date())


def _end_session(app: Flask, user: Any, **_: Any) -> None:
    """Signing out ends the session at the server: a stolen copy of the cookie is worthless then."""
    mine = g.pop("present", None)
    _renew()
    if mine is not None:
        user_id, id = mine.user.id, mine.session.id
        with writing():
            sessions.end(user_id, id)
