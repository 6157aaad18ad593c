"""What somebody does who is not signed in yet: the second step, a passkey, a lost password, an account, an invitation.

Whether there is an account for an address is told to nobody but whoever reads the mail to it.
"""

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Flask, abort, current_app, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from consent import accounts, audit, factors, invitations, letters, passkeys, sessions, sign_in, tickets
from consent.accounts import AccountError, User
from consent.attempts import attempts
from consent.config import Settings
from consent.db import db, writing
from consent.letters import can_be_sent
from consent.tickets import INVITATION, RESET, SIGN_UP, Spent
from consent.views import headers, language

views = Blueprint("sign_in", __name__)


def register(app: Flask, settings: Settings) -> None:
    """Tell every page whether one may sign up, and for which host there are passkeys."""
    place = passkeys.place(settings)
    app.jinja_env.globals.update(sign_up_open=settings.sign_up, passkeys_at=place.host if place else None)


views.before_request(language.remember)
views.after_request(headers.keep_nowhere)


@views.errorhandler(Spent)
def spent(_: Spent) -> ResponseReturnValue:
    """The page of a link that was used, is over, or never was: the same for all three."""
    return render_template("sign_in/spent.html"), 410


def _link(endpoint: str, **values: Any) -> str:
    """An address for a mail. Of the setting, not of the request: whoever asks does not choose where it leads."""
    return str(current_app.extensions["poort.settings"].public_url) + url_for(endpoint, **values)


def _home() -> str:
    return request.args.get("next") or url_for("console.index")  # protection.attempt has looked at it


# The second step -----------------------------------------------------------------------------------------------------

@views.get("/login/second")
def second() -> ResponseReturnValue:
    """Asks for what whoever gave their password has beside it."""
    user = sign_in.half()
    return _second_page(user) if user else redirect(url_for("security.login"))


@views.post("/login/second")
def take_second() -> ResponseReturnValue:
    """A code of the app, or a recovery code."""
    user = sign_in.half()
    if user is None:
        return redirect(url_for("security.login"), 303)
    attempts().check(user.email)
    recovery, code, now = "recovery" in request.form, request.form.get("code", "")[:100], datetime.now(UTC)
    try:
        with writing():
            if recovery:
                factors.spend_code(user, code)
                invitations.note_of(user, "mfa.recover", audit.By(user.id, via="console"))
            elif user.totp_at is None:
                raise factors.WrongCode
            else:
                factors.check_totp(user, code, now)
    except factors.WrongCode:
        attempts().fail(user.email, code=True)
        return _second_page(user, "recovery" if recovery else "code")
    sign_in.enter(user, "recovery" if recovery else "totp")
    return redirect(_home(), 303)


def _second_page(user: User, fault: str = "") -> str:
    return render_template(
        "sign_in/second.html", totp=user.totp_at is not None, passkey=factors.has_passkey(user), fault=fault,
        codes=factors.codes_left(user))


# Passkeys ------------------------------------------------------------------------------------------------------------

@views.post("/login/passkey/options")
def passkey_options() -> ResponseReturnValue:
    """What the browser needs to show a passkey: of whoever gave their password here, or of anybody."""
    user = sign_in.half()
    try:
        with writing():
            options = passkeys.to_show(_purpose(user), user, datetime.now(UTC))
    except passkeys.PasskeyError:
        abort(400)
    return jsonify(options)


@views.post("/login/passkey")
def by_passkey() -> ResponseReturnValue:
    """Sign in with a passkey: as the second step, or in place of both."""
    half, answer, now = sign_in.half(), request.form.get("answer", ""), datetime.now(UTC)
    try:
        challenge = passkeys.spend(answer, _purpose(half), half, now)
        with writing():
            user = passkeys.show(answer, challenge, half, now)
    except passkeys.PasskeyError:
        if half is None:
            return render_template("sign_in/passkey_failed.html"), 400
        attempts().fail(half.email, code=True)
        return _second_page(half, "passkey"), 400
    sign_in.enter(user, "passkey")
    return redirect(_home(), 303)


def _purpose(half: User | None) -> str:
    return tickets.BY_PASSKEY if half is None else tickets.SECOND


# A lost password -----------------------------------------------------------------------------------------------------

@views.get("/lost-password")
def lost() -> ResponseReturnValue:
    """Asks for an address; without a mail server tells whom to ask."""
    return render_template("sign_in/lost.html", mails=can_be_sent(), done=False)


@views.post("/lost-password")
def send_reset() -> ResponseReturnValue:
    """Mails a link to whoever has an account; the answer is the same for all."""
    if not can_be_sent():
        abort(404)
    try:
        email = accounts.address(request.form.get("email", "")[:255])
    except AccountError as error:
        return _asked_again("sign_in/lost.html", error)
    _check_mails(email)
    now, spoken = datetime.now(UTC), language.language()
    with writing():
        user = accounts.find_user(email)
        user = user if user and user.active else None
        link = _link("sign_in.reset", token=tickets.issue(RESET, now, user_id=user.id if user else None))
        if user:
            letters.send("reset", email, spoken, now, link=link)
        else:
            letters.pretend("reset", spoken, now, link=link)
    return render_template("sign_in/lost.html", mails=True, done=True)


