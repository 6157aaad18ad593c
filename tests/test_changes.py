"""What a version changes, and what of it asks visitors again: that and nothing else (F3, F4)."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from consent import changes, gate, sites, versions
from consent.changes import Change, compare, is_reworded
from consent.db import db
from consent.receipts import Receipt
from tests.conftest import forget
from tests.pages import signed_in
from tests.shop import DEFINITION, NOW
from tests.test_console import text

OWN = DEFINITION["trackers"][-1]
POLICY = {"date": "2026-11-22", "material": True, "affects": ["marketing"],
          "summary": {"nl": "We bewaren gegevens langer.", "en": "We keep data longer."}}


def shop(**fields: Any) -> dict[str, Any]:
    """The shop's definition with other fields."""
    return deepcopy({**DEFINITION, **fields})


def with_own(**fields: Any) -> dict[str, Any]:
    """The shop with another tracker of its own."""
    return shop(trackers=[*DEFINITION["trackers"][:-1], {**OWN, **fields}])


def frozen(definition: dict[str, Any]) -> dict[str, Any]:
    return versions.freeze(sites.parse_definition(definition))


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """What the second definition changes against the first; said well in both languages."""
    found = compare(json.loads(versions.canonical(frozen(before))), frozen(after))
    for change in found:
        assert set(change.sentence) == {"nl", "en"}
        for sentence in change.sentence.values():
            assert sentence[0].isupper() or sentence[0].isdigit()
            assert sentence.endswith((".", "’"))
            assert "{" not in sentence
        assert change.rule == ("F3" if change.material else "F4")
    return found


TRACKERS = DEFINITION["trackers"]
LEADINFO = shop(trackers=[*TRACKERS, {"id": "leadinfo"}])
MOVED = shop(trackers=[{**TRACKERS[0], "category": "marketing", "reason": "for ads"}, *TRACKERS[1:]])
EVERYTHING = ("intercom", "ga4", "hotjar", "own-stats", "meta")
OPTIONAL = ("functional", "analytics", "marketing")

MATERIAL = [
    (shop(), LEADINFO, "new", ("leadinfo",), (), "Nieuw: Leadinfo, voor marketing."),
    (shop(), MOVED, "moved", ("ga4",), (), "Google Analytics 4 gaat van statistieken naar marketing."),
    (shop(), with_own(vendor="Meetbureau"), "vendor", ("own-stats",), (),
     "Own statistics is nu van Meetbureau; dat was Webwinkel B.V.."),
    (shop(), with_own(country="US"), "vendor", ("own-stats",), (),
     "Own statistics geeft nu gegevens door naar buiten de Europese Economische Ruimte."),
    (shop(), with_own(role="processor"), "role", ("own-stats",), (),
     "Webwinkel B.V. gebruikt de gegevens van Own statistics nu in opdracht van de site; dat was ook voor eigen"
     " doelen."),
    (with_own(exempt=True, reason="counts visits alone"), shop(), "exempt", ("own-stats",), (),
     "Own statistics vraagt nu toestemming."),
    (shop(), with_own(purpose={"nl": "Telt bezoeken en verkoopt ze.", "en": "Counts visits."}), "purpose",
     ("own-stats",), (), "Own statistics krijgt een ander doel: ‘Telt bezoeken en verkoopt ze.’"),
    (shop(), with_own(session_replay=True), "purpose", ("own-stats",), (),
     "Own statistics neemt nu op wat bezoekers op de pagina doen."),
    (shop(), shop(controller={**DEFINITION["controller"], "name": "Overnemer N.V."}), "controller", EVERYTHING,
     OPTIONAL, "Overnemer N.V. is nu verantwoordelijk; dat was Webwinkel B.V.."),
    (shop(), shop(policy=POLICY), "policy", ("meta",), ("marketing",),
     "De privacyverklaring van 2026-11-22 is wezenlijk anders, en de vraag komt terug voor marketing:"
     " ‘We bewaren gegevens langer.’"),
    (shop(policy=POLICY), shop(policy={**POLICY, "date": "2026-12-01", "affects": []}), "policy", (), (),
     "De privacyverklaring van 2026-12-01 is wezenlijk anders: ‘We bewaren gegevens langer.’"),
    (shop(policy={**POLICY, "material": False, "affects": []}), shop(policy=POLICY), "policy", ("meta",),
     ("marketing",), None),
    (shop(trackers=TRACKERS[:1]), shop(trackers=[TRACKERS[0], TRACKERS[2]]), "new", ("meta",), ("marketing",),
     "Voor marketing wordt voor het eerst toestemming gevraagd."),
    (shop(), shop(audience="children"), "audience", (), (),
     "De site richt zich nu op kinderen: wat toestemming vraagt, gaat voor niemand meer aan."),
    (shop(audience="children"), shop(), "new", ("meta",), ("marketing",),
     "Voor marketing wordt voor het eerst toestemming gevraagd."),
]


