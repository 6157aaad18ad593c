"""Who gets which mails, in which language, and how they end: by the page of messages, or by one click in the mail."""

import re
import struct
import zlib
from datetime import UTC, date, datetime

import pytest
from flask import Flask
from sqlalchemy import select

from consent import accounts, contracts, invitations, mails, subscriptions
from consent.accounts import Membership, Organisation
from consent.audit import COMMAND, Audit
from consent.db import db
from consent.subscriptions import ALERTS, KINDS, WEEKLY
from tests.pages import Browser, signed_in
from tests.postoffice import PostOffice
from tests.shop import NOW
from tests.test_mails import queued, sending

TODAY = date(2026, 11, 22)
People = dict[str, accounts.User]
pytestmark = pytest.mark.usefixtures("people")


def png() -> bytes:
    """One white dot."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0\xff")) + chunk(b"IEND", b"")


def ours() -> Organisation:
    return accounts.organisation_named("Webwinkel B.V.")


def getting(kind: str) -> list[str]:
    db.session.rollback()
    found = subscriptions.readers(ours().id, kind, TODAY)
    return [f"{reader.email.split('@')[0]} {reader.language}" for reader in found]


class TestReaders:
    def test_owners_get_alerts_and_everybody_the_summary(self) -> None:
        assert getting(ALERTS) == ["alice nl"]
        assert getting(WEEKLY) == ["alice nl", "bob nl"]

    def test_each_chooses_for_themselves_and_reads_the_language_of_their_pages(self, app: Flask) -> None:
        bob, alice = signed_in(app, "bob"), signed_in(app, "alice")
        assert bob.get("/console/?lang=en").status_code == 200
        form = {f"alerts{ours().id}": "1", "csrf_token": bob.token("/console/security/messages")}
        assert bob.post("/console/security/messages", data=form).status_code == 303
        assert (getting(ALERTS), getting(WEEKLY)) == (["alice nl", "bob en"], ["alice nl"])
        form = {f"weekly{ours().id}": "1", "language": "en", "csrf_token": alice.token("/console/security/messages")}
        alice.post("/console/security/messages", data=form)
        alice.get("/console/?lang=nl")
        assert (getting(ALERTS), getting(WEEKLY)) == (["bob en"], ["alice en"])

    def test_a_form_changes_nothing_of_an_organisation_of_others(self, app: Flask) -> None:
        charlie = signed_in(app, "charlie")
        form = {f"alerts{ours().id}": "1", "csrf_token": charlie.token("/console/security/messages")}
        charlie.post("/console/security/messages", data=form)
        assert getting(ALERTS) == ["alice nl"]

    def test_nobody_gets_mails_of_what_they_left_or_what_has_ended(self, people: People) -> None:
        invitations.remove(ours().id, people["bob"].id, COMMAND, NOW)
        db.session.commit()
        assert getting(WEEKLY) == ["alice nl"]
        contracts.end("Webwinkel B.V.", TODAY)
        db.session.commit()
        assert getting(WEEKLY) == []


class TestOneClick:
    def link(self, people: People, name: str, kind: str) -> str:
        return subscriptions.address("", people[name].id, ours().id, kind)

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_mail_program_ends_the_mails_and_no_others(self, app: Flask, people: People, kind: str) -> None:
        program = Browser(app)
        answer = program.post(self.link(people, "alice", kind), data={"List-Unsubscribe": "One-Click"},
                              headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 200
        assert "Webwinkel B.V." in answer.text
        other = WEEKLY if kind == ALERTS else ALERTS
        assert (len(getting(kind)), len(getting(other))) == ((0, 2) if kind == ALERTS else (1, 1))
        assert program.post(self.link(people, "alice", kind)).status_code == 200, "again changes nothing"

    def test_a_program_that_follows_links_ends_nothing_and_a_person_finds_a_button(
        self, app: Flask, people: People
    ) -> None:
        link = self.link(people, "alice", WEEKLY)
        page = Browser(app).get(f"{link}?lang=nl")
        assert page.status_code == 200
        assert "Stuur me deze niet meer" in page.text
        assert "alice" not in page.text
        assert getting(WEEKLY) == ["alice nl", "bob nl"]

    def test_what_is_not_ours_or_is_nobody_s_any_more_ends_nothing(self, app: Flask, people: People) -> None:
        browser, link = Browser(app), self.link(people, "bob", WEEKLY)
        for wrong in (f"{link}x", link[:-3], "/leave/none", "/leave/" + "a" * 5_000):
            for method in ("GET", "POST"):
                assert browser.open(wrong, method=method).status_code == 404, wrong[:40]
        invitations.remove(ours().id, people["bob"].id, COMMAND, NOW)
        db.session.commit()
        assert browser.post(link).status_code == 404


class TestMails:
    def test_a_mail_is_whole_as_text_and_as_a_page_with_its_picture(self, app: Flask) -> None:
        page = mails.Page(f'<p>Één <img src="cid:{mails.PICTURE}" alt=""></p>', png())
        mails.queue("k", "a@shop.example", "Onderwerp", "Één.\n", datetime.now(UTC), page=page,
                    leave="https://consent.example/leave/abc")
        db.session.commit()
        with PostOffice() as office, sending(app, office.url) as send:
            assert send().sent == 1
        (letter,) = office.letters
        message = letter.message
        assert letter.content.isascii()
        assert message.get_content_type() == "multipart/alternative"
        text, related = message.iter_parts()
        assert str(text.get_content()).replace("\r\n", "\n") == "Één.\n"
        html, picture = related.iter_parts()
        assert related.get_content_type() == "multipart/related"
        assert "<p>Één <img" in str(html.get_content())
        assert (picture.get_content_type(), picture.get_content()) == ("image/png", png())
        (shown,) = re.findall(r'"cid:([^"]+)"', str(html.get_content()))
        assert picture["Content-ID"] == f"<{shown}>"
        assert message["List-Unsubscribe"] == "<https://consent.example/leave/abc>"
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"

    def test_the_page_and_the_link_are_forgotten_with_the_address(self, app: Flask) -> None:
        """G1"""
        mails.queue("k", "a@shop.example", "s", "t", NOW, page=mails.Page("<p>", png()), leave="https://c.example/l")
        db.session.commit()
        with PostOffice() as office, sending(app, office.url) as send:
            send()
        mails.tidy(db.engine, datetime.now(UTC) + mails.KEPT * 2)
        (mail,) = queued()
        assert (mail.text, mail.html, mail.picture, mail.leave) == ("", None, None, None)


def test_an_owner_sets_the_time_zone_in_the_console_and_the_command_does_as_well(app: Flask) -> None:
    alice = signed_in(app, "alice")
    form = {"organisation": str(ours().id), "csrf_token": alice.token("/console/members")}
    assert alice.post("/console/members/zone", data={**form, "zone": "America/New_York"}).status_code == 303
    assert alice.post("/console/members/zone", data={**form, "zone": "Mars/Base"}).status_code == 422
    run = app.test_cli_runner().invoke
    assert run(args=["organisation", "zone", "Webwinkel B.V.", "Mars/Base"]).exit_code == 1
    assert run(args=["organisation", "zone", "Webwinkel B.V.", "UTC"]).exit_code == 0
    db.session.rollback()
    notes = db.session.scalars(select(Audit).where(Audit.what == "organisation.zone").order_by(Audit.id)).all()
    assert [(note.details["zone"], note.via) for note in notes] == [("America/New_York", "console"), ("UTC", "command")]
    assert (ours().time_zone, db.session.scalar(select(Membership.weekly).limit(1))) == ("UTC", None)
