"""What attackers try on accounts: guessing, replaying, planting, borrowing, asking who is there (threats 6, 7, 10)."""

import itertools
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from consent import accounts, audit, factors, invitations, keys, passkeys, sessions, tickets
from consent.db import db, writing
from consent.mails import Mail
from tests.authenticator import Authenticator
from tests.conftest import LITTLE_WORK, PASSWORD
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
    text,
    token,
    user,
)
from tests.test_accounts import ELSEWHERE
from tests.test_members import MAIL

pytestmark = [pytest.mark.usefixtures("people"), pytest.mark.parametrize("migrated", ["sqlite"], indirect=True)]


@pytest.fixture
def mailing(app: Flask) -> Iterator[Flask]:
    """The application with a mail server and open to whoever signs up."""
    with restarted(app, **{**MAIL, "POORT_LOGIN_LIMIT": 10, "POORT_SIGN_UP": "on"}) as other, other.app_context():
        other.extensions["security"].pwd_context.update(**LITTLE_WORK)
        yield other
        db.session.remove()


def cookie(browser: Browser) -> str:
    found = browser.get_cookie("poort_session")
    assert found
    return found.value


def with_cookie(app: Flask, value: str) -> Browser:
    """A browser into which somebody put a cookie."""
    browser = Browser(app)
    browser.set_cookie("poort_session", value)
    return browser


def ticket(purpose: str, **about: Any) -> str:
    with writing():
        return tickets.issue(purpose, datetime.now(UTC), **about)


def invitation(email: str = "dora@shop.example", role: str = "owner") -> str:
    with writing():
        shop = db.session.get_one(accounts.Organisation, organisation())
        return invitations.invite(shop, email, role, audit.COMMAND, datetime.now(UTC))[1]


# Sessions: fixation, stolen cookies, whoever is gone -----------------------------------------------------------------

def test_a_session_is_new_at_every_way_of_signing_in(app: Flask) -> None:
    """A cookie that an attacker planted and knows is worth nothing once its victim has signed in."""
    key, alice = Authenticator(), signed_in(app, "alice")
    add_totp(alice, "alice")
    add_passkey(alice, key)

    def second(browser: Browser) -> None:
        browser.sign_in("alice@shop.example")
        send(browser, "/login/second", {"code": code_of("alice")})

    ways: dict[str, Callable[[Browser], Any]] = {
        "second step": second,
        "passkey": lambda browser: show_passkey(browser, key),
        "invitation": lambda browser: send(browser, f"/join/{invitation()}", {"password": NEW}),
    }
    for name, way in ways.items():
        attacker = Browser(app)
        known = token(attacker)
        planted = cookie(attacker)
        victim = with_cookie(app, planted)
        way(victim)
        assert victim.is_signed_in(), name
        assert cookie(victim) != planted, name
        assert not attacker.is_signed_in(), name
        assert not with_cookie(app, planted).is_signed_in(), name
        assert victim.post("/logout", data={"csrf_token": known}).status_code == 400, name


def test_a_stolen_cookie_ends_with_its_session_and_only_with_it(app: Flask) -> None:
    alice, other = signed_in(app, "alice"), signed_in(app, "alice")
    stolen = cookie(alice)
    thief = with_cookie(app, stolen)
    assert thief.is_signed_in()
    send(alice, "/logout")
    assert not thief.is_signed_in()
    assert not with_cookie(app, stolen).is_signed_in()
    assert other.is_signed_in()


def test_a_session_is_over_after_twelve_hours_whatever_the_cookie_says(app: Flask) -> None:
    alice = signed_in(app, "alice")
    later(timedelta(hours=11, minutes=59))
    assert alice.is_signed_in()
    later(timedelta(minutes=2))
    assert not alice.is_signed_in()
    assert alice.get("/console/sites/shop").headers["Location"] == "/login?next=/console/sites/shop"
    assert send(alice, "/console/security/codes").headers["Location"].startswith("/login")


def test_a_proof_does_not_come_back_with_an_older_cookie(app: Flask) -> None:
    alice = signed_in(app, "alice")
    fresh = cookie(alice)
    later(timedelta(minutes=16))
    copied = with_cookie(app, fresh)
    assert copied.is_signed_in()
    assert send(copied, "/console/security/codes").headers["Location"].startswith("/console/prove")


