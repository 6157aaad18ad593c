"""Owners get a mail when a policy changes materially: once, and whatever becomes of the mail server."""

import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from flask import Flask
from sqlalchemy import select

from consent import accounts, announcements, jobs, mailing, mails, sites, smtp, versions
from consent.db import db, writing_on
from consent.mails import DEAD, SENT, WAITING, Mail
from tests.conftest import PASSWORD
from tests.pages import restarted
from tests.postoffice import PostOffice
from tests.servers import COMMANDS, environment, free_port
from tests.shop import DEFINITION, NOW

SENDER = "Poort <poort@shop.example>"
POLICY = {"date": "2026-11-22", "material": True, "affects": ["analytics", "marketing"], "summary": {
    "nl": "We bewaren bestelgegevens één jaar langer; zie ‘Bewaren’.", "en": "We keep orders one year longer."}}

Define = Callable[..., versions.Version]


@contextmanager
def sending(app: Flask, url: str) -> Iterator[Callable[..., mailing.Tally]]:
    """Poort with this mail server; what a runner does, so much later than now."""
    with restarted(app, POORT_MAIL_URL=url, POORT_MAIL_FROM=SENDER) as other, other.app_context():
        def send(later: timedelta = timedelta(0)) -> mailing.Tally:
            return mailing.send_due(db.engine, SENDER, lambda: datetime.now(UTC) + later)

        yield send
        db.session.remove()
        db.engine.dispose()


def queue(*names: str, text: str = "Tekst.") -> None:
    for name in names:
        mails.queue(f"test:{name}", f"{name}@shop.example", "Onderwerp", text, datetime.now(UTC))
    db.session.commit()


def queued() -> list[Mail]:
    db.session.rollback()
    db.session.expire_all()
    return list(db.session.scalars(select(Mail).order_by(Mail.key)))


def states() -> list[tuple[str, int, str]]:
    return [(mail.state, mail.attempts, mail.answer) for mail in queued()]


@pytest.mark.usefixtures("people")
class TestAnnouncements:
    def test_every_owner_is_told_what_changed_from_when_and_where_to_read_it(self, app: Flask, define: Define) -> None:
        """F3"""
        ours = accounts.organisation_named("Webwinkel B.V.")
        accounts.create_user("dora@shop.example", PASSWORD, ours, "owner")
        second = define(policy=POLICY, trackers=[*DEFINITION["trackers"], {"id": "leadinfo"}])
        with PostOffice() as office, sending(app, office.url) as send:
            assert send() == mailing.Tally(sent=2)
            assert send() == mailing.Tally()
        assert sorted(letter.recipients[0] for letter in office.letters) == ["alice@shop.example", "dora@shop.example"]
        letter = office.letters[0]
        message = letter.message
        assert (letter.sender, message["From"]) == ("poort@shop.example", SENDER)
        assert message["Subject"] == "Webwinkel: de privacyverklaring is gewijzigd"
        assert message["To"] == letter.recipients[0]
        assert message["Auto-Submitted"] == "auto-generated"
        assert str(message["Message-ID"]).endswith("@shop.example>")
        assert parsedate_to_datetime(message["Date"]) == NOW.replace(microsecond=0)
        assert message.get_content_type() == "text/plain"
        assert message.get_content_charset() == "utf-8"
        assert letter.content.isascii()
        assert letter.text == WRITTEN
        assert max(map(len, letter.text.splitlines())) <= announcements.WIDTH
        assert second.number == 2

    def test_it_speaks_the_site_s_first_language(self, define: Define) -> None:
        define(policy={**POLICY, "affects": []}, default_language="en")
        (mail,) = queued()
        assert mail.subject == "Webwinkel: the privacy statement has changed"
        for part in ("We keep orders one year longer.", "dated 22 November 2026", "Version 2 applies from",
                     "it replaces version 1", "Nobody has to choose again", "https://www.shop.example/privacy"):
            assert part in " ".join(mail.text.split())

    @pytest.mark.parametrize("policy", [None, {"date": "2026-11-22"}, {**POLICY, "material": False, "affects": []}])
    def test_a_minor_version_tells_nobody(self, define: Define, policy: Any) -> None:
        define(name="Winkel", **({"policy": policy} if policy else {}))
        assert queued() == []

    def test_it_is_told_once_and_with_its_publication(self, app: Flask, define: Define) -> None:
        define(policy=POLICY)
        define(policy=POLICY)
        define(policy=POLICY, name="Winkel")
        assert [mail.key.rsplit(":", 1)[0] for mail in queued()] == ["policy:shop:2"]

    def test_what_is_not_published_is_not_told(self, app: Flask) -> None:
        site, _ = sites.apply({**DEFINITION, "policy": POLICY})
        versions.publish(site, NOW)
        db.session.rollback()
        assert queued() == []

    def test_a_mail_server_that_hangs_does_not_hold_a_publication(self, app: Flask, define: Define) -> None:
        with socket.create_server(("127.0.0.1", 0)) as hanging:
            with sending(app, f"smtp://127.0.0.1:{hanging.getsockname()[1]}"):
                begun = time.monotonic()
                define(policy=POLICY)
                assert time.monotonic() - begun < 5
            hanging.setblocking(False)
            with pytest.raises(BlockingIOError):
                hanging.accept()
        assert states() == [(WAITING, 0, "")]


