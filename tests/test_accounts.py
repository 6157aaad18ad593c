"""Signing in and out, and what stands against abuse of it (reliability.md threats 6, 7, 10)."""

import itertools
import json
from typing import Any

import pytest
from flask import Flask
from flask_security import hash_password
from sqlalchemy import text

from consent import accounts
from consent.db import db, writing
from tests.conftest import KEY, PASSWORD, empty
from tests.pages import Browser, queries, restarted, signed_in

pytestmark = pytest.mark.usefixtures("people")

# What people have put behind ?next= to lead somebody who signs in to another site.
ELSEWHERE = (
    "https://evil.example", "http://evil.example/console/", "//evil.example", "///evil.example", "////evil.example",
    "/\\evil.example", "\\\\evil.example", "\\/\\/evil.example", "/\\/evil.example", "https:evil.example",
    "https:/evil.example", "https:///evil.example", "http:/\\evil.example", "//evil.example/console/",
    "//evil.example%2fconsole/", "/%09/evil.example", "/\t/evil.example", "/%5cevil.example", "/%2f%2fevil.example",
    "%2f%2fevil.example", " //evil.example", "\t//evil.example", "\u200a//evil.example", "%20//evil.example",
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)", "data:text/html,x", "vbscript:x",
    "//localhost@evil.example", "https://localhost@evil.example", "//localhost:80@evil.example/", "@evil.example",
    "localhost.evil.example", ".evil.example", "//evil.example#localhost", "//evil.example?localhost",
    "https://evil.example\\.localhost", "https://evil.example\\@localhost", "//evil。example", "//ⓔvil.example",
    "/console/\r\nLocation: https://evil.example", "/console/%0d%0aSet-Cookie:x=1", "/console/\n", "/console/\\evil",
    "/console/@evil.example", "/console/?next=https://evil.example", "/console/?a=//evil.example", "/logout", "/login",
    "/v1/sites/shop/me", "/consolex", "console/", "/", "?x", "#x", "security.logout", "/console/%2e%2e//evil.example",
    "//[::1]", "//2130706433", "/console/<script>", "/console/'", '/console/"', "ftp://evil.example",
    "mailto:a@b.example",
)
OWN = ("/console/", "/console/sites/shop", "/console/sites/shop/report?from=2026-11-01&to=2026-11-22")


def test_who_signs_in_comes_to_the_console(app: Flask) -> None:
    browser = Browser(app)
    answer = browser.sign_in("alice@shop.example")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/console/")
    assert browser.is_signed_in()


def test_an_address_may_be_written_as_people_write_it(app: Flask) -> None:
    assert Browser(app).sign_in("Alice@SHOP.Example").status_code == 302


def test_passwords_are_hashed_with_argon2(app: Flask) -> None:
    user = accounts.find_user("alice@shop.example")
    assert user is not None
    assert user.password.startswith("$argon2id$")
    with restarted(app) as fresh, fresh.app_context():
        # The work that RFC 9106 recommends; what the tests share does less.
        assert hash_password(PASSWORD).startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_a_password_survives_the_rotation_of_the_keys(app: Flask) -> None:
    cookie = signed_in(app, "alice").get_cookie("poort_session")
    assert cookie is not None
    with restarted(app, POORT_SECRET_KEYS=f"a-newer-key-0123456789-abcdefghijklmnop,{KEY}") as rotated:
        assert Browser(rotated).sign_in("alice@shop.example").status_code == 302
        moved = Browser(rotated)
        moved.set_cookie("poort_session", cookie.value)
        assert moved.is_signed_in(), "a session that an older key signed goes on"


REFUSED = (
    ("alice@shop.example", "not the password"),
    ("nobody@shop.example", PASSWORD),
    ("bob@shop.example", PASSWORD),  # deactivated below
    ("bob@shop.example", "not the password"),
    ("no address", PASSWORD),
    ("' OR 1=1 --", PASSWORD),
    ("alice@shop.example", ""),
    ("", ""),
)


