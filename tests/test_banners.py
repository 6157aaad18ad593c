"""What a version tells of its trackers: how to know them, which are embedded, whom to tell, what to remove."""

import json
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from consent import banners, sites, versions
from consent.gate import CATEGORIES
from tests.shop import DEFINITION, NOW

IDS = ("youtube", "intercom", "ga4")
NEW = ("embed", "signal", "elements")


def snapshot() -> dict[str, Any]:
    definition = {**deepcopy(DEFINITION), "trackers": [{"id": id} for id in IDS]}
    return versions.freeze(sites.parse_definition(definition))


def published(frozen: dict[str, Any]) -> versions.Published:
    since = {"trackers": dict.fromkeys(IDS, 1), "categories": dict.fromkeys(CATEGORIES, 1)}
    row = versions.Version(
        site="shop", number=1, digest="0" * 64, snapshot=json.dumps(frozen), since=since, script_digest="",
        published_at=NOW)
    return versions.published(row)


def shown(frozen: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in banners.config(published(frozen), "nl")["trackers"]}


def test_the_config_tells_how_a_tracker_is_known_and_what_to_do_about_it() -> None:
    rows = shown(snapshot())
    assert rows["ga4"]["paths"][0] == "www.googletagmanager.com/gtag/js?id=G-"
    assert "*.google-analytics.com" in rows["ga4"]["hosts"]
    assert {id: row["embed"] for id, row in rows.items()} == {"youtube": True, "intercom": False, "ga4": False}
    assert {id: row["signal"] for id, row in rows.items()} == {"youtube": None, "intercom": "intercom", "ga4": "google"}
    assert rows["intercom"]["elements"] == ["#intercom-container", ".intercom-lightweight-app"]
    assert {"name": "FPID", "duration": "P2Y", "server": True} in rows["ga4"]["cookies"]


def test_a_version_from_before_these_fields_is_shown_without_them() -> None:
    old = snapshot()
    for row in old["trackers"]:
        for name in NEW:
            del row[name]
    for row in shown(old).values():
        assert (row["embed"], row["signal"], row["elements"]) == (False, None, [])
    assert b"__POORT_CONFIG__" not in banners.script_for(published(old))


@pytest.mark.parametrize("unread", ["Unverified", "verified_at", "consent_call", "policies.google.com", "reason"])
def test_what_the_script_does_not_read_is_not_sent_to_every_visitor(unread: str) -> None:
    script, alone = banners.script_for(published(snapshot())), banners.script_without_site()
    assert script.count(unread.encode()) == alone.count(unread.encode())


def test_what_looks_for_news_is_there_for_a_site_that_has_news_alone() -> None:
    """And says no more of a policy than that there is one: the words come with the notice."""
    version = published(snapshot())
    quiet = banners.script_for(version)
    news = {"version": 1, "date": "2026-12-01", "summary": {"nl": "Korter bewaard.", "en": "Kept shorter."}}
    told = banners.script_for(replace(version, since={**version.since, "notice": news}))
    assert b"aside:" not in quiet
    assert b"aside:" in told
    assert b"notice:{version:1}" in told
    assert b"Korter bewaard" not in told


def test_an_owners_words_that_look_like_keys_stay_as_they_are() -> None:
    frozen = snapshot()
    frozen["definition"]["controller"]["name"] = name = 'Webwinkel {"site":1,"ask":2'
    script = banners.script_for(published(frozen)).decode()
    assert f"name:{json.dumps(name)}" in script
    assert '{site:"shop",' in script


# -- what only some sites are served ----------------------------------------------------------------------------------

OWN = {"nl": {"title": "Mag {controller} meekijken?", "reopen": "Keuzes"}, "en": {"reopen": "Choices", "save": "Keep"}}
WITH_PARTS = {"look": {"position": "top"}, "count_visits": True, "experiment": {
    "id": "summer", "goal": "analytics", "variants": [
        {"id": "a"}, {"id": "b", "share": 2, "texts": OWN}, {"id": "c", "look": {"position": "bottom"}},
        {"id": "d", "look": {"scheme": "dark"}}]}}


def of(**differs: Any) -> versions.Published:
    definition = {**deepcopy(DEFINITION), "trackers": [{"id": id} for id in IDS], **differs}
    return published(versions.freeze(sites.parse_definition(definition)))


def test_a_site_with_an_experiment_tells_what_its_variants_say_and_look_like() -> None:
    plain, version = banners.config(of(look=WITH_PARTS["look"]), "nl"), of(**WITH_PARTS)
    assert not {"experiment", "count_visits"} & set(plain)
    dutch, english = (banners.config(version, language) for language in ("nl", "en"))
    assert {**dutch, "experiment": 0} == {**plain, "count_visits": True, "experiment": 0}
    assert dutch["experiment"]["id"] == "summer"
    a, b, c, d = dutch["experiment"]["variants"]
    assert a == {"id": "a", "share": 1}
    assert b == {"id": "b", "share": 2, "texts": OWN["nl"]}
    assert english["experiment"]["variants"][1]["texts"] == OWN["en"]
    assert c == {"id": "c", "share": 1, "look": {"css": "", "top": False}}, "in the place of the site's own"
    assert d["look"]["top"] is True
    assert plain["css"] in d["look"]["css"]
    assert "color-scheme:dark" in d["look"]["css"]


def test_only_a_site_that_needs_a_part_of_the_script_is_served_it() -> None:
    parts = {name: banners.signals()[name].encode() for name in ("experiment", "visits")}
    ordinary, served, alone = (
        banners.script_for(of()), banners.script_for(of(**WITH_PARTS)), banners.script_without_site())
    assert [[code in script for code in parts.values()] for script in (ordinary, served, alone)] == [
        [False, False], [True, True], [True, True]]
    assert b"Keuzes" in served
    assert b"Choices" in served  # what every page in English may need
    assert b'save:"Keep"' not in served  # what only the settings show