@pytest.mark.parametrize(("before", "after", "kind", "trackers", "categories", "sentence"), MATERIAL)
def test_a_material_change_names_what_it_affects(
    before: Any, after: Any, kind: str, trackers: tuple[str, ...], categories: tuple[str, ...], sentence: str | None
) -> None:
    """F3"""
    found = [change for change in changed(before, after) if change.material]
    assert (kind, trackers, categories) in [(one.kind, one.trackers, one.categories) for one in found]
    assert sentence is None or sentence in [one.sentence["nl"] for one in found]


MINOR = [
    (LEADINFO, shop(), "Leadinfo is weg."),
    (shop(), with_own(purpose={"nl": "Telt het bezoek.", "en": "Counts visits!"}),
     "Own statistics is anders verwoord: ‘Telt het bezoek.’"),
    (shop(), with_own(name="Own stats"), "Own statistics is anders verwoord: ‘Own stats’"),
    (shop(), with_own(vendor="Webwinkel BV"), "Own statistics is anders verwoord: ‘Webwinkel BV’"),
    (shop(), with_own(cookies=[*OWN["cookies"], {"name": "_more", "duration": "P1D"}]),
     "Own statistics bewaart meer of anders: _more."),
    (shop(), with_own(cookies=[]), "Own statistics bewaart minder: _own_*."),
    (shop(), with_own(cookies=[{"name": "_own_*", "duration": "P1M"}]),
     "Own statistics bewaart meer of anders: _own_*."),
    (shop(), with_own(country="DE", hosts=["s.shop.example"]), "Own statistics: land, adressen bijgewerkt."),
    (shop(), shop(trackers=TRACKERS[::-1]), "De trackers staan in een andere volgorde."),
    (shop(), shop(consent_days=90), "Dagen dat een toestemming geldt: 90; dat was 180."),
    (shop(), shop(languages=["nl"]), "Talen: en weg."),
    (shop(languages=["nl"]), shop(), "Talen: en erbij."),
    (shop(), shop(origins=["https://app.shop.example"]),
     "Adressen van de site: https://app.shop.example erbij, https://www.shop.example weg."),
    (shop(), shop(cookie_domain=None), "Het domein van de cookie: niets; dat was shop.example."),
    (shop(), shop(name="Winkel"), "De naam van de site: Winkel; dat was Webwinkel."),
    (shop(), shop(controller={**DEFINITION["controller"], "name": "Webwinkel BV"}),
     "De naam van de verantwoordelijke: Webwinkel BV; dat was Webwinkel B.V.."),
    (shop(), shop(controller={**DEFINITION["controller"], "email": "p@shop.example"}),
     "Het e-mailadres van de verantwoordelijke: p@shop.example; dat was privacy@shop.example."),
    (shop(), shop(policy={"date": "2026-11-22"}), "De gegevens over de privacyverklaring zijn bijgewerkt."),
    (shop(policy=POLICY), shop(policy={**POLICY, "affects": ["analytics", "marketing"]}),
     "De gegevens over de privacyverklaring zijn bijgewerkt."),
    (shop(), shop(release="immediate"), "Wanneer trackers laden: immediate; dat was acknowledged."),
]