def test_half_a_sign_in_opens_nothing(app: Flask) -> None:
    add_totp(signed_in(app, "alice"), "alice")
    browser = half_way(app, "alice")
    for path in ("/console/", "/console/sites/shop", "/console/security", "/console/keys"):
        assert browser.get(path).headers["Location"].startswith("/login"), path
    accounts.set_password(user("alice"), NEW)
    db.session.commit()
    assert browser.get("/login/second").headers["Location"] == "/login", "the password was changed meanwhile"


def test_a_member_who_is_removed_is_out_in_the_middle(app: Flask) -> None:
    with writing():
        invitations.change_role(organisation(), user("bob").id, "owner", audit.COMMAND)
    alice, bob = signed_in(app, "alice"), signed_in(app, "bob")
    form = {"csrf_token": token(bob), "organisation": organisation(), "email": "eve@evil.example", "role": "owner"}
    send(alice, "/console/members/remove", {"organisation": organisation(), "member": user("bob").id, "sure": "1"})
    assert bob.post("/console/members", data=form).status_code in (302, 400), "his form counts no more"
    again = signed_in(app, "bob")
    assert send(again, "/console/members", {**form, "csrf_token": token(again)}).status_code == 404
    assert "eve@evil.example" not in [each.email for each in invitations.waiting(organisation())]


# Who may do what to whom ---------------------------------------------------------------------------------------------

FORMS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/console/members", {"email": "eve@evil.example", "role": "owner"}),
    ("/console/members/withdraw", {"invitation": "x"}),
    ("/console/members/role", {"member": 1, "role": "marketer"}),
    ("/console/members/remove", {"member": 1, "sure": "1"}),
    ("/console/members/require", {"required": "1"}),
    ("/console/keys", {"name": "x", "scope": "publish", "days": "30"}),
    ("/console/keys/revoke", {"key": "1"}),
)


@pytest.mark.parametrize(("path", "form"), FORMS)
def test_nobody_changes_an_organisation_that_is_not_theirs(app: Flask, path: str, form: dict[str, Any]) -> None:
    before = members()
    for name, status in (("charlie", 404), ("bob", 403)):
        browser = signed_in(app, name)
        assert send(browser, path, {**form, "organisation": organisation()}).status_code == status
        for number in ("", "x", "-1", "99999", "9" * 30, "1 OR 1=1"):
            assert send(browser, path, {**form, "organisation": number}).status_code == 404, number
    assert members() == before
    assert invitations.waiting(organisation()) == []


def test_nobody_reaches_into_another_organisation_from_their_own(app: Flask) -> None:
    charlie, theirs = signed_in(app, "charlie"), organisation("Ander B.V.")
    alice, invited = user("alice").id, tickets.digest(invitation())
    send(charlie, "/console/members/role", {"organisation": theirs, "member": alice, "role": "marketer"})
    send(charlie, "/console/members/remove", {"organisation": theirs, "member": alice, "sure": "1"})
    send(charlie, "/console/members/withdraw", {"organisation": theirs, "invitation": invited})
    assert send(charlie, "/console/keys", {
        "organisation": theirs, "name": "x", "scope": "read", "days": "30", "site": "shop"}).status_code == 422
    assert members()["alice@shop.example"] == "owner"
    assert [each.digest for each in invitations.waiting(organisation())] == [invited]
    assert send(charlie, "/console/security/sessions/end", {"session": 1}).status_code == 303
    assert signed_in(app, "alice").is_signed_in()


def test_the_last_owner_stays(app: Flask) -> None:
    alice = signed_in(app, "alice")
    mine = {"organisation": organisation(), "member": user("alice").id}
    for path, form in (("role", {"role": "marketer"}), ("remove", {"sure": "1"})):
        answer = send(alice, f"/console/members/{path}", {**mine, **form})
        assert answer.status_code == 422
        assert "Dit is de laatste eigenaar" in text(answer)
    assert members()["alice@shop.example"] == "owner"
    assert alice.is_signed_in()
    send(alice, "/console/members/role", {**mine, "member": user("bob").id, "role": "owner"})
    assert send(alice, "/console/members/remove", {**mine, "sure": "1"}).status_code == 303
    assert members() == {"bob@shop.example": "owner"}


# Who is there: by what is said, and by the work that it takes --------------------------------------------------------

