"""The second factor: codes of an authenticator app (TOTP, RFC 6238), and the recovery codes for when it is lost.

The app's secret is stored encrypted with the secret keys, so that a copy of the database alone opens nothing. It is
encrypted anew with the newest key whenever a code of it is right.
"""

import base64
import hashlib
import hmac
import logging
import secrets
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import current_app
from sqlalchemy import ForeignKey, String, delete, exists, func, select, update
from sqlalchemy.orm import Mapped, mapped_column

from consent.accounts import Membership, Organisation, User
from consent.db import db
from consent.passkeys import Passkey

log = logging.getLogger("poort.accounts")

STEP = 30  # seconds that a code is shown
DIGITS = 6
CODES = 10  # recovery codes in a set
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that look alike


class WrongCode(Exception):
    """The code is not right, or was used before."""


class RecoveryCode(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """A code that opens once in place of the second factor: 79 random bits, so one round of SHA-256 hides it."""

    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)


# What somebody has ---------------------------------------------------------------------------------------------------

def has_any(user: User) -> bool:
    """Whether signing in asks for more than the password."""
    return user.totp_at is not None or has_passkey(user)


def has_passkey(user: User) -> bool:
    """Whether they registered a passkey."""
    return db.session.scalar(select(Passkey.id).where(Passkey.user_id == user.id).limit(1)) is not None


def is_missing(user: User) -> bool:
    """Whether an organisation of theirs requires a second factor that they do not have."""
    if user.totp_at is not None:
        return False
    key = exists().where(Passkey.user_id == user.id)
    required = select(Organisation.id).join(Membership, Membership.organisation_id == Organisation.id)
    return db.session.scalar(required.where(Membership.user_id == user.id, Organisation.mfa, ~key).limit(1)) is not None


def required_of(user: User) -> list[str]:
    """The names of their organisations that require one."""
    query = select(Organisation.name).join(Membership, Membership.organisation_id == Organisation.id)
    return list(db.session.scalars(query.where(Membership.user_id == user.id, Organisation.mfa)))


def reset(user: User) -> None:
    """Take every second factor and every recovery code away. The caller commits."""
    forget_totp(user)
    db.session.execute(delete(Passkey).where(Passkey.user_id == user.id))
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))


# Codes of an app -----------------------------------------------------------------------------------------------------

def begin_totp(user: User) -> str:
    """A new secret, in base 32, which counts once a code of it is confirmed. The caller commits."""
    secret = secrets.token_bytes(20)
    user.totp, user.totp_at, user.totp_counter = _box().encrypt(secret).decode(), None, 0
    db.session.flush()
    return base64.b32encode(secret).decode()


def pending(user: User) -> str | None:
    """The secret that was made and is not confirmed yet, in base 32."""
    secret = _secret(user) if user.totp_at is None else None
    return None if secret is None else base64.b32encode(secret).decode()


def address(user: User, secret: str) -> str:
    """What the QR code says to the app."""
    issuer = "Poort"
    return f"otpauth://totp/{issuer}:{quote(user.email)}?secret={secret}&issuer={issuer}"


def confirm_totp(user: User, code: str, now: datetime) -> None:
    """From now on signing in asks for a code; raises WrongCode. The caller commits."""
    check_totp(user, code, now)
    user.totp_at = now
    db.session.flush()


def forget_totp(user: User) -> None:
    """Signing in asks for no code of an app any more. The caller commits."""
    user.totp, user.totp_at, user.totp_counter = None, None, 0
    db.session.flush()


def check_totp(user: User, code: str, now: datetime) -> None:
    """Use a code up; raises WrongCode. A code, and all before it, opens once. The caller commits."""
    secret, given = _secret(user), "".join(code.split())
    step = int(now.timestamp()) // STEP
    matching = [n for n in (step, step - 1, step + 1) if secret and hmac.compare_digest(
        code_at(secret, n).encode(), given.encode())]
    if not matching:
        raise WrongCode
    later = update(User).where(User.id == user.id, User.totp_counter < matching[0])
    if db.session.execute(later.values(totp_counter=matching[0])).rowcount != 1:  # type: ignore[attr-defined]  # an update has one
        raise WrongCode
    user.totp = _box().rotate((user.totp or "").encode()).decode()
    db.session.flush()


def code_at(secret: bytes, step: int) -> str:
    """The code of RFC 4226 for a step of RFC 6238."""
    mac = hmac.digest(secret, step.to_bytes(8, "big"), hashlib.sha1)
    at = mac[-1] & 15
    number = int.from_bytes(mac[at:at + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def _secret(user: User) -> bytes | None:
    try:
        return _box().decrypt(user.totp.encode()) if user.totp else None
    except InvalidToken:
        log.warning("The secret of a second factor was encrypted with a key that is gone; flask user reset-mfa helps")
        return None


def _box() -> MultiFernet:
    keys: Sequence[str] = current_app.extensions["poort.settings"].secret_keys
    derived = (HKDF(SHA256(), 32, None, b"poort.totp").derive(key.encode()) for key in keys)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in derived])


# Recovery codes ------------------------------------------------------------------------------------------------------

def new_codes(user: User) -> list[str]:
    """A new set, to be shown once; the ones before open nothing any more. The caller commits."""
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    codes = ["-".join(_letters(4) for _ in range(4)) for _ in range(CODES)]
    db.session.add_all(RecoveryCode(user_id=user.id, digest=_digest(code)) for code in codes)
    db.session.flush()
    return codes


def codes_left(user: User) -> int:
    """How many recovery codes were not used."""
    mine = select(func.count()).select_from(RecoveryCode).where(RecoveryCode.user_id == user.id)
    return db.session.scalar(mine) or 0


def spend_code(user: User, code: str) -> None:
    """Use a recovery code up; raises WrongCode. The caller commits."""
    mine = delete(RecoveryCode).where(RecoveryCode.user_id == user.id, RecoveryCode.digest == _digest(code))
    if db.session.execute(mine).rowcount != 1:  # type: ignore[attr-defined]  # as above
        raise WrongCode


def _letters(many: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(many))


def _digest(code: str) -> str:
    plain = "".join(sign for sign in code.lower() if sign in _LETTERS)
    return hashlib.sha256(plain.encode()).hexdigest()
