"""Passkeys (WebAuthn): a key in a phone, a computer or a stick, bound to the address of this Poort.

A challenge is a ticket: for one purpose, for one user where that is known, and for one use. So an answer that somebody
copied opens nothing, and nobody's second step is taken with somebody else's key.
"""

import json
import secrets
from base64 import urlsafe_b64decode
from collections.abc import Sequence
from datetime import date, datetime
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import webauthn
from flask import current_app
from sqlalchemy import BigInteger, ForeignKey, LargeBinary, String, delete, select
from sqlalchemy.orm import Mapped, mapped_column
from webauthn.helpers import (
    options_to_json_dict,
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from consent import tickets
from consent.accounts import User
from consent.config import Settings
from consent.db import Moment, db, writing

MOST = 20  # of one user
LONGEST_NAME = 60
# What the parser and the verifier raise for what is no answer of a browser.
_FAULTS = (WebAuthnException, ValueError, KeyError, TypeError, AttributeError, RecursionError)


class PasskeyError(Exception):
    """A passkey that can not be registered or does not open; the reason is for the reader of the code alone."""


class Passkey(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """The public half of a key, and what the owner calls it."""

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(60))
    credential: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger)
    transports: Mapped[str] = mapped_column(String(100))  # words, with a comma between them
    created_at: Mapped[datetime] = mapped_column(Moment)
    used_on: Mapped[date | None]


class Place(NamedTuple):
    """What passkeys are bound to: the host, and the origins that may ask for them."""

    host: str
    origins: list[str]


def place(settings: Settings) -> Place | None:
    """Where passkeys work; None where browsers have none: at a number instead of a name, or without encryption.

    Poort that is tried out on 127.0.0.1 has them under its other name, localhost.
    """
    parts = urlsplit(settings.public_url)
    host = parts.hostname or ""
    if host in ("127.0.0.1", "::1"):
        return Place("localhost", [f"{parts.scheme}://localhost" + (f":{parts.port}" if parts.port else "")])
    if _is_number(host) or (parts.scheme != "https" and host.rpartition(".")[2] != "localhost"):
        return None
    return Place(host, [settings.public_url])


def _is_number(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _here() -> Place:
    found = place(current_app.extensions["poort.settings"])
    if found is None:
        raise PasskeyError("no passkeys at this address")
    return found


def of(user: User) -> list[Passkey]:
    """The passkeys of a user, oldest first."""
    return list(db.session.scalars(select(Passkey).where(Passkey.user_id == user.id).order_by(Passkey.id)))


def remove(user: User, id: int) -> str | None:
    """Take one away; its name, or None when there was none. The caller commits."""
    return db.session.scalar(
        delete(Passkey).where(Passkey.user_id == user.id, Passkey.id == id).returning(Passkey.name))


# Registering ---------------------------------------------------------------------------------------------------------

def to_register(user: User, now: datetime) -> dict[str, Any]:
    """What the browser needs to make a key; raises PasskeyError. The caller commits."""
    here, known = _here(), of(user)
    if len(known) >= MOST:
        raise PasskeyError("too many")
    options = webauthn.generate_registration_options(
        rp_id=here.host, rp_name="Poort", user_name=user.email, user_id=_handle(user),
        challenge=tickets.issue(tickets.ADD_PASSKEY, now, user_id=user.id).encode(),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.PREFERRED),
        exclude_credentials=_descriptors(known))
    return options_to_json_dict(options)


def _handle(user: User) -> bytes:
    """What the key calls its owner: random, and the same for as long as the account is there."""
    user.handle = user.handle or secrets.token_hex(32)
    return user.handle.encode()