@pytest.mark.parametrize(("before", "after", "sentence"), MINOR)
def test_a_minor_change_names_itself_and_asks_nobody(before: Any, after: Any, sentence: str) -> None:
    """F4"""
    found = changed(before, after)
    assert [one.sentence["nl"] for one in found] == [sentence]
    assert not any(one.material for one in found)


def test_new_words_of_the_banner_are_minor_and_another_purpose_of_a_category_is_not() -> None:
    before = frozen(shop())
    after = deepcopy(before)
    after["texts"]["nl"]["intro"] = "Anders."
    assert [(one.kind, one.material) for one in compare(before, after)] == [("texts", False)]
    after["texts"]["en"]["categories"]["marketing"]["purpose"] = "Selling what you like to others."
    (material,) = [one for one in compare(before, after) if one.material]
    assert (material.kind, material.trackers, material.categories) == ("purpose", ("meta",), ("marketing",))


def test_what_nobody_has_a_word_for_is_told_all_the_same() -> None:
    before = frozen(shop())
    assert [one.kind for one in compare(before, {**before, "schema": "poort/version/2"})] == ["other"]
    after = deepcopy(before)
    after["definition"]["something_days"] = 3
    assert [one.sentence["en"] for one in compare(before, after)] == ["something_days: 3; that was nothing."]


@pytest.mark.parametrize(("before", "after", "same"), [
    ("Telt bezoeken.", "telt bezoeken", True),
    ("Telt bezoeken.", "Telt het bezoek.", True),
    ("Meet hoe bezoekers de site gebuiken.", "Meet hoe bezoekers de site gebruiken.", True),
    ("Counts visits.", "Counts the visit.", True),
    ("Counts visits.", "Counts the visitors.", False),
    ("Bewaart geanonimiseerde bezoeken.", "Bewaart gepseudonimiseerde bezoeken.", False),
    ("For internal reports.", "For international reports.", False),
    ("Counts visits.", "Counts visits and sells them.", False),
    ("Counts visits, not visitors.", "Counts visits, visitors.", False),
    ("Kept for 30 days.", "Kept for 90 days.", False),
    ("Persoonlijk aanbod.", "Onpersoonlijk aanbod.", False),
    ("Data with names.", "Data without names.", False),
    ("Shows us what works.", "Shows ads what works.", False),
    ("Counts visits for ads.", "Counts ads for visits.", False),
])
def test_a_typo_is_told_from_another_purpose(before: str, after: str, same: bool) -> None:
    """In doubt it is another purpose."""
    assert is_reworded(before, after) is same
    assert is_reworded(after, before) is same


# -- any two definitions ----------------------------------------------------------------------------------------------

BARE = [{"id": "ga4"}, {"id": "hotjar"}, {"id": "meta"}, {"id": "leadinfo"}, {"id": "intercom"}]
trackers = st.one_of(
    st.sampled_from(BARE),
    st.builds(lambda row, category: {**row, "category": category, "reason": "so"},
              st.sampled_from(BARE), st.sampled_from(OPTIONAL)),
    st.builds(
        lambda **fields: {**OWN, "reason": "little harm", **fields}, exempt=st.booleans(),
        role=st.sampled_from(("processor", "controller")),
        vendor=st.sampled_from(("Webwinkel B.V.", "Webwinkel BV", "Meetbureau")),
        purpose=st.sampled_from(({"nl": "Telt bezoeken.", "en": "Counts visits."},
                                 {"nl": "Telt bezoek.", "en": "Counts visits."},
                                 {"nl": "Verkoopt alles.", "en": "Sells everything."})),
        cookies=st.sampled_from((OWN["cookies"], []))),
)
definitions = st.builds(
    lambda trackers, policy, controller, **fields: {
        **DEFINITION, **fields, "trackers": trackers,
        "controller": {**DEFINITION["controller"], "name": controller}, **({"policy": policy} if policy else {})},
    trackers=st.lists(trackers, max_size=5, unique_by=lambda row: row["id"]),
    policy=st.sampled_from((None, POLICY, {**POLICY, "date": "2026-12-01", "affects": ["analytics"]},
                            {"date": "2026-12-02"})),
    controller=st.sampled_from(("Webwinkel B.V.", "Webwinkel bv", "Overnemer N.V.")),
    audience=st.sampled_from(("general", "general", "general", "children")),
    consent_days=st.sampled_from((90, 180)),
    name=st.sampled_from(("Webwinkel", "Winkel")),
)


