"""Members of an organisation, and proving once more who one is. The blueprint of accounts; security.py and keys.py are
further pages of it.
"""

from datetime import UTC, datetime

from flask import Blueprint, abort, current_app, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from consent import contracts, factors, invitations, letters, passkeys, sessions, sign_in, tickets, zones
from consent.accounts import AccountError, Organisation, User, find_user, has_password
from consent.attempts import attempts
from consent.db import db, writing
from consent.numbers import number
from consent.sites import LANGUAGES
from consent.tickets import INVITATION, PROOF, Spent
from consent.views import language
from consent.views.console import members_only
from consent.views.console.doors import by_user, fresh

views = Blueprint("accounts", __name__, url_prefix="/console")
members_only(views)


def asked_organisation() -> Organisation:
    """The organisation that the form names; 404 for a stranger, 403 for a marketer. Within the transaction that
    writes: whoever is owner no more when it begins changes nothing.
    """
    role = invitations.role_in(current_user, asked_number())
    if role != "owner":
        abort(403 if role else 404)
    return db.session.get_one(Organisation, asked_number())


def asked_number() -> int:
    """The number that the form says; 0 for what is none."""
    return number(request.form.get("organisation", "")) or 0


# Members -------------------------------------------------------------------------------------------------------------

@views.get("/members")
def members() -> ResponseReturnValue:
    """The members of one's organisations; for owners also who is invited, and the forms."""
    return _members()


def _members(status: int = 200, **more: object) -> ResponseReturnValue:
    now = datetime.now(UTC)
    found = [
        (organisation, role, invitations.members(organisation.id),
         invitations.waiting(organisation.id) if role == "owner" else [])
        for organisation, role in invitations.organisations_of(current_user)
    ]
    page = render_template("console/members.html", organisations=found, now=now, mails=letters.can_be_sent(),
                           languages_of_mails=LANGUAGES, zones=sorted(zones.names()),
                           **{"fault": None, "link": None, "at": None, **more})
    return page, status


@views.post("/members")
@fresh
def invite() -> ResponseReturnValue:
    """Invite an address; without a mail server the link is shown, this once."""
    now, id = datetime.now(UTC), asked_number()
    try:
        with writing():
            organisation = asked_organisation()
            email, text = invitations.invite(
                organisation, request.form.get("email", "")[:255], request.form.get("role", ""), by_user(), now)
            link = f"{current_app.extensions['poort.settings'].public_url}{url_for('sign_in.join', token=text)}"
            if letters.can_be_sent():
                _write(email, organisation.name, link, now)
    except AccountError as error:
        return _members(422, fault=gettext(str(error)), at=id)
    if not letters.can_be_sent():
        return _members(201, link=link, at=id)
    return redirect(url_for("accounts.members", invited=1), 303)


def _write(email: str, organisation: str, link: str, now: datetime) -> None:
    """In the language that the inviter chose: Poort does not know which one the other reads."""
    spoken = request.form.get("language", "")
    spoken = spoken if spoken in LANGUAGES else language.language()
    role = {"nl": {"owner": "eigenaar", "marketer": "marketeer"}}.get(spoken, {}).get(request.form["role"])
    letters.send("invitation", email, spoken, now, link=link, organisation=organisation, by=current_user.email,
                 role=role or request.form["role"])


@views.post("/members/withdraw")
@fresh
def withdraw() -> ResponseReturnValue:
    """End an invitation that nobody accepted."""
    with writing():
        invitations.withdraw(asked_organisation().id, request.form.get("invitation", ""), by_user())
    return redirect(url_for("accounts.members"), 303)


@views.post("/members/role")
@fresh
def change_role() -> ResponseReturnValue:
    """Another role for a member."""
    id = asked_number()
    try:
        with writing():
            invitations.change_role(asked_organisation().id, _member(), request.form.get("role", ""), by_user())
    except AccountError as error:
        return _members(422, fault=gettext(str(error)), at=id)
    return redirect(url_for("accounts.members"), 303)


@views.post("/members/remove")
@fresh
def remove_member() -> ResponseReturnValue:
    """Take a member away, after a page that says what ends with them."""
    organisation = asked_organisation()
    id, member = organisation.id, _member()
    if "sure" not in request.form:
        found = next((each for each in invitations.members(id) if each.id == member), None)
        if found is None:
            abort(404)
        return render_template("console/remove_member.html", organisation=organisation, removed=found)
    try:
        with writing():
            invitations.remove(asked_organisation().id, member, by_user(), datetime.now(UTC))
    except AccountError as error:
        return _members(422, fault=gettext(str(error)), at=id)
    return redirect(url_for("accounts.members"), 303)


