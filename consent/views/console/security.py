"""The page of one's own account: password, second factor, recovery codes, passkeys, sessions."""

from datetime import UTC, datetime

import segno
from flask import abort, current_app, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from consent import accounts, factors, invitations, letters, passkeys, sessions, sign_in, tickets
from consent.accounts import AccountError, has_password
from consent.attempts import attempts
from consent.db import writing
from consent.numbers import number
from consent.views import language
from consent.views.console.accounts import views
from consent.views.console.doors import by_user, fresh


@views.get("/security")
def security() -> ResponseReturnValue:
    """How one signs in, and where one is signed in."""
    return _page()


def _page(status: int = 200, **more: object) -> ResponseReturnValue:
    user, settings = current_user, current_app.extensions["poort.settings"]
    secret = factors.pending(user)
    shown = {
        "fault": None, "at": None, "codes": None, "keys": passkeys.of(user), "place": passkeys.place(settings),
        "sessions": sessions.of(user, datetime.now(UTC)), "this": sign_in.present().session.id,
        "codes_left": factors.codes_left(user), "required": factors.required_of(user), "secret": secret,
        "picture": _picture(factors.address(user, secret)) if secret else None,
    }
    return render_template("console/security.html", **{**shown, **more}), status


def _picture(address: str) -> str:
    """A QR code that needs no other page: dark on light, as every app reads it."""
    return segno.make(address, error="m", micro=False).svg_data_uri(scale=4, border=3, dark="#000", light="#fff")


def _end_the_others(what: str) -> None:
    """A factor came or went: every other session, which began without knowing it, ends. The caller commits."""
    user = current_user._get_current_object()
    sessions.end_all(user.id, but=sign_in.present().session.id)
    invitations.note_of(user, what, by_user())


def _done() -> ResponseReturnValue:
    return redirect(url_for("accounts.security"), 303)


@views.post("/security/password")
def change_password() -> ResponseReturnValue:
    """Another password, for whoever knows the one before; every other session ends."""
    user, now = current_user._get_current_object(), datetime.now(UTC)
    this = sign_in.present().session.id
    attempts().check(user.email)
    if not has_password(user, request.form.get("before", "")):
        attempts().fail(user.email)
        return _page(422, at="before", fault=gettext("The password is not right."))
    try:
        with writing():
            accounts.set_password(user, request.form.get("password", ""))
            sessions.end_all(user.id, but=this)
            if not factors.has_any(user):
                sessions.prove(this, now)
            invitations.note_of(user, "password.change", by_user())
            if letters.can_be_sent():
                link = f"{current_app.extensions['poort.settings'].public_url}{url_for('sign_in.lost')}"
                letters.send("changed", user.email, language.language(), now, link=link)
    except AccountError as error:
        return _page(422, at="password", fault=gettext(str(error)))
    return redirect(url_for("accounts.security", changed=1), 303)


# Codes of an app, and recovery codes ---------------------------------------------------------------------------------

@views.post("/security/totp")
@fresh
def begin_totp() -> ResponseReturnValue:
    """A new secret to scan. Who has one takes that away first."""
    if current_user.totp_at is None:
        with writing():
            factors.begin_totp(current_user)
    return redirect(url_for("accounts.security", _anchor="totp"), 303)


@views.post("/security/totp/confirm")
@fresh
def confirm_totp() -> ResponseReturnValue:
    """The first code of the app: from now on signing in asks for one."""
    user, codes = current_user._get_current_object(), None
    if user.totp_at is not None:
        return _done()
    attempts().check(user.email)
    try:
        with writing():
            factors.confirm_totp(user, request.form.get("code", "")[:20], datetime.now(UTC))
            codes = factors.new_codes(user) if not factors.codes_left(user) else None
            _end_the_others("mfa.add")
    except factors.WrongCode:
        attempts().fail(user.email, code=True)
        return _page(422, at="code", fault=gettext("The code is not right. Take the one that the app shows now."))
    return _page(201, codes=codes) if codes else _done()


@views.post("/security/totp/remove")
@fresh
def remove_totp() -> ResponseReturnValue:
    """Signing in asks for no code any more."""
    user = current_user._get_current_object()
    with writing():
        confirmed = user.totp_at is not None
        factors.forget_totp(user)
        if confirmed:
            _end_the_others("mfa.remove")
    return _done()


@views.post("/security/codes")
@fresh
def new_codes() -> ResponseReturnValue:
    """A new set of recovery codes, shown this once."""
    user = current_user._get_current_object()
    if not factors.has_any(user):
        return _done()
    with writing():
        codes = factors.new_codes(user)
        invitations.note_of(user, "mfa.codes", by_user())
    return _page(201, codes=codes)


# Passkeys ------------------------------------------------------------------------------------------------------------

@views.post("/security/passkeys/options")
@fresh
def passkey_options() -> ResponseReturnValue:
    """What the browser needs to make a passkey."""
    try:
        with writing():
            options = passkeys.to_register(current_user._get_current_object(), datetime.now(UTC))
    except passkeys.PasskeyError:
        abort(400)
    return jsonify(options)


@views.post("/security/passkeys")
@fresh
def add_passkey() -> ResponseReturnValue:
    """The passkey that the browser made."""
    user, codes = current_user._get_current_object(), None
    answer, now = request.form.get("answer", ""), datetime.now(UTC)
    try:
        challenge = passkeys.spend(answer, tickets.ADD_PASSKEY, user, now)
        with writing():
            passkeys.register(user, request.form.get("name", ""), answer, challenge, now)
            codes = factors.new_codes(user) if not factors.codes_left(user) else None
            _end_the_others("passkey.add")
    except passkeys.PasskeyError:
        return _page(422, at="passkey", fault=gettext("This passkey could not be added. Give it a name and try again."))
    return _page(201, codes=codes) if codes else _done()


@views.post("/security/passkeys/remove")
@fresh
def remove_passkey() -> ResponseReturnValue:
    """Take one away."""
    user, asked = current_user._get_current_object(), number(request.form.get("passkey", ""))
    with writing():
        if asked and passkeys.remove(user, asked):
            _end_the_others("passkey.remove")
    return _done()


# Sessions ------------------------------------------------------------------------------------------------------------

@views.post("/security/sessions/end")
def end_session() -> ResponseReturnValue:
    """End one session, or all but this one. Asks for no proof: whoever sees a stranger there should not have to wait.
    """
    user, asked, this = current_user.id, request.form.get("session", ""), sign_in.present().session.id
    with writing():
        if asked == "others":
            sessions.end_all(user, but=this)
        else:
            sessions.end(user, number(asked) or 0)
    return _done()
