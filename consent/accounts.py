"""Users, and what they may do: a membership joins a user to an organisation as owner or as marketer.

Flask-Security signs them in. There is no registration and no account to begin with: `flask user create` makes them.
"""

import logging
import secrets
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from flask import Flask, current_app, g, session
from flask_login import user_logged_in, user_logged_out
from flask_login.utils import _user_context_processor
from flask_security import LoginForm, RoleMixin, Security, UserMixin, hash_password
from flask_security.datastore import SQLAlchemyUserDatastore
from flask_security.mail_util import EmailValidateException
from sqlalchemy import CheckConstraint, ForeignKey, String, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, mapped_column, relationship

from consent.config import Settings
from consent.db import Moment, db, writing

log = logging.getLogger("poort.accounts")

ROLES = ("owner", "marketer")
SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 1_000
SESSION = timedelta(hours=12)
TRANSLATIONS = Path(__file__).resolve().parent / "translations"


class AccountError(Exception):
    """An account that can not be made; the message is one sentence."""


class Organisation(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """A tenant."""

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    ended_on: Mapped[date | None]  # when its contract ended; contracts.py


class User(db.Model, UserMixin):  # type: ignore[name-defined, misc]  # as above
    """Somebody who signs in. Of their sign-ins only the day of the last one is kept, no address and no place."""

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(255), unique=True)
    password: Mapped[str] = mapped_column(String(255))
    active: Mapped[bool] = mapped_column(default=True)
    fs_uniquifier: Mapped[str] = mapped_column(String(64), unique=True, default=lambda: secrets.token_hex(32))
    created_at: Mapped[datetime] = mapped_column(Moment, default=lambda: datetime.now(UTC))
    seen_on: Mapped[date | None] = mapped_column(default=lambda: datetime.now(UTC).date())  # idle.py
    memberships: Mapped[list["Membership"]] = relationship(back_populates="user")

    @property
    def is_owner(self) -> bool:
        """Whether they are owner of an organisation."""
        return any(membership.role == "owner" for membership in self.memberships)

    @property
    def roles(self) -> list[Any]:  # type: ignore[override]  # a property is enough to be asked for roles
        """Roles belong to a membership here, not to a user: Flask-Security finds none."""
        return []


class Role(RoleMixin):
    """Asked for by Flask-Security, unused: see Membership."""


class Membership(db.Model):  # type: ignore[name-defined, misc]  # as above
    """What a user may do in an organisation: owner everything, marketer reports and reading."""

    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), primary_key=True)
    role: Mapped[str] = mapped_column(String(16))
    user: Mapped[User] = relationship(back_populates="memberships")
    organisation: Mapped[Organisation] = relationship()

    __table_args__ = (CheckConstraint("role IN ('owner', 'marketer')", name="role"),)


datastore = SQLAlchemyUserDatastore(db, User, Role)


def organisation_named(name: str) -> Organisation:
    """The organisation with this name, made when it is new; raises AccountError for what is no name."""
    if name != name.strip() or not 0 < len(name) <= 200 or not name.isprintable():
        raise AccountError("The organisation needs a name of 1 to 200 characters, without blanks around it.")
    found = db.session.scalar(select(Organisation).where(Organisation.name == name))
    if found is None:
        found = Organisation(name=name)
        db.session.add(found)
        db.session.flush()
    return found


def find_user(email: str) -> User | None:
    """The user with this e-mail address."""
    return db.session.scalar(select(User).where(User.email == email.strip().lower()))


def create_user(email: str, password: str, organisation: Organisation, role: str) -> User:
    """A new user, or a new membership of a user that exists (whose password stays); raises AccountError.

    The caller commits.
    """
    if role not in ROLES:
        raise AccountError(f"The role must be one of {', '.join(ROLES)}.")
    user = find_user(email)
    if user is None:
        user = User(email=_address(email), password=hash_password(_acceptable(password)))
        db.session.add(user)
    elif any(m.organisation_id == organisation.id for m in user.memberships):
        raise AccountError(f"{user.email} is a member of {organisation.name} already.")
    user.memberships.append(Membership(organisation=organisation, role=role))
    db.session.flush()
    return user


def _address(email: str) -> str:
    # The form to sign in with checks addresses by the same rules: who is made here can sign in.
    try:
        return str(current_app.extensions["security"].mail_util.normalize(email.strip())).lower()
    except EmailValidateException as error:
        raise AccountError("This is not an e-mail address.") from error


def _acceptable(password: str) -> str:
    normalised = current_app.extensions["security"].password_util.normalize(password)
    if not SHORTEST_PASSWORD <= len(normalised) <= LONGEST_PASSWORD:
        raise AccountError(f"The password must have at least {SHORTEST_PASSWORD} characters.")
    if len(set(normalised)) < 5:
        raise AccountError("The password must have at least five different characters.")
    return str(normalised)


def show_life(user: User, today: date) -> None:
    """Remember the day on which the user was here, once a day. Nothing that they came for fails for it."""
    if user.seen_on == today:
        return
    try:
        with writing():
            mine = update(User).where(User.id == user.id, User.seen_on.is_distinct_from(today))
            db.session.execute(mine.values(seen_on=today))
    except (SQLAlchemyError, OSError) as error:
        log.warning("The day of a user was not kept", extra={"fault": type(error).__name__})


# Signing in ----------------------------------------------------------------------------------------------------------

class SignInForm(LoginForm):
    """E-mail address and password. No "remember me": a session ends with the browser, and after SESSION."""

    remember = None


def register(app: Flask, settings: Settings) -> None:
    """Set Flask-Security up."""
    app.config.update(_security_settings(), **_session_settings(settings.public_url.startswith("https://")))
    security = Security(app, datastore, login_form=SignInForm)
    security.want_json(lambda request: False)  # pages only: no token is handed out over JSON
    security.login_manager.request_loader(_nobody)
    # Both load the user for every request or template, also for pages that are everybody's, also while the database
    # is away. Who needs the user asks for it.
    security.principal.identity_loaders.clear()
    app.template_context_processors[None].remove(_user_context_processor)
    user_logged_in.connect(_begin_session, app)
    user_logged_out.connect(_end_sessions, app)


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
        "SECURITY_FRESHNESS": timedelta(minutes=-1),  # leaves /verify out: nothing here asks for the password again
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
        "PERMANENT_SESSION_LIFETIME": SESSION,
        "WTF_CSRF_TIME_LIMIT": None,  # a token lives as long as its session
        "WTF_CSRF_CHECK_DEFAULT": False,  # consent/views/protection.py checks, before any view
    }


def _nobody(_: Any) -> None:
    """Nobody signs in by a token in a header or an address."""


def _begin_session(app: Flask, user: Any, **_: Any) -> None:
    """Keep nothing secret of the session before: whoever planted it in the browser would know it."""
    session.pop("csrf_token", None)
    g.pop("csrf_token", None)
    show_life(user, datetime.now(UTC).date())


def _end_sessions(app: Flask, user: Any, **_: Any) -> None:
    """Signing out ends all sessions of the user at the server: a stolen copy of the cookie is worthless then."""
    user.fs_uniquifier = secrets.token_hex(32)
    db.session.commit()
    for name in [name for name in session if name != "language"]:
        session.pop(name)