@pytest.mark.parametrize("path", ["/lost-password", "/sign-up"])
def test_asking_for_a_link_tells_nothing(mailing: Flask, path: str) -> None:
    said, work = [], []
    with writing():
        user("bob").active = False
    for email in ("alice@shop.example", "nobody@shop.example", "bob@shop.example"):
        browser = Browser(mailing)
        form = {"email": email, "csrf_token": browser.token()}
        with queries() as asked:
            answer = browser.post(path, data=form)
        said.append((answer.status_code, re.sub(r'value="[^"]+"', "", answer.text), sorted(dict(answer.headers))))
        work.append([statement.split(" WHERE")[0] for statement in asked])
    assert said[0] == said[1] == said[2]
    assert work[0] == work[1] == work[2]
    assert any("INSERT" in statement for statement in work[0])


def test_an_invitation_tells_nothing_of_who_has_an_account(mailing: Flask) -> None:
    alice, work, said = signed_in(mailing, "alice"), [], []
    for email in ("charlie@other.example", "nobody@shop.example"):
        form = {"organisation": organisation(), "email": email, "role": "marketer", "csrf_token": token(alice)}
        with queries() as asked:
            answer = alice.post("/console/members", data=form)
        said.append((answer.status_code, answer.headers["Location"]))
        work.append([statement.split(" WHERE")[0] for statement in asked])
    assert said[0] == said[1]
    assert work[0] == work[1]
    page = text(alice.get("/console/members"))
    assert page.count("charlie@other.example") == page.count("nobody@shop.example")


def test_a_link_that_is_over_used_foreign_or_made_up_says_the_same(mailing: Flask) -> None:
    used, over = (ticket(tickets.RESET, user_id=user("alice").id) for _ in range(2))
    send(Browser(mailing), f"/lost-password/{used}", {"password": NEW})
    later(timedelta(hours=2))
    pages = {
        text(answer) for path in (used, over, "made-up", "x" * 101, "x" * 3_000, "%00", "sh%C3%B6p", "'--")
        for answer in (Browser(mailing).get(f"/lost-password/{path}"), Browser(mailing).get(f"/join/{path}"),
                       Browser(mailing).get(f"/sign-up/{path}"))
        if answer.status_code == 410
    }
    assert len(pages) == 1
    assert "Deze link werkt niet meer" in pages.pop()


# Tickets: reuse, another purpose, another person ---------------------------------------------------------------------

def test_a_ticket_is_for_one_purpose(mailing: Flask) -> None:
    paths = {tickets.RESET: "/lost-password", tickets.SIGN_UP: "/sign-up", tickets.INVITATION: "/join"}
    about: dict[str, dict[str, Any]] = {
        tickets.RESET: {"user_id": user("alice").id}, tickets.SIGN_UP: {"email": "dora@shop.example"},
        tickets.INVITATION: {"email": "dora@shop.example", "role": "owner", "organisation_id": organisation()},
        tickets.PROOF: {"user_id": user("alice").id}, tickets.BY_PASSKEY: {}, tickets.ADD_PASSKEY: {},
    }
    for purpose, other in itertools.product(about, paths):
        if purpose != other:
            path = f"{paths[other]}/{ticket(purpose, **about[purpose])}"
            assert Browser(mailing).get(path).status_code == 410, (purpose, other)
            mailing.extensions["poort.attempts"].reset()
            assert send(Browser(mailing), path, {"password": NEW}).status_code == 410, (purpose, other)
    assert accounts.find_user("dora@shop.example") is None


def test_a_ticket_opens_once(mailing: Flask) -> None:
    for path in (f"/lost-password/{ticket(tickets.RESET, user_id=user('alice').id)}", f"/join/{invitation()}",
                 f"/sign-up/{ticket(tickets.SIGN_UP, email='eve@shop.example')}"):
        statuses = [send(Browser(mailing), path, {"password": NEW}).status_code for _ in range(2)]
        assert statuses == [303, 410], path


def test_a_new_password_ends_every_other_link_to_one(mailing: Flask) -> None:
    first, second = (ticket(tickets.RESET, user_id=user("alice").id) for _ in range(2))
    send(Browser(mailing), f"/lost-password/{first}", {"password": NEW})
    assert Browser(mailing).get(f"/lost-password/{second}").status_code == 410


def test_an_invitation_is_for_its_address_alone(app: Flask) -> None:
    path = f"/console/join/{invitation('charlie@other.example')}"
    bob = signed_in(app, "bob")
    assert bob.get(path).status_code == 410
    assert send(bob, path).status_code == 410
    joined = send(Browser(app), path.removeprefix("/console"), {"password": NEW})
    assert joined.status_code == 410, "whoever has the link does not make a second account, nor another password"
    assert Browser(app).sign_in("charlie@other.example").status_code == 302
    assert "charlie@other.example" not in members()