WRITTEN = """\
Voor Webwinkel is versie 2 gepubliceerd. Daarmee verandert de
privacyverklaring van Webwinkel B.V. wezenlijk.

WAT ER VERANDERT
We bewaren bestelgegevens één jaar langer; zie ‘Bewaren’.

Verder verandert in deze versie:
- Nieuw: Leadinfo, voor marketing.

VANAF WANNEER
De privacyverklaring is van 22 november 2026. Versie 2 geldt vanaf 22
november 2026, 10:00 (UTC); versie 1 is daarmee vervallen.

WAT BEZOEKERS MERKEN
Bezoekers krijgen een melding te zien. Wie eerder een keuze maakte,
krijgt opnieuw de vraag voor statistieken en marketing. Tot dat antwoord
gaat daarvan niets aan. Alle andere antwoorden blijven gelden.

DE PRIVACYVERKLARING
https://www.shop.example/privacy

Je krijgt dit bericht omdat je eigenaar bent van Webwinkel B.V. in
Poort.
"""


class TestQueue:
    def test_the_same_key_is_queued_once(self, app: Flask) -> None:
        queue("a", text="één")
        queue("a", text="twee")
        (mail,) = queued()
        assert (mail.text, mail.state, mail.attempts) == ("één", WAITING, 0)

    def test_nothing_breaks_out_of_its_line(self, app: Flask) -> None:
        for to in ("a@shop.example\nBcc: x@evil.example", "a@shop.example\r", "nobody"):
            with pytest.raises(ValueError, match="one e-mail address"):
                mails.queue("k", to, "s", "t", NOW)
        subject = "een\r\nBcc: x@evil.example\u2028\x85twee"
        mails.queue("k", "a@shop.example", subject, "t\r\n.\r\nMAIL FROM:<x>\r\n", NOW)
        db.session.commit()
        with PostOffice() as office, sending(app, office.url) as send:
            assert send().sent == 1
        (letter,) = office.letters
        assert letter.recipients == ["a@shop.example"]
        assert letter.message["Bcc"] is None
        assert letter.message["Subject"] == "een Bcc: x@evil.example twee"
        assert "\n.\nMAIL FROM:<x>\n" in letter.text

    def test_the_address_and_the_text_are_forgotten_after_a_week(self, app: Flask) -> None:
        """G1"""
        queue("a")
        with PostOffice() as office, sending(app, office.url) as send:
            send()
        queue("b")
        now = datetime.now(UTC)
        assert mails.tidy(db.engine, now + timedelta(days=6)) == 0
        assert mails.tidy(db.engine, now + timedelta(days=8)) == 1
        assert [(mail.recipient, mail.subject, mail.text) for mail in queued()] == [
            ("", "", ""), ("b@shop.example", "Onderwerp", "Tekst.")]
        queue("a")
        assert [mail.state for mail in queued()] == [SENT, WAITING], "and it is not sent again"
        mails.tidy(db.engine, now + timedelta(days=401))
        assert [mail.key for mail in queued()] == ["test:b"], "what waits stays"

    def test_without_a_server_they_wait_and_the_runner_says_so(self, app: Flask) -> None:
        assert "mail: none to send" in jobs.run_due()
        queue("a", "b")
        assert "mail: 2 wait; set POORT_MAIL_URL to send them" in jobs.run_due()
        assert states() == [(WAITING, 0, "")] * 2