def _member() -> int:
    return number(request.form.get("member", "")) or 0


@views.post("/members/require")
@fresh
def require_mfa() -> ResponseReturnValue:
    """Whether the members of an organisation need a second factor."""
    with writing():
        invitations.require_mfa(asked_organisation(), "required" in request.form, by_user())
    return redirect(url_for("accounts.members"), 303)


@views.post("/members/zone")
@fresh
def set_zone() -> ResponseReturnValue:
    """The place whose days an organisation's reports count."""
    id = asked_number()
    try:
        with writing():
            contracts.set_zone(asked_organisation(), request.form.get("zone", ""), by_user())
    except contracts.ContractError as error:
        return _members(422, fault=gettext(str(error)), at=id)
    return redirect(url_for("accounts.members"), 303)


# An invitation of somebody who has an account ------------------------------------------------------------------------

@views.errorhandler(Spent)
def spent(_: Spent) -> ResponseReturnValue:
    """The page of a link that was used, is over, or is somebody else's."""
    return render_template("sign_in/spent.html"), 410


@views.get("/join/<token>")
def join(token: str) -> ResponseReturnValue:
    """Shows what one is invited to."""
    ticket = tickets.find(token, INVITATION, datetime.now(UTC))
    if find_user(ticket.email or "") != current_user:
        raise Spent
    organisation = db.session.get_one(Organisation, ticket.organisation_id)
    return render_template("console/join.html", organisation=organisation, role=ticket.role, token=token)


@views.post("/join/<token>")
def take_join(token: str) -> ResponseReturnValue:
    """Accept it."""
    user = current_user._get_current_object()
    with writing():
        invitations.join(token, user, "", datetime.now(UTC))
    return redirect(url_for("console.index"), 303)


# Who one is, once more -----------------------------------------------------------------------------------------------

@views.get("/prove")
def prove() -> ResponseReturnValue:
    """Asks for the password or a passkey before something that is hard to undo."""
    return _prove()


def _prove(fault: str = "", status: int = 200) -> ResponseReturnValue:
    user = current_user
    return render_template(
        "console/prove.html", fault=fault, has_passkey=factors.has_passkey(user), second=factors.has_any(user),
        totp=user.totp_at is not None), status


@views.post("/prove")
def take_proof() -> ResponseReturnValue:
    """Their password, and the code of whoever has a second factor: whoever found the password alone proves nothing."""
    user, second = current_user._get_current_object(), factors.has_any(current_user)
    attempts().check(user.email)
    if not has_password(user, request.form.get("password", "")):
        attempts().fail(user.email)
        return _prove(gettext("The password or the code is not right.") if second else
                      gettext("The password is not right."), 422)
    try:
        with writing():
            if second:
                _use_up(user, request.form.get("code", "")[:100])
    except factors.WrongCode:
        attempts().fail(user.email, code=True)
        return _prove(gettext("The password or the code is not right."), 422)
    return _proved()


def _use_up(user: User, code: str) -> None:
    """A code of the app, or a recovery code; raises WrongCode."""
    if user.totp_at is not None and "".join(code.split()).isdecimal():
        factors.check_totp(user, code, datetime.now(UTC))
    else:
        factors.spend_code(user, code)
        invitations.note_of(user, "mfa.recover", by_user())


@views.post("/prove/passkey/options")
def proof_options() -> ResponseReturnValue:
    """What the browser needs to show a passkey of theirs."""
    try:
        with writing():
            options = passkeys.to_show(PROOF, current_user, datetime.now(UTC))
    except passkeys.PasskeyError:
        abort(400)
    return jsonify(options)


@views.post("/prove/passkey")
def prove_by_passkey() -> ResponseReturnValue:
    """Their passkey."""
    attempts().check(current_user.email)
    answer, now = request.form.get("answer", ""), datetime.now(UTC)
    try:
        challenge = passkeys.spend(answer, PROOF, current_user, now)
        with writing():
            passkeys.show(answer, challenge, current_user, now)
    except passkeys.PasskeyError:
        attempts().fail(current_user.email)
        return _prove(gettext("This passkey does not open."), 422)
    return _proved()


def _proved() -> ResponseReturnValue:
    session = sign_in.present().session.id
    with writing():
        sessions.prove(session, datetime.now(UTC))
    return redirect(request.args.get("next") or url_for("console.index"), 303)  # protection.attempt has looked at it