def test_every_refusal_says_the_same(app: Flask) -> None:
    _deactivate("bob@shop.example")
    for email, password in REFUSED:
        browser = Browser(app)
        answer = browser.sign_in(email, password)
        assert answer.status_code == 200, email
        assert "Het e-mailadres of het wachtwoord klopt niet." in answer.text, email
        assert answer.text.count('role="alert"') == 1, email
        assert not browser.is_signed_in(), email
        english = browser.sign_in(email, password, "/login?lang=en")
        assert "The e-mail address or the password is not right." in english.text, email


def test_an_unknown_address_costs_as_much_work_as_a_known_one(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []
    context = app.extensions["security"].pwd_context
    for name in ("hash", "verify"):
        original = getattr(context, name)

        def watched(*args: Any, original: Any = original, name: str = name, **kwargs: Any) -> Any:
            hashed.append(name)
            return original(*args, **kwargs)

        monkeypatch.setattr(context, name, watched)
    Browser(app).sign_in("nobody@shop.example")
    assert hashed == ["hash"]
    hashed.clear()
    Browser(app).sign_in("alice@shop.example", "not the password")
    assert hashed == ["verify"]


def test_signing_in_needs_the_forms_own_token(app: Flask) -> None:
    form = {"email": "alice@shop.example", "password": PASSWORD}
    another = Browser(app).token()
    for name, token in (("none", None), ("made up", "x"), ("of another session", another)):
        browser = Browser(app)
        answer = browser.post("/login", data={**form, **({"csrf_token": token} if token else {})})
        assert answer.status_code == 400, name
        assert "Dit formulier is te oud" in answer.text
        assert not browser.is_signed_in()


def test_signing_in_over_json_is_refused(app: Flask) -> None:
    bodies = ({"email": "alice@shop.example", "password": PASSWORD}, [1], "x", None)
    for body, with_token in itertools.product(bodies, (False, True)):
        browser = Browser(app)
        headers = {"X-CSRFToken": browser.token()} if with_token else {}
        answer = browser.post("/login", data=json.dumps(body), content_type="application/json", headers=headers)
        assert answer.status_code == 415
        assert not browser.is_signed_in()


def test_nobody_signs_in_by_a_token(app: Flask) -> None:
    user = accounts.find_user("alice@shop.example")
    assert user is not None
    with app.test_request_context():
        token = user.get_auth_token()
    assert isinstance(token, str)
    stranger = Browser(app)
    assert stranger.get(f"/console/?auth_token={token}").status_code == 302
    assert stranger.get("/console/", headers={"Authentication-Token": token}).status_code == 302
    assert stranger.get("/console/", headers={"Authorization": "Basic YWxpY2U6eA=="}).status_code == 302
    for where in ("/login", "/login?include_auth_token"):
        assert "authentication_token" not in Browser(app).get(where, headers={"Accept": "application/json"}).text


def test_attempts_are_limited_by_address(app: Flask) -> None:
    limit = app.extensions["poort.settings"].login_limit
    browser, other = Browser(app), Browser(app)
    token = browser.token()
    form = {"email": "alice@shop.example", "password": "not the password", "csrf_token": token}
    assert {browser.post("/login", data=form).status_code for _ in range(limit)} == {200}
    refused = browser.post("/login", data={**form, "password": PASSWORD})
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert "Dat was te vaak" in refused.text
    assert browser.address not in refused.text
    assert browser.get("/login").status_code == 200, "looking is not an attempt"
    assert other.sign_in("charlie@other.example").status_code == 302, "another address goes on"
    token = other.token("/console/")
    assert other.post("/logout", data={"csrf_token": token}).status_code == 302
    assert other.sign_in("alice@shop.example").status_code == 429, "but not with an account that was guessed at"


@pytest.mark.parametrize(("one", "another", "together"), [
    ("192.0.2.1", "192.0.2.2", False),
    ("2001:db8:0:1::1", "2001:db8:0:1:ffff::9", True),
    ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
    ("::ffff:192.0.2.9", "192.0.2.9", True),
])
def test_an_ipv6_network_counts_as_one_address(app: Flask, one: str, another: str, together: bool) -> None:
    codes = []
    for address in [one] * app.extensions["poort.settings"].login_limit + [another]:
        codes.append(Browser(app).post("/login", environ_overrides={"REMOTE_ADDR": address}).status_code)
    assert codes[-1] == (429 if together else 415)


def test_the_address_is_the_one_that_the_proxy_saw(app: Flask) -> None:
    for proxies, second in ((0, 429), (1, 415)):
        with restarted(app, POORT_LOGIN_LIMIT=1, POORT_PROXIES=proxies) as other:
            browser = Browser(other)
            assert browser.post("/login", headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 415
            assert browser.post("/login", headers={"X-Forwarded-For": "192.0.2.2"}).status_code == second


def test_signing_in_leads_nowhere_else(app: Flask) -> None:
    for place in ELSEWHERE:
        browser = Browser(app)
        looked = browser.get("/login", query_string={"next": place})
        assert (looked.status_code, looked.headers["Location"]) == (302, "/login"), place
        form = {"email": "alice@shop.example", "password": PASSWORD, "csrf_token": browser.token()}
        for answer in (browser.post("/login", query_string={"next": place}, data=form),
                       browser.post("/login", data={**form, "next": place}),
                       browser.post("/login?next=/console/", data={**form, "next": place})):
            assert answer.status_code == 400, place
            assert "Location" not in answer.headers, place
        assert not browser.is_signed_in(), place


def test_signing_in_leads_back_to_the_page_that_asked_for_it(app: Flask) -> None:
    for page in OWN:
        browser = Browser(app)
        asked = browser.get(page)
        assert asked.status_code == 302
        answer = browser.sign_in("alice@shop.example", path=asked.headers["Location"])
        assert (answer.status_code, answer.headers["Location"]) == (302, page)


def test_who_is_signed_in_is_not_led_elsewhere_either(app: Flask) -> None:
    browser = signed_in(app, "alice")
    assert browser.get("/login").headers["Location"] == "/console/"
    assert browser.get("/login?next=https://evil.example").headers["Location"] == "/login"


def test_a_planted_session_is_worth_nothing_after_signing_in(app: Flask) -> None:
    attacker, victim = Browser(app), Browser(app)
    known = attacker.token()
    planted = attacker.get_cookie("poort_session")
    assert planted is not None
    victim.set_cookie("poort_session", planted.value)
    assert victim.post("/login", data={
        "email": "alice@shop.example", "password": PASSWORD, "csrf_token": known}).status_code == 302
    own = victim.get_cookie("poort_session")
    assert own is not None
    assert own.value != planted.value
    assert not attacker.is_signed_in()
    assert victim.post("/logout", data={"csrf_token": known}).status_code == 400, "the token known before is renewed"
    assert victim.is_signed_in()


def test_the_session_cookie_is_guarded(app: Flask) -> None:
    plain = Browser(app).get("/login").headers["Set-Cookie"]
    assert plain.startswith("poort_session=")
    assert "HttpOnly" in plain
    assert "SameSite=Lax" in plain
    assert "Secure" not in plain
    with restarted(app, POORT_PUBLIC_URL="https://consent.shop.example") as https:
        guarded = Browser(https).get("/login", base_url="https://consent.shop.example").headers["Set-Cookie"]
    assert guarded.startswith("__Host-poort_session=")
    assert all(part in guarded for part in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"))
    assert "Domain" not in guarded


def test_signing_out_ends_the_session_at_the_server(app: Flask) -> None:
    browser, copy = signed_in(app, "alice"), Browser(app)
    cookie = browser.get_cookie("poort_session")
    assert cookie is not None
    copy.set_cookie("poort_session", cookie.value)
    assert copy.is_signed_in()
    assert browser.get("/logout").status_code == 405
    assert browser.post("/logout").status_code == 400
    assert browser.is_signed_in(), "a link or a form of another site signs nobody out"
    answer = browser.post("/logout", data={"csrf_token": browser.token("/console/")})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/login")
    assert not browser.is_signed_in()
    assert not copy.is_signed_in(), "a stolen copy ends with it"
    assert signed_in(app, "alice").is_signed_in()


def test_a_session_ends_when_its_user_is_deactivated(app: Flask) -> None:
    browser = signed_in(app, "alice")
    assert browser.is_signed_in()
    _deactivate("alice@shop.example")
    assert not browser.is_signed_in()
    assert browser.get("/console/sites/shop").status_code == 302


def test_pages_for_everybody_ask_for_no_user(app: Flask) -> None:
    browser = signed_in(app, "alice")
    with queries() as asked:
        for page in ("/healthz", "/nothing-here"):
            browser.get(page)
        assert asked == []
        browser.get("/console/")
        assert any("FROM user" in statement.replace('"', "") for statement in asked)


def test_nothing_else_of_flask_security_is_open(app: Flask) -> None:
    for path in ("/register", "/reset", "/change", "/verify", "/us-signin", "/fs-static/x", "/tf-setup"):
        assert Browser(app).get(path).status_code == 404, path


def _create(app: Flask, *arguments: str) -> Any:
    return app.test_cli_runner().invoke(
        args=["user", "create", *arguments, "--organisation", "Webwinkel B.V.", "--join"])


UNMADE = (
    ("dora@shop.example", "short", "at least 12 characters"),
    ("dora@shop.example", "x" * 1_001, "at least 12 characters"),
    ("dora@shop.example", "abababababababab", "five different characters"),
    ("dora", PASSWORD, "not an e-mail address"),
    ("dora@", PASSWORD, "not an e-mail address"),
    ("dora@shop.example\nBcc: x@y.example", PASSWORD, "not an e-mail address"),
    ("alice@shop.example", PASSWORD, "a member of Webwinkel B.V. already"),
)


def test_an_account_that_can_not_be_made_is_refused_in_one_line(app: Flask) -> None:
    for email, password, sentence in UNMADE:
        done = _create(app, email, "--password", password)
        assert done.exit_code == 1, email
        assert sentence in done.output, email
        assert len(done.output.strip().splitlines()) == 1, email
        assert password not in done.output
        assert accounts.find_user("dora@shop.example") is None


def test_a_made_password_is_printed_once_and_works(app: Flask) -> None:
    done = _create(app, "Dora@Shop.example", "--role", "marketer")
    assert done.exit_code == 0
    password = done.output.split("password: ")[1].strip()
    assert len(password) >= accounts.SHORTEST_PASSWORD
    assert Browser(app).sign_in("dora@shop.example", password).status_code == 302


def test_a_new_membership_leaves_the_password_as_it_is(app: Flask) -> None:
    done = _create(app, "charlie@other.example", "--role", "marketer")
    assert done.exit_code == 0
    assert "password:" not in done.output
    browser = signed_in(app, "charlie")
    assert browser.get("/console/sites/shop").status_code == 200


def test_an_organisation_that_has_members_is_joined_only_when_that_is_meant(app: Flask) -> None:
    asked = ["user", "create", "dora@shop.example", "--organisation", "Webwinkel B.V."]
    done = app.test_cli_runner().invoke(args=asked)
    assert (done.exit_code, done.output) == (
        1, "Error: Webwinkel B.V. has members already; give --join to make one more.\n")
    assert accounts.find_user("dora@shop.example") is None
    assert app.test_cli_runner().invoke(args=["user", "create", "dora@shop.example", "--organisation", "New B.V."]
                                        ).exit_code == 0, "one that is nobody's yet is theirs"


@pytest.mark.parametrize("migrated", ["sqlite", "postgresql"], indirect=True)
def test_no_number_of_a_user_is_given_out_again(app: Flask) -> None:
    """The audit list names people by it."""
    with writing():
        gone = accounts.create_user("dora@shop.example", PASSWORD, None)
        number = gone.id
        db.session.delete(gone)
    with writing():
        assert accounts.create_user("erik@shop.example", PASSWORD, None).id == number + 1
        db.session.execute(text("UPDATE user_number SET last = 1"))  # as after an older backup was put back
    with writing():
        assert accounts.create_user("fenna@shop.example", PASSWORD, None).id == number + 2


def test_there_is_no_account_to_begin_with(app: Flask) -> None:
    empty()
    assert db.session.query(accounts.User).count() == 0
    for name in ("admin", "root", "owner", "demo"):
        assert Browser(app).sign_in(f"{name}@localhost.example", name).status_code == 200


def _deactivate(email: str) -> None:
    user = accounts.find_user(email)
    assert user is not None
    user.active = False
    db.session.commit()