class TestServers:
    def test_a_server_that_is_down_delays_the_mail(self, app: Flask) -> None:
        queue("a", "b")
        port = free_port()
        with sending(app, f"smtp://127.0.0.1:{port}") as send:
            assert send() == mailing.Tally(failed=2)
            assert send() == mailing.Tally(), "not at once again"
            assert states() == [(WAITING, 1, "the connection was refused")] * 2
            with PostOffice(port=port) as office:
                assert send(timedelta(minutes=2)) == mailing.Tally(sent=2)
        assert len(office.letters) == 2
        assert states() == [(SENT, 2, "250")] * 2

    def test_it_is_tried_ever_more_rarely_and_given_up_aloud(
        self, app: Flask, caplog: pytest.LogCaptureFixture
    ) -> None:
        queue("a")
        begun, later, waits = datetime.now(UTC), timedelta(0), []
        with PostOffice(lambda _: "550 5.1.1 unknown") as office, sending(app, office.url) as send:
            while send(later).dead == 0:
                due = queued()[0].due_at - begun
                waits.append(due - later)
                later = due + timedelta(seconds=1)
        assert timedelta(seconds=25) < waits[0] < timedelta(seconds=65)
        assert all(timedelta(hours=2) < wait < timedelta(hours=7) for wait in waits[10:])
        assert timedelta(days=14) <= later < timedelta(days=15)
        (mail,) = queued()
        assert (mail.state, mails.count(db.engine)) == (DEAD, {WAITING: 0, SENT: 0, DEAD: 1})
        assert 'poort_mails{state="dead"} 1.0' in app.test_client().get("/metrics").text
        assert "test:a" in caplog.text
        assert "a@shop.example" not in caplog.text

    def test_a_server_that_is_away_for_weeks_loses_nothing(self, app: Flask) -> None:
        queue("a")
        with sending(app, f"smtp://127.0.0.1:{free_port()}") as send:
            for days in range(0, 60, 10):
                assert send(timedelta(days=days)) == mailing.Tally(failed=1)
        with PostOffice() as office, sending(app, office.url) as send:
            assert send(timedelta(days=61)) == mailing.Tally(sent=1)
        assert len(office.letters) == 1

    @pytest.mark.parametrize("answer", ["451 4.7.1 <b@shop.example> come later", "550 5.1.1 <b@shop.example> unknown"])
    def test_one_recipient_that_is_refused_holds_nobody_else(self, app: Flask, answer: str) -> None:
        queue("a", "b", "c")

        def verdict(address: str) -> str:
            return answer if address.startswith("b@") else "250 OK"

        with PostOffice(verdict) as office, sending(app, office.url) as send:
            assert send() == mailing.Tally(sent=2, failed=1)
            assert send(timedelta(minutes=2)) == mailing.Tally(failed=1)
        assert [letter.recipients for letter in office.letters] == [["a@shop.example"], ["c@shop.example"]]
        assert states() == [(SENT, 1, "250"), (WAITING, 2, answer[:3]), (SENT, 1, "250")], "and no address in it"
        with PostOffice() as office, sending(app, office.url) as send:
            assert send(timedelta(hours=1)) == mailing.Tally(sent=1)

    @pytest.mark.parametrize("drips", [False, True])
    def test_a_slow_server_holds_the_runner_for_a_while_only(
        self, app: Flask, monkeypatch: pytest.MonkeyPatch, drips: bool
    ) -> None:
        monkeypatch.setattr(smtp, "TIMEOUT", 0.5)
        monkeypatch.setattr(smtp, "DEADLINE", 1.0)
        queue("a", "b")
        with socket.create_server(("127.0.0.1", 0)) as server:
            drip = threading.Thread(target=dripping, args=(server, drips), daemon=True)
            drip.start()
            with sending(app, f"smtp://127.0.0.1:{server.getsockname()[1]}") as send:
                begun = time.monotonic()
                assert send() == mailing.Tally(failed=2)
                assert time.monotonic() - begun < 4, "one of them was tried"
        assert states() == [(WAITING, 1, "it took too long")] * 2

    def test_no_lock_is_held_while_the_server_is_talked_to(self, app: Flask) -> None:
        queue("a")
        engine, took = db.engine, []

        def write() -> None:
            begun = time.monotonic()
            with writing_on(engine) as connection:
                connection.execute(Mail.__table__.update().values(subject="meanwhile"))
            took.append(time.monotonic() - begun)

        with PostOffice(at_data=write) as office, sending(app, office.url) as send:
            assert send() == mailing.Tally(sent=1)
        assert took[0] < 1