def followed(history: list[dict[str, Any]]) -> list[tuple[dict[str, Any], dict[str, Any], list[Change]]]:
    """The versions that these definitions make one after the other: snapshot, since and changes of each."""
    made: list[tuple[dict[str, Any], dict[str, Any], list[Change]]] = []
    for definition in history:
        snapshot = frozen(definition)
        found = compare(json.loads(versions.canonical(made[-1][0])), snapshot) if made else []
        if made and not found:
            continue
        made.append((snapshot, changes.since(made[-1][1] if made else None, snapshot, found, len(made) + 1), found))
    return made


def gate_of(number: int, snapshot: dict[str, Any], since: dict[str, Any]) -> gate.Version:
    row = versions.Version(site="shop", number=number, digest="", snapshot=json.dumps(snapshot), since=since,
                           published_at=NOW, changes=[])
    return versions.published(row).gate


def answers(version: gate.Version, receipt: Receipt) -> dict[str, str]:
    """What the gate says of every tracker, and of every category that has one to ask about."""
    asked = {tracker.category for tracker in version.trackers.values() if tracker.asked}
    return {name: gate.decide(receipt, version, name, 0).reason for name in version.trackers} | {
        f"all {name}": gate.decide_category(receipt, version, name, 0).reason for name in asked}


receipts = st.builds(
    lambda granted, refused, allowed, version: Receipt(
        "shop", "r", "p", version, "custom", frozenset(granted), frozenset(refused), frozenset(allowed), False, 0, 1),
    granted=st.sets(st.sampled_from(OPTIONAL)), refused=st.sets(st.sampled_from(("ga4", "own-stats")), max_size=1),
    allowed=st.sets(st.sampled_from(("meta", "leadinfo")), max_size=1), version=st.integers(1, 4))


@settings(max_examples=80, deadline=None)
@given(st.lists(definitions, min_size=2, max_size=4), receipts)
@example([shop(), shop(audience="children"), shop()], Receipt(
    "shop", "r", "p", 1, "custom", frozenset({"marketing"}), frozenset(), frozenset(), False, 0, 1))
def test_since_rises_for_what_a_material_change_names_and_for_nothing_else(
    history: list[dict[str, Any]], receipt: Receipt
) -> None:
    """F3, F4: for any definitions one after the other, and any receipt for one of them."""
    made = followed(history)
    for number, (snapshot, since, found) in enumerate(made[1:], 2):
        old, old_since, _ = made[number - 2]
        material = [change for change in found if change.material]
        named = {id for change in material for id in change.trackers}
        assert {id for id, n in since["trackers"].items() if n == number} == named
        wide = {id for change in material for id in change.categories}
        assert {id for id, n in since["categories"].items() if n == number} == wide
        assert all(since["kinds"][id] in changes.MATERIAL for id in named)
        assert all(since["category_kinds"][id] in changes.MATERIAL for id in wide)
        assert set(since["kinds"]) == {id for id, n in since["trackers"].items() if n > 1}
        assert compare(snapshot, snapshot) == []
        if receipt.version < number:
            before = answers(gate_of(number - 1, old, old_since), receipt)
            after = answers(gate_of(number, snapshot, since), receipt)
            removed = {row["id"] for row in old["trackers"]} - {row["id"] for row in snapshot["trackers"]}
            if not material and not removed:
                assert before == after
            if old["definition"]["audience"] == snapshot["definition"]["audience"]:
                kept = {name for name in after.keys() & before.keys() - named if not name.startswith("all ")}
                assert {name: before[name] for name in kept} == {name: after[name] for name in kept}


# -- published --------------------------------------------------------------------------------------------------------

Define = Callable[..., versions.Version]