def test_a_lost_password_does_not_lose_the_second_factor(mailing: Flask) -> None:
    add_totp(signed_in(mailing, "alice"), "alice")
    path = f"/lost-password/{ticket(tickets.RESET, user_id=user('alice').id)}"
    browser = Browser(mailing)
    send(browser, path, {"password": NEW})
    assert not browser.is_signed_in()
    assert browser.sign_in("alice@shop.example", NEW).headers["Location"].startswith("/login/second")
    assert not browser.is_signed_in()


def test_the_link_in_a_mail_leads_where_poort_is_whatever_the_request_says(mailing: Flask) -> None:
    browser = Browser(mailing)
    form = {"email": "alice@shop.example", "csrf_token": browser.token()}
    browser.post("/lost-password", data=form, headers={"X-Forwarded-Host": "evil.example"})
    assert len(links()) == 1
    db.session.rollback()
    assert [row for row in db.session.query(Mail) if "evil.example" in row.text] == []


# Codes: replayed, guessed --------------------------------------------------------------------------------------------

def test_a_code_opens_once_and_no_older_one_after_it(app: Flask) -> None:
    add_totp(signed_in(app, "alice"), "alice")
    code, before = code_of("alice"), code_of("alice", -1)
    assert send(half_way(app, "alice"), "/login/second", {"code": before}).status_code == 200, "used to set it up"
    assert send(half_way(app, "alice"), "/login/second", {"code": code}).status_code == 303
    for again in (code, before):
        assert send(half_way(app, "alice"), "/login/second", {"code": again}).status_code == 200
    assert send(half_way(app, "alice"), "/login/second", {"code": code_of("alice", 1)}).status_code == 303
    assert send(half_way(app, "alice"), "/login/second", {"code": code_of("alice", 3)}).status_code == 200, "too early"


@pytest.mark.parametrize("code", ["", "x", "12345", "1234567", "１２３４５６", "0" * 100, "-1", "None", "' OR 1=1"])
def test_what_is_no_code_does_not_open(app: Flask, code: str) -> None:
    add_totp(signed_in(app, "alice"), "alice")
    for form in ({"code": code}, {"code": code, "recovery": "1"}):
        browser = half_way(app, "alice")
        assert send(browser, "/login/second", form).status_code == 200
        assert not browser.is_signed_in()


def test_a_recovery_code_opens_once_and_for_its_owner_alone(app: Flask) -> None:
    codes = add_totp(signed_in(app, "alice"), "alice")
    add_totp(signed_in(app, "bob"), "bob")
    assert send(half_way(app, "bob"), "/login/second", {"code": codes[0], "recovery": "1"}).status_code == 200
    statuses = [send(half_way(app, "alice"), "/login/second", {"code": codes[0], "recovery": "1"}).status_code
                for _ in range(2)]
    assert statuses == [303, 200]
    kept = db.session.query(factors.RecoveryCode).all()
    assert not any(codes[1] in each.digest for each in kept)


def test_codes_are_guessed_slowly_from_however_many_addresses(app: Flask) -> None:
    add_totp(signed_in(app, "alice"), "alice")
    limit = app.extensions["poort.settings"].login_limit
    for name, form in (("code", {"code": "000000"}), ("recovery", {"code": "x", "recovery": "1"})):
        app.extensions["poort.attempts"].reset()
        browsers = [half_way(app, "alice") for _ in range(limit + 1)]
        statuses = [send(browser, "/login/second", form).status_code for browser in browsers]
        assert statuses == [200] * limit + [429], name
        right = send(browsers[0], "/login/second", {"code": code_of("alice")})
        assert right.status_code == 429, "not even the right one"
        assert Browser(app).sign_in("alice@shop.example").status_code == 429