def dripping(server: socket.socket, drips: bool) -> None:
    """A server that takes a connection and says nothing, or a letter of its greeting now and then."""
    try:
        line, _ = server.accept()
        with line:
            while drips:
                line.sendall(b"2")
                time.sleep(0.1)
            line.recv(1)
    except OSError:
        return


class TestEncryption:
    @pytest.fixture
    def authority(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
        found = trustme.CA()
        found.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        return found

    @pytest.mark.parametrize("way", ["smtps", "starttls"])
    def test_the_mail_and_the_password_travel_encrypted(self, app: Flask, authority: trustme.CA, way: str) -> None:
        queue("a")
        context = served_by(authority)
        with PostOffice(context=context, starttls=way == "starttls") as office:
            with sending(app, address(office, way, "pass%2Fword")) as send:
                assert send() == mailing.Tally(sent=1)
            (letter,) = office.letters
            assert (letter.user, letter.encrypted or way == "smtps") == ("poort", True)
            queue("b")
            with sending(app, address(office, way, "wrong")) as send:
                assert send() == mailing.Tally(failed=1)
        assert states()[1] == (WAITING, 1, "535")

    @pytest.mark.parametrize("way", ["smtps", "starttls"])
    def test_a_stranger_s_certificate_gets_neither(self, app: Flask, authority: trustme.CA, way: str) -> None:
        queue("a")
        stranger = PostOffice(context=served_by(trustme.CA()), starttls=way == "starttls")
        with stranger as office, sending(app, address(office, way, "pass%2Fword")) as send:
            assert send() == mailing.Tally(failed=1)
        assert states() == [(WAITING, 1, "TLS or the certificate is not right")]
        assert office.letters == []

    def test_a_server_that_can_not_encrypt_gets_no_password(self, app: Flask) -> None:
        queue("a")
        with PostOffice() as office, sending(app, address(office, "starttls", "pass%2Fword")) as send:
            assert send() == mailing.Tally(failed=1)
        assert office.letters == []


def served_by(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


def address(office: PostOffice, way: str, password: str) -> str:
    scheme, rest = ("smtps", "") if way == "smtps" else ("smtp", "?starttls")
    return f"{scheme}://poort:{password}@localhost:{office.port}{rest}"


class TestRunners:
    def test_two_of_them_send_each_mail_once(self, app: Flask) -> None:
        names = "abcdef"
        queue(*names)
        with (
            PostOffice(at_data=lambda: time.sleep(0.05)) as office, ThreadPoolExecutor() as pool,
            restarted(app, POORT_MAIL_URL=office.url, POORT_MAIL_FROM=SENDER) as other,
        ):
            said = [line for lines in pool.map(run_due, [other] * 3) for line in lines if line.startswith("mail:")]
        assert said.count("mail: 6 sent, 0 failed, 0 of them for good") == 1
        assert sorted(letter.recipients[0] for letter in office.letters) == [f"{name}@shop.example" for name in names]
        assert states() == [(SENT, 1, "250")] * 6

    def test_one_that_dies_between_the_answer_and_its_note_repeats_one_mail(self, app: Flask, database: str) -> None:
        queue("a", "b")
        running: list[subprocess.Popen[bytes]] = []

        def kill() -> None:
            if len(office.letters) == 1:
                running[0].kill()

        with PostOffice(at_quit=kill) as office:
            env = {**environment(database), "POORT_MAIL_URL": office.url, "POORT_MAIL_FROM": SENDER}
            running.append(subprocess.Popen([COMMANDS / "flask", "jobs", "run"], env=env, stdout=subprocess.DEVNULL))
            assert running[0].wait(60) == -signal.SIGKILL
            assert states() == [(WAITING, 0, "")] * 2
            with sending(app, office.url) as send:
                assert send() == mailing.Tally(sent=2)
                assert send() == mailing.Tally()
        ids = [(letter.recipients[0], letter.message["Message-ID"]) for letter in office.letters]
        assert len(ids) == 3
        assert ids[0] == ids[1]
        assert len(set(ids)) == 2


def run_due(app: Flask) -> list[str]:
    with app.app_context():
        return jobs.run_due()