def test_a_version_keeps_what_it_changed_and_its_end(define: Define, client: FlaskClient) -> None:
    first = define()
    second = define(trackers=LEADINFO["trackers"], policy=POLICY)
    third = define(trackers=LEADINFO["trackers"], policy=POLICY, name="Winkel")
    shown = [client.get(f"/v1/sites/shop/versions/{number}") for number in (1, 2, 3)]
    one, two, three = (answer.get_json() for answer in shown)
    assert (first.changes, one["changes"]) == ([], [])
    assert one["effective_at"] == one["published_at"] == "2026-11-22T10:00:00Z"
    assert one["ended_at"] == two["effective_at"]
    assert [(row["kind"], row["material"], row["trackers"]) for row in two["changes"]] == [
        ("new", True, ["leadinfo"]), ("policy", True, ["meta", "leadinfo"])]
    assert two["changes"] == second.changes
    assert two["since"]["trackers"] == {"ga4": 1, "hotjar": 1, "meta": 2, "intercom": 1, "own-stats": 1, "leadinfo": 2}
    assert two["since"]["categories"] == {"necessary": 1, "functional": 1, "analytics": 1, "marketing": 2}
    assert [row["sentence"]["en"] for row in three["changes"]] == ["The site's name: Winkel; that was Webwinkel."]
    assert three["since"] == two["since"], "a minor version asks nobody"
    assert three["ended_at"] is None
    assert third.since["kinds"] == {"meta": "policy", "leadinfo": "new"}, "kept while its since stays"
    assert [answer.headers["Cache-Control"] for answer in shown] == [
        "public, max-age=31536000, immutable", "public, max-age=31536000, immutable", "public, max-age=60"]


def test_the_banner_is_told_what_is_new(define: Define, client: FlaskClient) -> None:
    define()
    config = client.get("/v1/sites/shop/config?lang=nl").get_json()
    assert {row["change"] for row in config["trackers"]} == {None}
    assert "notice" not in config
    assert not any("change" in row for row in config["categories"])
    define(trackers=LEADINFO["trackers"])
    define(trackers=LEADINFO["trackers"], policy=POLICY)
    config = client.get("/v1/sites/shop/config?lang=en").get_json()
    kinds = {row["id"]: row["change"] for row in config["trackers"]}
    assert kinds == {"ga4": None, "hotjar": None, "meta": "policy", "intercom": None, "own-stats": None,
                     "leadinfo": "policy"}
    assert {row["id"]: row["change"] for row in config["categories"] if "change" in row} == {"marketing": "policy"}
    assert config["notice"] == {"version": 3, "date": "2026-11-22", "summary": "We keep data longer."}
    later = {"date": "2027-01-01"}
    define(trackers=LEADINFO["trackers"], policy=later, languages=["nl"])
    assert client.get("/v1/sites/shop/config?lang=nl").get_json()["notice"]["summary"] == "We bewaren gegevens langer."


def test_a_version_of_before_changes_were_kept_is_served(app: Flask, define: Define, client: FlaskClient) -> None:
    define()
    trackers = dict.fromkeys([row["id"] for row in TRACKERS], 2)
    old = {"trackers": trackers, "categories": dict.fromkeys(gate.CATEGORIES, 1)}
    row = {**db.session.execute(select(versions.Version.__table__)).mappings().one(), "number": 2, "since": old,
           "changes": None}
    db.session.execute(versions.Version.__table__.insert().values(row))
    sites.site_for_key("shop").current = 2
    db.session.commit()
    forget(app)
    assert client.get("/v1/sites/shop/versions/2").get_json()["changes"] is None
    assert client.get("/v1/sites/shop/config").get_json()["trackers"][0]["change"] is None
    assert define(trackers=LEADINFO["trackers"]).since["trackers"] == {**trackers, "leadinfo": 3}


BAD_POLICIES: list[tuple[Any, str]] = [
    ({}, "policy.date"),
    ({"date": "22-11-2026"}, "policy.date"),
    ({"date": "2026-02-30"}, "policy.date"),
    ({"date": "2026-11-22", "material": True}, "policy.summary.nl"),
    ({**POLICY, "summary": {"nl": "Anders."}}, "policy.summary.en"),
    ({**POLICY, "summary": {**POLICY["summary"], "de": "Anders."}}, "policy.summary.de.key"),  # type: ignore[dict-item]
    ({**POLICY, "affects": ["necessary"]}, "policy.affects.0"),
    ({**POLICY, "affects": ["marketing", "marketing"]}, "policy.affects"),
    ({"date": "2026-11-22", "affects": ["marketing"]}, "policy.affects"),
    ({"date": "2026-11-22", "colour": "red"}, "policy.colour"),
    ("new", "policy"),
]