def test_every_place_to_guess_or_to_send_mail_from_is_limited(mailing: Flask) -> None:
    limit = mailing.extensions["poort.settings"].login_limit
    alice = signed_in(mailing, "alice")
    for path, form, browser in (
        ("/lost-password", {"email": "no address"}, Browser(mailing)),
        ("/sign-up", {"email": "no address"}, Browser(mailing)),
        ("/lost-password/made-up", {"password": NEW}, Browser(mailing)),
        ("/join/made-up", {"password": NEW}, Browser(mailing)),
        ("/sign-up/made-up", {"password": NEW}, Browser(mailing)),
        ("/login/second", {"code": "1"}, Browser(mailing)),
        ("/login/passkey", {"answer": "{}"}, Browser(mailing)),
        ("/login/passkey/options", {}, Browser(mailing)),
        ("/console/members", {"organisation": organisation(), "email": "x", "role": "owner"}, alice),
        ("/console/prove", {"password": "x"}, alice),
        ("/console/security/password", {"before": "x"}, alice),
    ):
        mailing.extensions["poort.attempts"].reset()
        known = token(browser)
        statuses = [browser.post(path, data={**form, "csrf_token": known}).status_code for _ in range(limit + 1)]
        assert 429 not in statuses[:-1], path
        assert statuses[-1] == 429, path


def test_one_address_gets_no_flood_of_mails(mailing: Flask) -> None:
    limit = mailing.extensions["poort.settings"].login_limit
    for email in ("alice@shop.example", "nobody@shop.example"):
        statuses = [send(Browser(mailing), "/lost-password", {"email": email}).status_code for _ in range(limit + 1)]
        assert statuses == [200] * limit + [429], email


# Passkeys ------------------------------------------------------------------------------------------------------------

LIES: tuple[dict[str, Any], ...] = (
    {"origin": "https://evil.example"}, {"origin": "http://localhost:81"}, {"origin": "http://localhost.evil.example"},
    {"type": "webauthn.create"}, {"challenge": "AAAA"}, {"signature": b"x" * 70}, {"handle": b"somebody else"},
)


def test_a_passkey_with_a_lie_does_not_open(app: Flask) -> None:
    key = Authenticator()
    add_passkey(signed_in(app, "alice"), key)
    for lie in LIES:
        browser = Browser(app)
        assert show_passkey(browser, key, **lie).status_code == 400, lie
        assert not browser.is_signed_in()
    for name, other in (("host", Authenticator(host="evil.example")), ("unknown", Authenticator())):
        other.handle = key.handle
        assert show_passkey(Browser(app), other).status_code == 400, name
    assert show_passkey(Browser(app), key).status_code == 303


def test_an_answer_opens_once_and_for_what_was_asked(app: Flask) -> None:
    key, alice = Authenticator(), signed_in(app, "alice")
    add_passkey(alice, key)
    first = Browser(app)
    answer = key.show(send(first, "/login/passkey/options").get_json())
    assert send(first, "/login/passkey", {"answer": answer}).status_code == 303
    for browser, path in ((Browser(app), "/login/passkey"), (half_way(app, "alice"), "/login/passkey"),
                          (alice, "/console/prove/passkey")):
        assert send(browser, path, {"answer": answer}).status_code in (400, 422), path
    for_a_proof = key.show(send(alice, "/console/prove/passkey/options").get_json())
    assert send(Browser(app), "/login/passkey", {"answer": for_a_proof}).status_code == 400
    too_late = Browser(app)
    options = send(too_late, "/login/passkey/options").get_json()
    later(timedelta(minutes=11))
    assert send(too_late, "/login/passkey", {"answer": key.show(options)}).status_code == 400


def test_ones_second_step_is_not_taken_with_somebody_elses_key(app: Flask) -> None:
    """Whoever has a password of alice and a passkey of their own gets into neither account by them."""
    alices, charlies = Authenticator(), Authenticator()
    add_passkey(signed_in(app, "alice"), alices)
    add_passkey(signed_in(app, "charlie"), charlies)
    browser = half_way(app, "alice")
    assert show_passkey(browser, charlies).status_code == 400
    assert not browser.is_signed_in()
    charlie = signed_in(app, "bob")
    later(timedelta(minutes=16))
    assert show_passkey(charlie, charlies, "/console/prove/passkey").status_code == 422
    assert send(charlie, "/console/security/codes").headers["Location"].startswith("/console/prove")


def test_a_key_is_registered_once_and_by_who_asked(app: Flask) -> None:
    key, alice = Authenticator(), signed_in(app, "alice")
    options = send(alice, "/console/security/passkeys/options").get_json()
    answer = key.make(options)
    bob = signed_in(app, "bob")
    assert send(bob, "/console/security/passkeys", {"name": "x", "answer": answer}).status_code == 422
    assert add_passkey(alice, key).status_code == 201
    assert add_passkey(bob, key).status_code == 422, "the same key of another user"
    assert passkeys.of(user("bob")) == []
    for name in ("", " ", "x" * 61, "x\x00y"):
        assert add_passkey(alice, Authenticator(), name).status_code == 422, name


