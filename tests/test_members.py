"""Members, their sessions and factors, API keys and the audit list, by the pages, as owners and members use them."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from consent import accounts, audit, audit_list, factors, invitations, keys, letters, passkeys, sessions, tickets
from consent.db import db, writing
from tests.authenticator import Authenticator
from tests.conftest import KEY, LITTLE_WORK, PASSWORD
from tests.pages import Browser, queries, restarted, signed_in
from tests.signing_in import (
    NEW,
    add_passkey,
    add_totp,
    code_of,
    half_way,
    later,
    links,
    members,
    organisation,
    send,
    show_passkey,
    shown_codes,
    subjects,
    text,
    user,
)

pytestmark = [pytest.mark.usefixtures("people"), pytest.mark.parametrize("migrated", ["sqlite"], indirect=True)]
NOW = datetime.now(UTC)
MAIL: dict[str, Any] = {
    "POORT_MAIL_URL": "smtp://127.0.0.1:1", "POORT_MAIL_FROM": "poort@shop.example",
    "POORT_PUBLIC_URL": "http://localhost", "POORT_LOGIN_LIMIT": 500}


@pytest.fixture
def mailing(app: Flask) -> Iterator[Flask]:
    """The application with a mail server, so that links are mailed."""
    with restarted(app, **MAIL) as other, other.app_context():
        other.extensions["security"].pwd_context.update(**LITTLE_WORK)
        yield other
        db.session.remove()


def invite(browser: Browser, email: str, role: str = "marketer", **more: str) -> Any:
    return send(browser, "/console/members", {"organisation": organisation(), "email": email, "role": role, **more})


def what() -> list[str]:
    """What the audit list of the shop says was done, oldest first."""
    db.session.rollback()
    found = reversed(audit_list.entries(organisation(), audit_list.Asked(), 1_000))
    return [each.what for each in found if not each.what.startswith(("site.", "version."))]


def made() -> list[keys.ApiKey]:
    """The keys that there are now."""
    db.session.rollback()
    return keys.every()


# Inviting ------------------------------------------------------------------------------------------------------------

def test_an_invitation_goes_by_mail_and_makes_a_member(mailing: Flask) -> None:
    assert invite(signed_in(mailing, "alice"), "Dora@Shop.example", language="nl").status_code == 303
    assert subjects() == [("dora@shop.example", "Uitnodiging voor Webwinkel B.V. op Poort")]
    dora = Browser(mailing)
    page = dora.get(links()[0])
    assert page.status_code == 200
    assert "Je bent uitgenodigd bij Webwinkel B.V." in text(page)
    assert "dora@shop.example" in page.text
    answer = send(dora, links()[0], {"password": NEW})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console/")
    assert dora.is_signed_in()
    assert members()["dora@shop.example"] == "marketer"
    assert what() == ["member.invite", "member.join"]


def test_an_invitation_speaks_the_language_that_the_inviter_chose(mailing: Flask) -> None:
    alice = signed_in(mailing, "alice")
    invite(alice, "dora@shop.example", language="en", role="owner")
    assert subjects()[-1][1] == "Invitation to Webwinkel B.V. at Poort"
    assert send(Browser(mailing), links()[0], {"password": "short"}).status_code == 422


def test_without_a_mail_server_the_link_is_shown_once(app: Flask) -> None:
    alice = signed_in(app, "alice")
    answer = invite(alice, "dora@shop.example", "owner")
    assert answer.status_code == 201
    link = re.search(r"http://localhost(/join/[\w-]+)", answer.text)
    assert link
    assert link[1] not in alice.get("/console/members").text
    assert subjects() == []
    assert send(Browser(app), link[1], {"password": NEW}).status_code == 303
    assert members()["dora@shop.example"] == "owner"


def test_somebody_with_an_account_joins_after_signing_in(mailing: Flask) -> None:
    invite(signed_in(mailing, "alice"), "charlie@other.example")
    charlie = Browser(mailing)
    asked = charlie.get(links()[0])
    assert asked.status_code == 302
    to_sign_in = charlie.get(asked.headers["Location"])
    assert to_sign_in.headers["Location"].startswith("/login?next=/console/join/")
    answer = charlie.sign_in("charlie@other.example", path=to_sign_in.headers["Location"])
    assert "Je wordt marketeer" in text(charlie.get(answer.headers["Location"]))
    assert send(charlie, answer.headers["Location"]).status_code == 303
    assert members()["charlie@other.example"] == "marketer"
    assert charlie.get("/console/sites/shop").status_code == 200


def test_who_is_invited_again_gets_a_new_link_and_the_old_one_ends(mailing: Flask) -> None:
    alice = signed_in(mailing, "alice")
    invite(alice, "dora@shop.example")
    invite(alice, "dora@shop.example", "owner")
    first, second = links()
    assert Browser(mailing).get(first).status_code == 410
    assert Browser(mailing).get(second).status_code == 200
    page = text(alice.get("/console/members"))
    assert page.count("dora@shop.example") == 2, "once to read, once for who hears the button"


def test_an_invitation_can_be_withdrawn(mailing: Flask) -> None:
    alice = signed_in(mailing, "alice")
    invite(alice, "dora@shop.example")
    db.session.rollback()
    waiting = invitations.waiting(organisation())[0].digest
    assert send(alice, "/console/members/withdraw", {"organisation": organisation(), "invitation": waiting}
                ).status_code == 303
    assert Browser(mailing).get(links()[0]).status_code == 410
    assert what() == ["member.invite", "member.withdraw"]


@pytest.mark.parametrize(("email", "role", "sentence"), [
    ("dora", "owner", "Dit is geen e-mailadres."),
    ("dora@shop.example\r\nBcc: x@y.example", "owner", "Dit is geen e-mailadres."),
    ("dora@shop.example", "admin", "Kies een rol."),
    ("bob@shop.example", "owner", "Wie dit adres heeft, is al lid."),
])
def test_what_can_not_be_invited_is_said_at_the_form(app: Flask, email: str, role: str, sentence: str) -> None:
    answer = invite(signed_in(app, "alice"), email, role)
    assert answer.status_code == 422
    assert sentence in text(answer)
    assert answer.text.count('role="alert"') == 1
    assert invitations.waiting(organisation()) == []


# Roles and leaving ---------------------------------------------------------------------------------------------------

def test_a_role_changes_at_once(app: Flask) -> None:
    alice, bob = signed_in(app, "alice"), signed_in(app, "bob")
    assert bob.get("/console/keys").status_code == 403
    form = {"organisation": organisation(), "member": user("bob").id, "role": "owner"}
    assert send(alice, "/console/members/role", form).status_code == 303
    assert bob.get("/console/keys").status_code == 200
    send(alice, "/console/members/role", {**form, "role": "marketer"})
    assert not bob.is_signed_in(), "who loses a role is signed out"
    assert what() == ["member.change", "member.change"]


def test_a_member_is_removed_with_sessions_keys_and_invitations(app: Flask) -> None:
    now, id = datetime.now(UTC), organisation()
    alice, bob = signed_in(app, "alice"), signed_in(app, "bob")
    alices, bobs = user("alice").id, user("bob").id
    _, mine_text = keys.create("Webwinkel B.V.", None, "bob's", now, made_by=bobs)
    _, other_text = keys.create("Webwinkel B.V.", None, "alice's", now, made_by=alices)
    invited = invitations.invite(db.session.get_one(accounts.Organisation, id), "eve@shop.example", "owner",
                                 audit.By(bobs), now)[1]
    db.session.commit()
    form = {"organisation": id, "member": bobs}
    page = send(alice, "/console/members/remove", form)
    db.session.rollback()
    assert "Aantal API-sleutels dat dit lid heeft gemaakt en dat meteen stopt: 1." in text(page)
    assert bob.is_signed_in(), "asked, and not yet done"
    assert send(alice, "/console/members/remove", {**form, "sure": "1"}).status_code == 303
    assert "bob@shop.example" not in members()
    assert not bob.is_signed_in()
    assert keys.find(mine_text) is None
    assert keys.find(other_text) is not None
    assert Browser(app).get(f"/join/{invited}").status_code == 410
    assert Browser(app).sign_in("bob@shop.example").status_code == 302, "the account stays"
    assert signed_in(app, "bob").get("/console/sites/shop").status_code == 404
    assert "een voormalig lid" in text(alice.get("/console/audit"))


def test_an_owner_makes_an_organisation_and_joins_none_by_its_name(app: Flask) -> None:
    new = accounts.create_organisation(user("charlie"), "Nieuw B.V.").id
    db.session.commit()
    assert invitations.role_in(user("charlie"), new) == "owner"
    with pytest.raises(accounts.AccountError, match="already"):
        accounts.create_organisation(user("charlie"), "Webwinkel B.V.")
    with pytest.raises(accounts.AccountError):
        accounts.create_organisation(user("charlie"), " ")


def test_the_members_are_read_in_as_many_queries_for_many_as_for_few(app: Flask) -> None:
    alice = signed_in(app, "alice")
    alice.get("/console/members")
    with queries() as for_few:
        alice.get("/console/members")
    for number in range(10):
        accounts.create_user(f"m{number}@shop.example", PASSWORD, db.session.get_one(
            accounts.Organisation, organisation()), "marketer")
    db.session.commit()
    with queries() as for_many:
        assert "m9@shop.example" in alice.get("/console/members").text
    assert len(for_many) == len(for_few)


# A new account, and a lost password ----------------------------------------------------------------------------------

def test_whoever_wants_signs_up_where_that_is_on(app: Flask) -> None:
    assert Browser(app).get("/sign-up").status_code == 404
    with restarted(app, **MAIL, POORT_SIGN_UP="on") as other, other.app_context():
        dora = Browser(other)
        assert "/sign-up" in dora.get("/login").text
        assert send(dora, "/sign-up", {"email": "dora@new.example"}).status_code == 200
        assert subjects() == [("dora@new.example", "Je account bij Poort")]
        assert send(dora, links()[0], {"password": "abababababab"}).status_code == 422
        assert send(dora, links()[0], {"password": NEW}).status_code == 303
        start = dora.get("/console/")
        assert "organisation" in start.headers.get("Location", start.text), "asked for the organisation"
        assert dora.get("/console/security").status_code == 200
        assert dora.get(links()[0]).status_code == 410
        db.session.remove()
    with restarted(app, POORT_SIGN_UP="on") as bare:
        assert "flask user create" in Browser(bare).get("/sign-up").text


def test_an_account_without_an_organisation(app: Flask) -> None:
    done = app.test_cli_runner().invoke(args=["user", "create", "dora@new.example", "--password", NEW])
    assert (done.exit_code, done.output) == (0, "dora@new.example has an account\n")
    assert Browser(app).sign_in("dora@new.example", NEW).status_code == 302
    again = app.test_cli_runner().invoke(args=["user", "create", "dora@new.example", "--password", NEW])
    assert (again.exit_code, again.output) == (1, "Error: dora@new.example has an account already.\n")


def test_a_lost_password_is_replaced_by_mail(mailing: Flask) -> None:
    before = signed_in(mailing, "alice")
    browser = Browser(mailing)
    assert send(browser, "/lost-password", {"email": "alice@shop.example"}).status_code == 200
    link = links()[0]
    assert send(browser, link, {"password": "short"}).status_code == 422
    answer = send(browser, link, {"password": NEW})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login?changed=1")
    assert not browser.is_signed_in()
    assert not before.is_signed_in(), "every session ends"
    assert Browser(mailing).sign_in("alice@shop.example").status_code == 200
    assert Browser(mailing).sign_in("alice@shop.example", NEW).status_code == 302
    assert subjects()[-1][1] == "Je wachtwoord voor Poort is gewijzigd"
    assert what() == ["password.reset"]


def test_without_a_mail_server_an_operator_makes_the_link(app: Flask) -> None:
    assert "flask user reset-password" in Browser(app).get("/lost-password").text
    done = app.test_cli_runner().invoke(args=["user", "reset-password", "alice@shop.example"])
    path = done.output.strip().removeprefix("http://localhost")
    assert send(Browser(app), path, {"password": NEW}).status_code == 303
    assert Browser(app).sign_in("alice@shop.example", NEW).status_code == 302
    for command in ("reset-password", "reset-mfa"):
        wrong = app.test_cli_runner().invoke(args=["user", command, "nobody@shop.example"])
        assert (wrong.exit_code, wrong.output) == (1, "Error: There is no account with this address.\n")


# The second factor ---------------------------------------------------------------------------------------------------

def test_the_codes_are_those_of_the_standard() -> None:
    """RFC 6238, appendix B, in six digits."""
    secret = b"12345678901234567890"
    for moment, code in ((59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")):
        assert factors.code_at(secret, moment // 30) == code


def test_an_app_is_set_up_by_a_picture_or_by_typing(app: Flask) -> None:
    alice = signed_in(app, "alice")
    assert send(alice, "/console/security/totp").status_code == 303
    page = alice.get("/console/security")
    assert 'src="data:image/svg+xml' in page.text
    secret = re.search(r'id="secret">([A-Z2-7]{32})<', page.text)
    assert secret
    assert factors.address(user("alice"), secret[1]).startswith("otpauth://totp/Poort:alice%40shop.example?secret=")
    wrong = send(alice, "/console/security/totp/confirm", {"code": "000000"})
    assert wrong.status_code == 422
    assert Browser(app).sign_in("alice@shop.example").headers["Location"] == "/console/", "not confirmed, not asked for"
    codes = shown_codes(send(alice, "/console/security/totp/confirm", {"code": code_of("alice", -1)}))
    assert len(set(codes)) == 10
    page = alice.get("/console/security")
    assert shown_codes(page) == []
    assert secret[1] not in page.text
    stored = user("alice").totp
    assert stored is not None
    assert secret[1] not in stored, "encrypted"


def test_signing_in_asks_for_the_code_and_goes_where_one_wanted(app: Flask) -> None:
    add_totp(signed_in(app, "alice"), "alice")
    browser = Browser(app)
    answer = browser.sign_in("alice@shop.example", path="/login?next=/console/jobs")
    assert answer.headers["Location"] == "/login/second?next=/console/jobs"
    assert not browser.is_signed_in()
    assert send(browser, "/login/second", {"code": "000000"}).status_code == 200
    code = code_of("alice")
    answer = send(browser, "/login/second?next=/console/jobs", {"code": f" {code[:3]} {code[3:]}"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console/jobs")
    assert browser.is_signed_in()


def test_the_secret_survives_the_rotation_of_the_keys(app: Flask) -> None:
    add_totp(signed_in(app, "alice"), "alice")
    before = user("alice").totp
    newer = "a-newer-key-0123456789-abcdefghijklmnop"
    with restarted(app, POORT_SECRET_KEYS=f"{newer},{KEY}") as both, both.app_context():
        assert send(half_way(both, "alice"), "/login/second", {"code": code_of("alice")}).status_code == 303
        assert user("alice").totp != before
        db.session.remove()
    with restarted(app, POORT_SECRET_KEYS=newer) as alone, alone.app_context():
        assert len(code_of("alice")) == 6, "encrypted anew when it was used"
        db.session.remove()


def test_a_recovery_code_opens_and_an_operator_resets(app: Flask) -> None:
    codes = add_totp(signed_in(app, "alice"), "alice")
    browser = half_way(app, "alice")
    assert send(browser, "/login/second", {"recovery": "1", "code": codes[0].upper().replace("-", " ")}
                ).status_code == 303
    assert browser.is_signed_in()
    assert "Codes over: 9." in text(browser.get("/console/security"))
    new = shown_codes(send(browser, "/console/security/codes"))
    assert send(half_way(app, "alice"), "/login/second", {"recovery": "1", "code": codes[1]}).status_code == 200
    assert send(half_way(app, "alice"), "/login/second", {"recovery": "1", "code": new[0]}).status_code == 303
    done = app.test_cli_runner().invoke(args=["user", "reset-mfa", "alice@shop.example"])
    assert done.exit_code == 0
    assert not browser.is_signed_in()
    assert Browser(app).sign_in("alice@shop.example").headers["Location"] == "/console/"
    assert what() == ["mfa.add", "mfa.recover", "mfa.codes", "mfa.recover", "mfa.reset"]


def test_a_passkey_is_the_second_step_or_both(app: Flask) -> None:
    alice, key = signed_in(app, "alice"), Authenticator()
    assert len(shown_codes(add_passkey(alice, key, "  My   phone "))) == 10
    assert "My phone" in text(alice.get("/console/security"))
    second = half_way(app, "alice")
    assert show_passkey(second, key).headers["Location"] == "/console/"
    assert second.is_signed_in()
    first = Browser(app)
    assert show_passkey(first, key).status_code == 303
    assert first.is_signed_in(), "without a password"
    assert send(alice, "/console/security/passkeys/remove", {"passkey": passkeys.of(user("alice"))[0].id}
                ).status_code == 303
    assert show_passkey(Browser(app), key).status_code == 400
    assert Browser(app).sign_in("alice@shop.example").headers["Location"] == "/console/"
    assert what() == ["passkey.add", "passkey.remove"]


def test_a_key_that_asks_for_nothing_is_a_second_step_and_no_first(app: Flask) -> None:
    stick = Authenticator(verifies=False)
    add_passkey(signed_in(app, "alice"), stick)
    assert show_passkey(Browser(app), stick).status_code == 400
    assert show_passkey(half_way(app, "alice"), stick).status_code == 303


@pytest.mark.parametrize(("url", "host"), [
    ("https://consent.shop.example", "consent.shop.example"), ("http://localhost:8000", "localhost"),
    ("http://127.0.0.1:8000", "localhost"), ("http://consent.shop.example", None), ("https://192.0.2.1", None),
])
def test_passkeys_are_where_browsers_have_them(app: Flask, url: str, host: str | None) -> None:
    with restarted(app, POORT_PUBLIC_URL=url) as other:
        found = passkeys.place(other.extensions["poort.settings"])
    assert (found.host if found else None) == host
    assert found is None or found.origins[0].startswith(("https://", "http://localhost"))


def test_an_organisation_may_require_a_second_factor(app: Flask) -> None:
    alice, bob = signed_in(app, "alice"), signed_in(app, "bob")
    add_totp(alice, "alice")
    form = {"organisation": organisation(), "required": "1"}
    assert send(alice, "/console/members/require", form).status_code == 303
    for path in ("/console/", "/console/sites/shop", "/console/sites/shop/report.csv", "/console/members"):
        assert bob.get(path).headers["Location"] == "/console/security", path
        assert alice.get(path).status_code == 200, path
    assert "Webwinkel B.V. vraagt om een tweede factor" in text(bob.get("/console/security"))
    assert signed_in(app, "charlie").get("/console/").status_code == 200, "nobody's else"
    add_passkey(bob, Authenticator())
    assert bob.get("/console/").status_code == 200
    assert "member.require" in what()


# Sessions ------------------------------------------------------------------------------------------------------------

AGENTS = {"Firefox": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Other": "<script>"}


def test_sessions_are_seen_and_ended_one_by_one_and_all(app: Flask) -> None:
    alice, second, third = signed_in(app, "alice"), Browser(app), signed_in(app, "alice")
    second.environ_base["HTTP_USER_AGENT"] = AGENTS["Firefox"]
    second.sign_in("alice@shop.example")
    page = text(alice.get("/console/security"))
    assert page.count("deze browser") == 1
    assert "Firefox" in page
    assert AGENTS["Firefox"] not in page
    theirs = next(each.id for each in sessions.of(user("alice"), datetime.now(UTC)) if each.browser == "Firefox")
    send(alice, "/console/security/sessions/end", {"session": theirs})
    assert [each.is_signed_in() for each in (alice, second, third)] == [True, False, True]
    send(alice, "/console/security/sessions/end", {"session": "others"})
    assert [each.is_signed_in() for each in (alice, third)] == [True, False]


def test_a_session_says_on_which_day_it_was_used_last(app: Flask) -> None:
    alice = signed_in(app, "alice")
    with writing():
        db.session.execute(update(sessions.Session).values(seen_on=date(2026, 1, 2)))
    assert "laatst gebruikt op 2 jan 2026" not in text(alice.get("/console/security"))
    assert sessions.of(user("alice"), datetime.now(UTC))[0].seen_on == datetime.now(UTC).date()


def test_signing_out_leaves_the_other_sessions(app: Flask) -> None:
    one, other = signed_in(app, "alice"), signed_in(app, "alice")
    send(one, "/logout")
    assert (one.is_signed_in(), other.is_signed_in()) == (False, True)


def test_another_password_ends_the_other_sessions(app: Flask) -> None:
    alice, other = signed_in(app, "alice"), signed_in(app, "alice")
    wrong = send(alice, "/console/security/password", {"before": "not it", "password": NEW})
    assert wrong.status_code == 422
    assert 'id="before"' in wrong.text
    assert send(alice, "/console/security/password", {"before": PASSWORD, "password": "short"}).status_code == 422
    assert other.is_signed_in()
    assert send(alice, "/console/security/password", {"before": PASSWORD, "password": NEW}).status_code == 303
    assert (alice.is_signed_in(), other.is_signed_in()) == (True, False)
    assert what() == ["password.change"]


def test_what_is_over_is_forgotten(app: Flask) -> None:
    signed_in(app, "alice")
    tickets.issue(tickets.RESET, datetime.now(UTC), user_id=user("alice").id)
    db.session.commit()
    done = app.test_cli_runner().invoke(args=["jobs", "run", "accounts"])
    assert done.exit_code == 0
    assert db.session.query(sessions.Session).count() == db.session.query(tickets.Ticket).count() == 1
    later(timedelta(hours=13))
    app.test_cli_runner().invoke(args=["jobs", "run", "accounts"])
    assert db.session.query(sessions.Session).count() == db.session.query(tickets.Ticket).count() == 0


# Who one is, once more -----------------------------------------------------------------------------------------------

def test_what_is_hard_to_undo_asks_again_after_a_while(app: Flask) -> None:
    alice = signed_in(app, "alice")
    later(timedelta(minutes=16))
    answer = invite(alice, "dora@shop.example")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console/prove?next=/console/members")
    assert invitations.waiting(organisation()) == []
    page = answer.headers["Location"]
    assert "Ben jij het?" in alice.get(page).text
    assert send(alice, page, {"password": "not it"}).status_code == 422
    answer = send(alice, page, {"password": PASSWORD})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console/members")
    assert invite(alice, "dora@shop.example").status_code == 201


def test_a_passkey_proves_it_too(app: Flask) -> None:
    alice, key = signed_in(app, "alice"), Authenticator()
    add_passkey(alice, key)
    later(timedelta(minutes=16))
    assert send(alice, "/console/security/codes").headers["Location"].startswith("/console/prove")
    assert show_passkey(alice, key, "/console/prove/passkey").status_code == 303
    assert send(alice, "/console/security/codes").status_code == 201


def test_a_form_whose_address_is_no_page_comes_back_to_the_page_it_was_on(app: Flask) -> None:
    alice = signed_in(app, "alice")
    later(timedelta(minutes=16))
    form = {"csrf_token": alice.token("/console/members"), "organisation": organisation(), "required": "1"}
    for referrer, page in (("http://localhost/console/members", "/console/members"), ("", "/console/"),
                           ("https://evil.example/console/members", "/console/members"),
                           ("http://localhost/%2f%2fevil.example", "/console/")):
        answer = alice.post("/console/members/require", data=form, headers={"Referer": referrer})
        assert answer.headers["Location"] == f"/console/prove?next={page}", referrer


# API keys ------------------------------------------------------------------------------------------------------------

def new_key(browser: Browser, **form: Any) -> Any:
    return send(browser, "/console/keys", {
        "organisation": organisation(), "name": "CRM", "scope": ["gate", "read"], "days": "365", **form})


def test_a_key_is_shown_once_and_counts_for_what_it_says(app: Flask) -> None:
    alice = signed_in(app, "alice")
    answer = new_key(alice, site="shop")
    assert answer.status_code == 201
    shown = re.search(r"poort_[\w-]{43}", answer.text)
    assert shown
    assert shown[0] not in alice.get("/console/keys").text
    db.session.rollback()
    key = keys.find(shown[0])
    assert key is not None
    assert (key.scopes, key.site, key.name, key.made_by) == (["gate", "read"], "shop", "CRM", user("alice").id)
    assert key.expires_at is not None
    assert timedelta(days=364) < key.expires_at - datetime.now(UTC) < timedelta(days=366)
    assert not keys.permits(key, "publish")
    page = text(alice.get("/console/keys"))
    assert "CRM gate read shop" in page
    send(alice, "/console/keys/revoke", {"organisation": organisation(), "key": key.id})
    assert made()[0].revoked_at is not None
    assert keys.find(shown[0]) is None
    assert what() == ["key.create", "key.revoke"]


@pytest.mark.parametrize(("form", "field"), [
    ({"name": ""}, "name"), ({"name": "x" * 201}, "name"), ({"scope": []}, "scope"), ({"scope": ["all"]}, "scope"),
    ({"site": "none"}, "site"), ({"days": "until"}, "until"), ({"days": "until", "until": "2020-01-01"}, "until"),
    ({"days": "until", "until": "2999-01-01"}, "until"), ({"days": "7"}, "until"),
])
def test_a_key_that_can_not_be_made_is_said_at_its_field(app: Flask, form: dict[str, Any], field: str) -> None:
    answer = new_key(signed_in(app, "alice"), **form)
    assert answer.status_code == 422
    assert re.search(rf'(name="{field}"|<fieldset)[^>]*aria-invalid="true" aria-describedby="fault"', answer.text)
    assert answer.text.count('role="alert"') == 1
    assert made() == []


def test_the_invitations_of_a_revoked_key_end(app: Flask) -> None:
    with writing():
        own = db.session.get_one(accounts.Organisation, organisation())
        key, _ = keys.create(own.name, None, "crm", NOW, ["members"])
        _, text = invitations.invite(own, "dora@shop.example", "owner", audit.By(key_id=key.id, via="api"), NOW)
        invitations.invite(own, "erik@shop.example", "owner", audit.COMMAND, NOW)
        keys.revoke(key.id, NOW)
    with pytest.raises(tickets.Spent):
        tickets.find(text, tickets.INVITATION, NOW)
    assert [each.email for each in invitations.waiting(organisation())] == ["erik@shop.example"]


def test_what_fills_a_list_or_a_mailbox_has_an_end(app: Flask) -> None:
    own = db.session.get_one(accounts.Organisation, organisation())
    with writing():
        for _ in range(keys.MOST):
            number = keys.create(own.name, None, "", NOW)[0].id
        with pytest.raises(keys.KeyFault, match="revoke those"):
            keys.create(own.name, None, "", NOW)
        keys.revoke(number, NOW)
        keys.create(own.name, None, "", NOW)
    alice = user("alice")
    with writing():
        for _ in range(sessions.MOST + 2):
            sessions.begin(alice, "Firefox", NOW)
    assert len(sessions.of(alice, NOW)) == sessions.MOST
    with writing():
        for _ in range(5):
            invitations.invite(own, "dora@shop.example", "owner", audit.COMMAND, NOW)
        with pytest.raises(accounts.AccountError, match="too often today"):
            invitations.invite(own, "dora@shop.example", "owner", audit.COMMAND, NOW)
        invitations.invite(own, "erik@shop.example", "owner", audit.COMMAND, NOW)


def test_what_the_command_line_did_is_in_the_list(app: Flask) -> None:
    runner = app.test_cli_runner()
    for arguments in (
        ("user", "create", "dora@shop.example", "--organisation", "Webwinkel B.V.", "--join"),
        ("webhook", "set", "shop", "https://93.184.216.34/poort"), ("webhook", "remove", "shop"),
        ("organisation", "end", "Webwinkel B.V."), ("organisation", "resume", "Webwinkel B.V."),
    ):
        assert runner.invoke(args=arguments).exit_code == 0, arguments
    assert what() == ["member.add", "webhook.set", "webhook.remove", "organisation.end", "organisation.resume"]


def test_a_key_may_end_on_a_day_of_ones_choice(app: Flask) -> None:
    day = datetime.now(UTC).date() + timedelta(days=10)
    assert new_key(signed_in(app, "alice"), days="until", until=day.isoformat()).status_code == 201
    assert made()[0].expires_at == datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)


def test_the_command_makes_keys_with_scopes_and_an_end(app: Flask) -> None:
    runner = app.test_cli_runner()
    done = runner.invoke(args=["key", "create", "--organisation", "Webwinkel B.V.", "--scope", "read", "--scope",
                               "publish", "--expires", "2099-01-01", "--name", "CI"])
    assert done.exit_code == 0
    assert made()[0].scopes == ["read", "publish"]
    assert "read publish\tCI" in runner.invoke(args=["key", "list"]).output
    assert runner.invoke(args=["key", "create", "--organisation", "Webwinkel B.V.", "--scope", "x"]).exit_code == 2
    past = runner.invoke(args=["key", "create", "--organisation", "Webwinkel B.V.", "--expires", "2020-01-01"])
    assert (past.exit_code, len(past.output.strip().splitlines())) == (1, 1)
    assert what() == ["key.create"]


# The audit list ------------------------------------------------------------------------------------------------------

def noted(*each: tuple[str, str | None, dict[str, Any]]) -> None:
    by, owner = audit.By(user("alice").id, via="console"), organisation()
    for kind, site, details in each:
        audit.note(owner, kind, by, site=site, **details)
    db.session.commit()


def test_the_list_is_read_in_pages_and_searched(app: Flask) -> None:
    noted(*(("draft.change", "shop", {"n": number}) for number in range(120)), ("site.change", "other", {}))
    alice = signed_in(app, "alice")
    first = alice.get("/console/audit")
    assert first.text.count("<time") == audit_list.PAGE
    older = re.search(r'href="(/console/audit\?before=\d+)" rel="next"', first.text)
    assert older
    second = alice.get(older[1])
    assert second.text.count("<time") == audit_list.PAGE
    assert not set(re.findall(r"n:</span> (\d+)", first.text)) & set(re.findall(r"n:</span> (\d+)", second.text))
    today = datetime.now(UTC).date()
    for query, rows in (
        ("site=other", 1), ("kind=site.change", 1), ("person=command", 2), (f"person=user-{user('alice').id}", 50),
        (f"from={today}&to={today}", 50), ("kind=version.publish", 1),
        (f"from={today + timedelta(days=1)}", 0), ("site='+OR+1=1", 0),
    ):
        assert alice.get(f"/console/audit?{query}").text.count("<time") == rows, query
    for query in ("from=x", f"from={today}&to=2020-01-01"):
        wrong = alice.get(f"/console/audit?{query}")
        assert wrong.status_code == 400
        assert 'aria-invalid="true" aria-describedby="fault-from"' in wrong.text
    assert f"organisation={organisation('Ander B.V.')}" not in first.text
    assert alice.get(f"/console/audit?organisation={organisation('Ander B.V.')}").status_code == 404


def test_the_list_asks_as_much_for_many_rows_as_for_one(app: Flask) -> None:
    alice = signed_in(app, "alice")
    noted(("draft.change", "shop", {}))
    alice.get("/console/audit")  # the first page of a day is remembered, with its language
    with queries() as for_one:
        alice.get("/console/audit")
    noted(*(("draft.change", "shop", {}) for _ in range(40)))
    with queries() as for_many:
        alice.get("/console/audit")
    assert len(for_many) == len(for_one)


def test_the_sheet_runs_no_formula(app: Flask) -> None:
    noted(*(("draft.change", "shop", {"said": cell}) for cell in ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1")),
          ("=cmd|' /C calc'!A0", "=1", {}))
    answer = signed_in(app, "alice").get("/console/audit.csv")
    assert answer.content_type == "text/csv; charset=utf-8"
    assert len(answer.text.splitlines()) == 9
    for line in answer.text.splitlines():
        assert not re.search(r'(^|,)"?[=+@\t|%-]', line), line


def test_every_change_of_the_list_of_names_has_a_form_that_fits() -> None:
    for kind in audit_list.NAMES:
        assert re.fullmatch(r"[a-z]+\.[a-z]+", kind)
        assert len(kind) <= 40


def test_every_letter_is_in_both_languages_and_short_lined() -> None:
    values = {"link": "https://poort.example/x", "organisation": "Webwinkel B.V.", "by": "a@b.example", "role": "owner"}
    for kind, each in letters._texts().items():
        assert set(each) == {"nl", "en"}, kind
        for language in each:
            subject, body = letters.written(kind, language, **values)
            assert "{" not in subject + body
            assert "\n" not in subject
            assert values["link"] in body.splitlines()
            assert max(map(len, body.splitlines())) <= letters.WIDTH


def test_the_last_day_there_is_is_no_fault_of_ours(app: Flask) -> None:
    alice = signed_in(app, "alice")
    assert new_key(alice, days="", until="9999-12-31").status_code == 422
    for path in ("/console/audit", "/console/audit.csv"):
        assert alice.get(f"{path}?from=0001-01-01&to=9999-12-31").status_code == 200, path