@views.get("/lost-password/<token>")
def reset(token: str) -> ResponseReturnValue:
    """Asks for the new password."""
    _owner_of(token)
    return render_template("sign_in/password.html", kind="reset", email=None)


@views.post("/lost-password/<token>")
def take_reset(token: str) -> ResponseReturnValue:
    """The new password. Nobody is signed in by it: whoever has a second factor still needs it."""
    now = datetime.now(UTC)
    try:
        with writing():
            user = _owner_of(token)
            accounts.set_password(user, request.form.get("password", ""))
            tickets.take(token, RESET, now)
            tickets.take_all(RESET, user.id)
            sessions.end_all(user.id)
            invitations.note_of(user, "password.reset", audit.By(user.id, via="console"))
            if can_be_sent():
                letters.send("changed", user.email, language.language(), now, link=_link("sign_in.lost"))
    except AccountError as error:
        return _password_again("reset", None, error)
    return redirect(url_for("security.login", changed=1), 303)


def _owner_of(token: str) -> User:
    ticket = tickets.find(token, RESET, datetime.now(UTC))
    if ticket.user_id is None:
        raise Spent
    user = db.session.get_one(User, ticket.user_id)
    if not user.active:
        raise Spent
    return user


# A new account -------------------------------------------------------------------------------------------------------

def _if_open() -> None:
    if not current_app.extensions["poort.settings"].sign_up:
        abort(404)


@views.get("/sign-up")
def sign_up() -> ResponseReturnValue:
    """Asks for an address; without a mail server tells whom to ask."""
    _if_open()
    return render_template("sign_in/sign_up.html", mails=can_be_sent(), done=False)


@views.post("/sign-up")
def send_sign_up() -> ResponseReturnValue:
    """Mails a link to the address, or tells whoever reads it that they have an account; the answer is the same."""
    _if_open()
    if not can_be_sent():
        abort(404)
    try:
        email = accounts.address(request.form.get("email", "")[:255])
    except AccountError as error:
        return _asked_again("sign_in/sign_up.html", error)
    _check_mails(email)
    now = datetime.now(UTC)
    with writing():
        known = accounts.find_user(email) is not None
        link = _link("sign_in.choose", token=tickets.issue(SIGN_UP, now, email=None if known else email))
        base = str(current_app.extensions["poort.settings"].public_url)
        letters.send("known" if known else "sign_up", email, language.language(), now,
                     link=f"{base}/login" if known else link)
    return render_template("sign_in/sign_up.html", mails=True, done=True)


@views.get("/sign-up/<token>")
def choose(token: str) -> ResponseReturnValue:
    """Asks for the password of the new account."""
    _if_open()
    return render_template("sign_in/password.html", kind="sign-up", email=_new_address(token, SIGN_UP))


@views.post("/sign-up/<token>")
def take_sign_up(token: str) -> ResponseReturnValue:
    """The new account; the console asks for its organisation."""
    _if_open()
    email = _new_address(token, SIGN_UP)
    try:
        with writing():
            tickets.take(token, SIGN_UP, datetime.now(UTC))
            if accounts.find_user(email) is not None:
                raise Spent
            user = accounts.create_user(email, request.form.get("password", ""), None)
    except AccountError as error:
        return _password_again("sign-up", email, error)
    sign_in.enter(user, "password")
    return redirect(url_for("console.index"), 303)


def _new_address(token: str, purpose: str) -> str:
    email = tickets.find(token, purpose, datetime.now(UTC)).email
    if email is None:
        raise Spent
    return email


# An invitation -------------------------------------------------------------------------------------------------------

@views.get("/join/<token>")
def join(token: str) -> ResponseReturnValue:
    """Asks whoever is invited for a password, or leads them to where they sign in with the one they have."""
    email = _new_address(token, INVITATION)
    if accounts.find_user(email) is not None:
        return redirect(url_for("accounts.join", token=token))
    return render_template("sign_in/password.html", kind="join", email=email, organisation=_inviting(token))


@views.post("/join/<token>")
def take_join(token: str) -> ResponseReturnValue:
    """The new account, and its membership."""
    email = _new_address(token, INVITATION)
    try:
        with writing():
            user = invitations.join(token, None, request.form.get("password", ""), datetime.now(UTC))
    except AccountError as error:
        return _password_again("join", email, error, organisation=_inviting(token))
    sign_in.enter(user, "password")
    return redirect(url_for("console.index"), 303)


def _inviting(token: str) -> str:
    ticket = tickets.find(token, INVITATION, datetime.now(UTC))
    return db.session.get_one(accounts.Organisation, ticket.organisation_id).name


# What they share -----------------------------------------------------------------------------------------------------

def _check_mails(email: str) -> None:
    """No more mails to one address than attempts at one account, be there an account or not."""
    attempts().check(f"mail {email}")
    attempts().fail(f"mail {email}")


def _asked_again(template: str, error: AccountError) -> ResponseReturnValue:
    given = request.form.get("email", "")[:255]
    return render_template(template, mails=True, done=False, fault=gettext(str(error)), email=given), 422


def _password_again(kind: str, email: str | None, error: AccountError, **more: Any) -> ResponseReturnValue:
    page = render_template("sign_in/password.html", kind=kind, email=email, fault=gettext(str(error)), **more)
    return page, 422