@pytest.mark.parametrize("answer", [
    "", "{}", "[]", "null", "1", "x", '{"id": 1}', '{"id": "x", "rawId": "x", "response": {}, "type": "public-key"}',
    '{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"AA","authenticatorData":"AA",'
    '"signature":"AA"}}', "[" * 5_000, '{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30",'
    '"authenticatorData":"","signature":""}}',
])
def test_what_is_no_answer_of_a_browser_is_a_refusal(app: Flask, answer: str) -> None:
    alice = signed_in(app, "alice")
    assert send(Browser(app), "/login/passkey", {"answer": answer}).status_code == 400
    assert send(alice, "/console/prove/passkey", {"answer": answer}).status_code == 422
    assert send(alice, "/console/security/passkeys", {"name": "x", "answer": answer}).status_code == 422


def test_a_copied_key_is_noticed_by_its_count(app: Flask) -> None:
    key = Authenticator()
    add_passkey(signed_in(app, "alice"), key)
    key.count = 10
    assert show_passkey(Browser(app), key).status_code == 303
    key.count = 5
    assert show_passkey(Browser(app), key).status_code == 400


# Led elsewhere, and sent from elsewhere ------------------------------------------------------------------------------

NEXT = ("/login/second", "/login/passkey", "/console/prove", "/lost-password", "/sign-up", "/join/x", "/sign-up/x")


def test_nothing_that_asks_where_to_go_next_leads_elsewhere(mailing: Flask) -> None:
    assert len(ELSEWHERE) >= 60
    alice, browser = signed_in(mailing, "alice"), Browser(mailing)
    known, mine = token(browser), token(alice)
    for place, path in [*itertools.product(ELSEWHERE, NEXT[:3]), *itertools.product(ELSEWHERE[:5], NEXT[3:])]:
        mailing.extensions["poort.attempts"].reset()
        whose, form = (alice, mine) if path.startswith("/console") else (browser, known)
        for answer in (
            whose.post(path, query_string={"next": place}, data={"csrf_token": form, "password": PASSWORD}),
            whose.post(path, data={"csrf_token": form, "password": PASSWORD, "next": place}),
        ):
            assert answer.status_code == 400, (path, place)
            assert "Location" not in answer.headers
    for place in ELSEWHERE:
        for path in ("/login/second", "/console/prove"):
            answer = alice.get(path, query_string={"next": place})
            assert (answer.status_code, answer.headers.get("Location")) == (302, path), (path, place)


POSTS = (
    "/login/second", "/login/passkey", "/login/passkey/options", "/lost-password", "/lost-password/x", "/sign-up",
    "/sign-up/x", "/join/x", "/console/join/x", "/console/prove", "/console/prove/passkey",
    "/console/prove/passkey/options", "/console/members", "/console/members/withdraw", "/console/members/role",
    "/console/members/remove", "/console/members/require", "/console/members/zone", "/console/keys",
    "/console/keys/revoke",
    "/console/security/password", "/console/security/totp", "/console/security/totp/confirm",
    "/console/security/totp/remove", "/console/security/codes", "/console/security/passkeys",
    "/console/security/passkeys/options", "/console/security/passkeys/remove", "/console/security/sessions/end",
    "/console/security/messages",
)


def test_every_form_wants_the_token_of_its_session(mailing: Flask) -> None:
    there = {rule.rule for rule in mailing.url_map.iter_rules()
             if rule.endpoint.startswith(("accounts.", "sign_in.")) and "POST" in (rule.methods or ())}
    assert {re.sub(r"<\w+>", "x", rule) for rule in there} == set(POSTS), "a new form belongs in this list"
    alice, another = signed_in(mailing, "alice"), token(signed_in(mailing, "bob"))
    for path, form in itertools.product(POSTS, ({}, {"csrf_token": "x"}, {"csrf_token": another})):
        mailing.extensions["poort.attempts"].reset()
        assert alice.post(path, data=form).status_code == 400, (path, form)