@pytest.mark.parametrize(("policy", "path"), BAD_POLICIES)
def test_a_bad_policy_is_refused_with_its_path(policy: Any, path: str) -> None:
    with pytest.raises(sites.DefinitionError) as refused:
        sites.parse_definition(shop(policy=policy))
    assert path in " ".join(refused.value.faults)


def test_a_definition_without_a_policy_keeps_its_digest() -> None:
    assert "policy" not in sites.parse_definition(shop())
    assert sites.parse_definition(shop(policy=POLICY))["policy"] == POLICY


# -- before and after publishing --------------------------------------------------------------------------------------

def test_the_commands_say_it_before_and_after(app: Flask, define: Define) -> None:
    def flask(*arguments: str) -> Any:
        done = app.test_cli_runner().invoke(args=["site", *arguments])
        db.session.rollback()
        assert done.exit_code == 0, done.output
        return done.output

    sites.apply(shop())
    db.session.commit()
    assert flask("changes", "shop") == "shop: nothing is published yet; this becomes version 1\n"
    define()
    assert flask("changes", "shop").startswith("shop: unchanged, stays version 1, sha256 ")
    sites.apply({**LEADINFO, "consent_days": 90})
    db.session.commit()
    said = ["  material (F3): New: Leadinfo, for marketing.",
            "  not material (F4): Days that a consent holds: 90; that was 180."]
    for arguments in (("changes", "shop"), ("publish", "shop", "--dry-run"), ("publish", "shop")):
        first, *rest = flask(*arguments).splitlines()
        assert "published as version 2, sha256 " in first
        assert rest == said
    assert flask("publish", "shop").splitlines() == [
        f"shop: unchanged, stays version 2, sha256 {versions.preview(sites.site_for_key('shop'))[0]}"]
    sites.apply(LEADINFO)
    db.session.commit()
    told = json.loads(flask("changes", "shop", "--format", "json"))
    assert (told["site"], told["number"], len(told["changes"])) == ("shop", 3, 1)


@pytest.mark.usefixtures("people")
def test_the_console_shows_it_and_publishes_just_that(app: Flask) -> None:
    alice, bob = signed_in(app, "alice"), signed_in(app, "bob")
    path = "/console/sites/shop/publish"
    assert "Niets te publiceren" in alice.get(path).text
    sites.apply({**LEADINFO, "consent_days": 90})
    db.session.commit()
    for browser, button in ((alice, True), (bob, False)):
        page = browser.get(path).text
        assert ("Versie 2 publiceren" in page) is button
        order = ["Wezenlijk:", "Nieuw: Leadinfo, voor marketing.", "Niet wezenlijk:", "Dagen dat een toestemming geldt"]
        assert sorted(map(text(page).index, order)) == list(map(text(page).index, order))
    digest = alice.get(path).text.split('name="digest" value="')[1].split('"')[0]

    def send(browser: Any, digest: str) -> Any:
        return browser.post(path, data={"csrf_token": browser.token("/console/"), "digest": digest})

    assert send(bob, digest).status_code == 403
    sites.apply(LEADINFO)
    db.session.commit()
    late = send(alice, digest)
    assert late.status_code == 409
    assert "Er is niets gepubliceerd" in late.text
    assert sites.site_for_key("shop").current == 1
    db.session.rollback()
    digest = late.text.split('name="digest" value="')[1].split('"')[0]
    done = send(alice, digest)
    assert (done.status_code, done.headers["Location"]) == (303, "/console/sites/shop")
    assert "Wat deze versie veranderde" in alice.get("/console/sites/shop").text
    assert "Nieuw: Leadinfo, voor marketing." in text(bob.get("/console/sites/shop").text)
    assert send(alice, digest).status_code == 303, "once more publishes nothing"
    db.session.rollback()
    assert sites.site_for_key("shop").current == 2
