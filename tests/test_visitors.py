"""Requests and records in the console: one visitor found by a receipt or a record's id, shown as evidence, erased."""

import json
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from consent import records, rights, versions
from consent.audit import Audit
from consent.db import db
from consent.receipts import Keyring
from tests.conftest import KEY
from tests.pages import Browser, signed_in
from tests.shop import FIREFOX, body

Post = Callable[..., Any]
PATH = "/console/sites/shop/visitors"
pytestmark = pytest.mark.usefixtures("people")


def text(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


@pytest.fixture
def visitor(post: Post) -> dict[str, Any]:
    """Somebody who accepted, then changed; and somebody else."""
    sent = body("accept_all")
    first = post(sent, User_Agent=FIREFOX).json
    last = post(body("custom", source="settings", visitor=sent["visitor"], trackers={"hotjar": False})).json
    other = post(body("accept_all")).json
    return {"id": sent["visitor"], "first": first, "last": last, "other": other}


@pytest.fixture
def alice(app: Flask) -> Browser:
    return signed_in(app, "alice")


def send(browser: Browser, path: str = "", **form: str) -> Any:
    db.session.rollback()
    return browser.post(PATH + path, data={"csrf_token": browser.token(PATH), **form})


def look(browser: Browser, known: str) -> Any:
    return send(browser, known=known)


def audited() -> list[tuple[str, dict[str, Any]]]:
    db.session.rollback()
    return [(row.what, row.details) for row in db.session.scalars(select(Audit).order_by(Audit.id))
            if row.what.startswith("visitor.")]


def kept(visitor: dict[str, Any]) -> int:
    db.session.rollback()
    return len(records.history("shop", uuid.UUID(visitor["id"])))


# Finding -------------------------------------------------------------------------------------------------------------

def test_a_receipt_and_a_records_id_show_the_same_history(alice: Browser, visitor: dict[str, Any], shop: Any) -> None:
    first, last = visitor["first"], visitor["last"]
    for known in (last["receipt"], f" poort={last['receipt']}; ", first["receipt"], first["record"]["id"],
                  last["record"]["id"].upper()):
        answer = look(alice, known)
        assert answer.status_code == 200, known
        page = text(answer.text)
        for part in ("1. Alles toegestaan", "2. Eigen keuze", first["record"]["id"], last["record"]["id"], shop.digest,
                     "De hash is zojuist opnieuw berekend en klopt", "Firefox, Linux, desktop", "Toestemming gegeven",
                     "Hotjar, ", "geweigerd", "Cookies van Webwinkel B.V.", "Alle cookies toestaan",
                     "registraties: 2, meldingen van wat ervan kwam: 0, getoonde versies: 1"):
            assert part in page, part
        assert visitor["other"]["record"]["id"] not in page
        assert visitor["id"] not in answer.text
    by_receipt = text(look(alice, last["receipt"]).text)
    assert "een bewijs: echt, en het zegt wat is opgeslagen" in by_receipt
    assert "niets bewijst wie dit vraagt" in text(look(alice, last["record"]["id"]).text)


def forged(token: str) -> str:
    payload, _, signature = token.rpartition(".")
    return f"{payload}.{signature[:-2]}{'AB' if not signature.endswith('AB') else 'CD'}"


def other_key(token: str) -> str:
    return Keyring(["another-key-0123456789-abcdefghij"]).issue(Keyring([KEY]).read(token))


def of_another_site(token: str) -> str:
    return Keyring([KEY]).issue(Keyring([KEY]).read(token)._replace(site="elsewhere"))


def of_nobody(token: str) -> str:
    return Keyring([KEY]).issue(Keyring([KEY]).read(token)._replace(visitor=str(uuid.uuid4())))


NOT_FOUND: dict[str, tuple[Callable[[str], str], str]] = {
    "nothing": (lambda _: " ", "Plak een bewijs, of het kenmerk van een registratie."),
    "a name": (lambda _: "Jan Jansen", "Dit is geen bewijs en geen kenmerk van een registratie."),
    "a mail address": (lambda _: "jan@mail.example", "Dit bewijs is niet echt"),
    "an id of nobody": (lambda _: str(uuid.uuid4()), "Deze site heeft geen registratie met dit kenmerk."),
    "a forged receipt": (forged, "Dit bewijs is niet echt"),
    "one signed with another key": (other_key, "Dit bewijs is niet echt"),
    "one without its signature": (lambda token: token.partition(".")[0], "Dit is geen bewijs"),
    "another site's": (of_another_site, "Dit bewijs is van een andere site."),
    "one of nobody": (of_nobody, "Dit bewijs is echt, maar er is niets van bewaard"),
    "far too long": (lambda token: token * 20, "Dit is geen bewijs"),
    "markup": (lambda _: "<script>alert(1)</script>", "Dit is geen bewijs"),
}


@pytest.mark.parametrize("migrated", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("of", "sentence"), NOT_FOUND.values(), ids=NOT_FOUND)
def test_who_is_not_found_is_one_sentence(
    alice: Browser, visitor: dict[str, Any], of: Callable[[str], str], sentence: str
) -> None:
    token = visitor["last"]["receipt"]
    answer = look(alice, of(token))
    assert answer.status_code == 422
    page = text(answer.text)
    assert sentence in page
    assert answer.text.count('role="alert"') == 1
    assert 'aria-describedby="known-fault"' in answer.text
    assert visitor["last"]["record"]["id"] not in page
    assert token not in answer.text
    assert "<script>alert" not in answer.text
    assert audited() == []


def test_a_record_of_another_site_is_not_found(
    alice: Browser, post: Post, define: Callable[..., Any]
) -> None:
    define(key="other-shop")
    other = post(body("accept_all"), key="other-shop").json
    assert look(alice, other["record"]["id"]).status_code == 422
    assert "andere site" in text(look(alice, other["receipt"]).text)


def test_a_receipt_that_says_something_else_than_what_is_stored_is_told(
    alice: Browser, visitor: dict[str, Any]
) -> None:
    """Only who has the key can make one."""
    ring = Keyring([KEY])
    receipt = ring.read(visitor["last"]["receipt"])
    changed = ring.issue(receipt._replace(granted=frozenset({"marketing"})))
    assert "iets anders dan wat is opgeslagen" in text(look(alice, changed).text)
    lost = ring.issue(receipt._replace(record=str(uuid.uuid4())))
    assert "de registratie waarvoor het staat is er niet meer" in text(look(alice, lost).text)


@pytest.mark.parametrize("migrated", ["sqlite"], indirect=True)
def test_only_the_owner_may(app: Flask, visitor: dict[str, Any]) -> None:
    record = visitor["last"]["record"]["id"]
    for name, status in (("bob", 403), ("charlie", 404)):
        browser = signed_in(app, name)
        token = browser.token("/console/")
        for path in ("", "/print", "/evidence", "/erase", "/restrict", "/lift"):
            form = {"csrf_token": token, "known": record, "confirmed": "yes"}
            answer = browser.post(PATH + path, data=form)
            assert answer.status_code == status, (name, path)
            assert record not in answer.text
    assert kept(visitor) == 2
    assert audited() == []


# Evidence ------------------------------------------------------------------------------------------------------------

def test_the_file_has_the_receipts_and_the_versions_that_were_shown(
    alice: Browser, visitor: dict[str, Any], define: Callable[..., Any]
) -> None:
    define(name="Een andere naam")
    answer = send(alice, "/evidence", known=visitor["first"]["record"]["id"])
    assert answer.headers["Content-Disposition"] == 'attachment; filename="evidence-shop.json"'
    assert "no-store" in answer.headers["Cache-Control"]
    found = json.loads(answer.data)
    assert found["schema"] == "poort/evidence/1"
    assert found["receipt"] is None
    shown = json.loads(send(alice, "/evidence", known=visitor["last"]["receipt"]).data)["receipt"]
    assert shown["claims"]["r"] == visitor["last"]["record"]["id"]
    assert shown["verdict"] == "genuine, and it says what is stored"
    assert found["counts"] == {"records": 2, "outcomes": 0, "versions": 1}
    graph = found["consent_receipts"]["@graph"]
    assert [node["dct:identifier"] for node in graph] == [
        visitor[name]["record"]["id"] for name in ("first", "last")]
    assert [node["dpv:hasConsentStatus"] for node in graph] == ["dpv:ConsentGiven", "dpv:RenewedConsentGiven"]
    (version,) = found["versions"].values()
    assert version["digest_is_right"]
    assert versions.digest_of(version["snapshot"]) == version["digest"]
    assert version["snapshot"]["definition"]["name"] == "Webwinkel"
    assert visitor["other"]["record"]["id"] not in answer.text


def test_on_paper_everything_is_open(alice: Browser, visitor: dict[str, Any]) -> None:
    page = send(alice, "/print", known=visitor["first"]["receipt"]).text
    assert "een bewijs: echt, en het zegt wat is opgeslagen" in text(page)
    assert page.count("<details open>") == page.count("<details") == 4
    assert "Own statistics" in page
    assert visitor["first"]["record"]["id"] in page


def test_a_version_that_was_changed_in_the_database_is_told(
    app: Flask, alice: Browser, visitor: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "De hash is niet die" not in text(look(alice, visitor["last"]["receipt"]).text)
    published = app.extensions["poort"].publications._versions["shop", 1]
    monkeypatch.setitem(published.snapshot["texts"]["nl"], "intro", "Iets anders.")
    assert "De hash is niet die van wat is opgeslagen" in text(look(alice, visitor["last"]["receipt"]).text)


def test_what_came_of_it_is_shown(app: Flask, alice: Browser, visitor: dict[str, Any]) -> None:
    said = {"record": visitor["last"]["record"]["id"], "trackers": {"hotjar": ["deleted"], "meta": ["told"]}}
    answer = app.test_client().post(
        "/v1/sites/shop/outcomes", json=said, headers={"Poort-Receipt": visitor["last"]["receipt"]})
    assert answer.status_code == 204
    assert "hotjar uit de browser verwijderd" in text(look(alice, visitor["last"]["receipt"]).text)


# What may be asked ---------------------------------------------------------------------------------------------------

def test_erasing_asks_first_and_leaves_nothing_but_counts(alice: Browser, visitor: dict[str, Any]) -> None:
    record = visitor["last"]["record"]["id"]
    asked = send(alice, "/erase", known=record)
    assert asked.status_code == 200
    assert "Dit is niet terug te draaien" in text(asked.text)
    assert kept(visitor) == 2
    done = send(alice, "/erase", known=record, confirmed="yes")
    assert done.status_code == 303
    assert done.headers["Location"] == PATH
    page = text(alice.get(PATH).text)
    assert "Gewist: alles wat van deze bezoeker bewaard was. Registraties: 2." in page
    assert "keuzes: 2" in page
    assert kept(visitor) == 0
    assert look(alice, record).status_code == 422
    assert "er is niets van bewaard" in text(look(alice, visitor["last"]["receipt"]).text)
    assert send(alice, "/erase", known=record, confirmed="yes").status_code == 422
    assert audited() == [("visitor.read", {"records": 2}), ("visitor.erase", {"records": 2})]
    assert len(records.history("shop", uuid.UUID(visitor["other"]["record"]["visitor"]))) == 1


def test_restricting_and_lifting(alice: Browser, visitor: dict[str, Any]) -> None:
    record = visitor["last"]["record"]["id"]
    assert send(alice, "/restrict", known=record).status_code == 303
    assert rights.is_restricted("shop", uuid.UUID(visitor["id"]))
    page = look(alice, record).text
    assert "beperkt tot en met" in text(page)
    assert f'formaction="{PATH}/lift"' in page
    assert send(alice, "/restrict", known=record).status_code == 303
    assert "Beperkt. Registraties: 0." in text(alice.get(PATH).text)
    assert send(alice, "/lift", known=record).status_code == 303
    db.session.rollback()
    assert not rights.is_restricted("shop", uuid.UUID(visitor["id"]))
    found = [row for row in audited() if row[0] != "visitor.read"]
    assert found == [("visitor.restrict", {"records": 2}), ("visitor.lift", {"records": 2})]
    assert [row.kind for row in rights.listed("shop")] == ["lifting", "restriction"]


def test_the_month_counts_from_the_day_that_was_asked(alice: Browser, visitor: dict[str, Any]) -> None:
    record, now = visitor["last"]["record"]["id"], datetime.now(UTC)
    for wrong in ("gisteren", "2026-13-01", (now + timedelta(days=2)).date().isoformat(),
                  (now - timedelta(days=400)).date().isoformat()):
        for path in ("/restrict", "/erase"):
            answer = send(alice, path, known=record, received=wrong)
            assert answer.status_code == 422
            assert "Gebruik een dag van het afgelopen jaar" in text(answer.text)
            assert f'value="{wrong}"' in answer.text
    assert kept(visitor) == 2
    day = (now - timedelta(days=9)).date()
    assert send(alice, "/erase", known=record, received=day.isoformat(), confirmed="yes").status_code == 303
    (row,) = rights.listed("shop")
    assert row.received_at.date() == day
    assert row.due_at == rights.month_after(row.received_at)
    assert row.done_at is not None
    assert row.done_at - row.received_at > timedelta(days=8)


def test_nothing_of_whom_it_was_about_is_noted(alice: Browser, visitor: dict[str, Any]) -> None:
    look(alice, visitor["last"]["receipt"])
    send(alice, "/evidence", known=visitor["last"]["record"]["id"])
    send(alice, "/erase", known=visitor["last"]["record"]["id"], confirmed="yes")
    found = audited()
    assert [what for what, _ in found] == ["visitor.read", "visitor.export", "visitor.erase"]
    assert all(details == {"records": 2} for _, details in found)


def test_what_is_looked_for_is_in_no_address_and_no_old_list(app: Flask, alice: Browser) -> None:
    page = alice.get(PATH).text
    assert re.search(rf'<form method="post" action="{PATH}"', page)
    answer = alice.get("/console/sites/shop/requests")
    assert (answer.status_code, answer.headers["Location"]) == (302, PATH)


def test_who_reads_a_history_on_paper_or_by_a_wrong_day_is_noted_too(alice: Browser, visitor: dict[str, Any]) -> None:
    record = visitor["last"]["record"]["id"]
    send(alice, "/print", known=record)
    send(alice, "/restrict", known=record, received="1999-01-01")
    assert audited() == [("visitor.read", {"records": 2})] * 2
