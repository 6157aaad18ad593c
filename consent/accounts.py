"""Users, and what they may do: a membership joins a user to an organisation as owner or as marketer."""

import secrets
from datetime import UTC, datetime
from typing import Any

from flask_security import RoleMixin, UserMixin, hash_password
from flask_security.datastore import SQLAlchemyUserDatastore
from sqlalchemy import CheckConstraint, ForeignKey, String, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from consent.db import Moment, db

ROLES = ("owner", "marketer")


class AccountError(Exception):
    """An account that can not be made; the message is one sentence."""


class Organisation(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """A tenant."""

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)


class User(db.Model, UserMixin):  # type: ignore[name-defined, misc]  # as above
    """Somebody who signs in. Holds no address, no time and no place of a sign-in."""

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(255), unique=True)
    password: Mapped[str] = mapped_column(String(255))
    active: Mapped[bool] = mapped_column(default=True)
    fs_uniquifier: Mapped[str] = mapped_column(String(64), unique=True, default=lambda: secrets.token_hex(32))
    created_at: Mapped[datetime] = mapped_column(Moment, default=lambda: datetime.now(UTC))
    memberships: Mapped[list["Membership"]] = relationship(back_populates="user")

    @property
    def roles(self) -> list[Any]:
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
    """The organisation with this name, made when it is new."""
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
    """A new user, or a new membership of a user that exists; raises AccountError. The caller commits."""
    if role not in ROLES:
        raise AccountError(f"The role must be one of {', '.join(ROLES)}.")
    user = find_user(email)
    if user is None:
        user = User(email=email.strip().lower(), password=hash_password(password))
        db.session.add(user)
    elif any(m.organisation_id == organisation.id for m in user.memberships):
        raise AccountError(f"{user.email} is a member of {organisation.name} already.")
    user.memberships.append(Membership(organisation=organisation, role=role))
    db.session.flush()
    return user