def test_a_passkey_page_keeps_nothing_of_an_attacker(app: Flask) -> None:
    """What people write stands in the page as text."""
    alice = signed_in(app, "alice")
    for name in ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{7*7}}", "javascript:alert(1)"):
        add_passkey(alice, Authenticator(), name)
        send(alice, "/console/keys", {"organisation": organisation(), "name": name, "scope": "read", "days": "30"})
    for path in ("/console/security", "/console/keys", "/console/audit"):
        page = alice.get(path).text
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert ">49<" not in page
    assert sessions.of(user("alice"), datetime.now(UTC))


# What a review found ------------------------------------------------------------------------------------------------

def test_the_password_alone_proves_nothing_of_who_has_a_second_factor(app: Flask) -> None:
    alice = signed_in(app, "alice")
    codes = add_totp(alice, "alice")
    later(timedelta(minutes=16))
    for code in ("", "000000", "x", "aaaa-aaaa-aaaa-aaaa"):
        answer = send(alice, "/console/prove", {"password": PASSWORD, "code": code})
        assert answer.status_code == 422, code
    assert 'name="code"' in alice.get("/console/prove").text
    send(alice, "/console/security/password", {"before": PASSWORD, "password": NEW})
    assert send(alice, "/console/security/totp/remove").headers["Location"].startswith("/console/prove")
    assert user("alice").totp_at is not None
    assert send(alice, "/console/prove", {"password": NEW, "code": code_of("alice")}).status_code == 303
    later(timedelta(minutes=16))
    assert send(alice, "/console/prove", {"password": NEW, "code": code_of("alice")}).status_code == 422, "used"
    assert send(alice, "/console/prove", {"password": NEW, "code": codes[0]}).status_code == 303
    assert send(alice, "/console/security/totp/remove").headers["Location"] == "/console/security"
    assert user("alice").totp_at is None


def test_a_factor_that_comes_or_goes_ends_every_other_session(app: Flask) -> None:
    alice, key = signed_in(app, "alice"), Authenticator()
    for change in (
        lambda: add_totp(alice, "alice"), lambda: send(alice, "/console/security/totp/remove"),
        lambda: add_passkey(alice, key),
        lambda: send(alice, "/console/security/passkeys/remove", {"passkey": passkeys.of(user("alice"))[0].id}),
    ):
        with writing():
            secret = sessions.begin(user("alice"), "Firefox", datetime.now(UTC))
        change()
        db.session.rollback()
        kept = db.session.query(sessions.Session).filter_by(user_id=user("alice").id).all()
        assert [each.digest for each in kept if each.digest == tickets.digest(secret)] == []
        assert len(kept) == 1
    assert alice.is_signed_in()


def test_an_answer_that_was_wrong_spends_its_challenge(app: Flask) -> None:
    key, alice = Authenticator(), signed_in(app, "alice")
    add_passkey(alice, key)
    options = send(alice, "/console/prove/passkey/options").get_json()
    wrong, right = key.show(options, signature=b"x" * 70), key.show(options)
    assert send(alice, "/console/prove/passkey", {"answer": wrong}).status_code == 422
    assert send(alice, "/console/prove/passkey", {"answer": right}).status_code == 422


def test_an_invitation_by_a_key_ends_with_who_made_the_key(app: Flask) -> None:
    with writing():
        invitations.change_role(organisation(), user("bob").id, "owner", audit.COMMAND)
        key, _ = keys.create("Webwinkel B.V.", None, "x", datetime.now(UTC), ["members"], made_by=user("bob").id)
        shop = db.session.get_one(accounts.Organisation, organisation())
        invitations.invite(shop, "bob2@evil.example", "owner", audit.By(key_id=key.id, via="api"), datetime.now(UTC))
    with writing():
        invitations.remove(organisation(), user("bob").id, audit.COMMAND, datetime.now(UTC))
    assert invitations.waiting(organisation()) == []


def test_who_was_removed_founds_no_organisation_where_sign_up_is_off(app: Flask, mailing: Flask) -> None:
    with writing():
        invitations.remove(organisation(), user("bob").id, audit.COMMAND, datetime.now(UTC))
        accounts.create_user("new@shop.example", PASSWORD, None)
    for where, name, status in ((app, "bob@shop.example", 403), (app, "new@shop.example", 303),
                                (mailing, "bob@shop.example", 303)):
        browser = Browser(where)
        with where.app_context():
            browser.sign_in(name)
            assert browser.get("/console/organisation").status_code == (403 if status == 403 else 200)
            answer = browser.post("/console/organisation", data={
                "csrf_token": browser.token("/console/security"), "name": f"Of {name}"})
            assert answer.status_code == status, name