def register(user: User, name: str, answer: str, challenge: bytes, now: datetime) -> Passkey:
    """Keep the key that the browser made; raises PasskeyError. `challenge`: what spend() gave. The caller commits."""
    named = " ".join(name.split())
    if not 0 < len(named) <= LONGEST_NAME or not named.isprintable():
        raise PasskeyError("no name")
    try:
        found = parse_registration_credential_json(_object(answer))
        verified = webauthn.verify_registration_response(
            credential=found, expected_challenge=challenge, expected_rp_id=_here().host,
            expected_origin=_here().origins)
        transports = [each.value for each in found.response.transports or []]
    except _FAULTS as error:
        raise PasskeyError(type(error).__name__) from error
    if db.session.scalar(select(Passkey.id).where(Passkey.credential == verified.credential_id)) is not None:
        raise PasskeyError("registered before")
    key = Passkey(
        user_id=user.id, name=named, credential=verified.credential_id, public_key=verified.credential_public_key,
        sign_count=verified.sign_count, transports=",".join(transports)[:100], created_at=now)
    db.session.add(key)
    db.session.flush()
    return key


# Showing -------------------------------------------------------------------------------------------------------------

def to_show(purpose: str, user: User | None, now: datetime) -> dict[str, Any]:
    """What the browser needs to show a key, of this user or of anybody; raises PasskeyError. The caller commits.

    In place of a password the key has to know its owner, by a finger, a face or a number: it is both factors then.
    """
    must = UserVerificationRequirement.REQUIRED if user is None else UserVerificationRequirement.PREFERRED
    challenge = tickets.issue(purpose, now, user_id=user.id if user else None)
    options = webauthn.generate_authentication_options(
        rp_id=_here().host, challenge=challenge.encode(), user_verification=must,
        allow_credentials=_descriptors(of(user)) if user else None)
    return options_to_json_dict(options)


def show(answer: str, challenge: bytes, user: User | None, now: datetime) -> User:
    """Whose key was shown; raises PasskeyError. `challenge`: what spend() gave. The caller commits."""
    try:
        found = parse_authentication_credential_json(_object(answer))
        key = _known(found.raw_id, user)
        owner = db.session.get_one(User, key.user_id)
        handle = found.response.user_handle
        if handle is not None and handle != (owner.handle or "").encode():
            raise PasskeyError("of another user")
        verified = webauthn.verify_authentication_response(
            credential=found, expected_challenge=challenge, expected_rp_id=_here().host,
            expected_origin=_here().origins, credential_public_key=key.public_key,
            credential_current_sign_count=key.sign_count, require_user_verification=user is None)
    except _FAULTS as error:
        raise PasskeyError(type(error).__name__) from error
    if not owner.active:
        raise PasskeyError("not active")
    key.sign_count, key.used_on = verified.new_sign_count, now.date()
    db.session.flush()
    return owner


def _known(credential: bytes, user: User | None) -> Passkey:
    key: Passkey | None = db.session.scalar(select(Passkey).where(Passkey.credential == credential))
    if key is None or (user is not None and key.user_id != user.id):
        raise PasskeyError("unknown")
    return key


def _object(answer: str) -> dict[str, Any]:
    found = json.loads(answer)
    if not isinstance(found, dict):
        raise PasskeyError("no answer")
    return found


def spend(answer: str, purpose: str, user: User | None, now: datetime) -> bytes:
    """The challenge that the browser answers, used up whatever else the answer is; raises PasskeyError. Commits.

    In a transaction of its own: one that a wrong answer undoes would bring the challenge back.
    """
    try:
        client = urlsafe_b64decode(_object(answer)["response"]["clientDataJSON"] + "==")
        challenge = parse_client_data_json(client).challenge
        with writing():
            ticket = tickets.take(challenge.decode("ascii", "replace"), purpose, now)
    except (tickets.Spent, *_FAULTS) as error:
        raise PasskeyError(type(error).__name__) from error
    if ticket.user_id != (user.id if user else None):
        raise PasskeyError("asked of another user")
    return challenge


def _descriptors(keys: Sequence[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    known = {each.value: each for each in AuthenticatorTransport}
    return [
        PublicKeyCredentialDescriptor(
            id=key.credential, transports=[known[word] for word in key.transports.split(",") if word in known] or None)
        for key in keys
    ]
