"""The experiment of a site definition: what may vary, what each variant makes, and that each one passes the check."""

from typing import Any

import pytest
from flask import Flask
from marshmallow import ValidationError

from consent import changes, experiments, linter, sites, versions
from consent.db import db
from tests.shop import DEFINITION, NOW

B: dict[str, Any] = {"id": "b", "share": 1, "texts": {"nl": {"title": "Mag {controller} dit bezoek meten?"}},
                     "look": {"position": "top"}}
SUMMER: dict[str, Any] = {"id": "summer", "goal": "analytics", "variants": [{"id": "a", "share": 1}, B]}


def defined(*variants: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The shop with an experiment of these variants after the first."""
    experiment = {**SUMMER, "variants": [{"id": "a"}, *(variants or [B])]}
    return sites.parse_definition({**DEFINITION, "experiment": experiment, **fields})


def faults(*variants: dict[str, Any], **fields: Any) -> dict[str, str]:
    with pytest.raises(sites.DefinitionError) as caught:
        defined(*variants, **fields)
    return caught.value.faults


def apply(definition: dict[str, Any]) -> sites.Site:
    site, _ = sites.apply(definition)
    db.session.commit()
    return site


def test_a_variant_is_the_banner_with_what_it_says_otherwise() -> None:
    own = {"texts": {"nl": {"title": "Cookies van {controller}", "close": "Weg"}}, "look": {"position": "bottom-left",
           "scheme": "light"}}
    found = experiments.variants(defined(**own))
    plain = sites.parse_definition({**DEFINITION, **own})
    assert found["a"] == plain, "the first is the banner as it is"
    assert found["b"] == {**plain, "texts": {"nl": {"title": "Mag {controller} dit bezoek meten?", "close": "Weg"}},
                          "look": {"position": "top", "scheme": "light"}}
    assert sites.parse_definition(found["b"]) == found["b"], "a definition as any other: the winner can be published"
    assert experiments.variants(plain) == {}


@pytest.mark.parametrize(("variants", "path"), [
    pytest.param([{"id": "b"}], "experiment.variants.1", id="nothing varies"),
    pytest.param([{"id": "b", "texts": {}, "look": {"colours": {}}}], "experiment.variants.1", id="blanks vary none"),
    pytest.param([{**B, "id": "a"}], "experiment.variants.1.id", id="a name twice"),
    pytest.param([B, {**B, "id": "c"}], "experiment.variants.c", id="the same banner twice"),
    pytest.param([{"id": "b", "look": {"position": "bottom"}}], "experiment.variants.b", id="the usual banner"),
    pytest.param([{**B, "id": f"b{n}"} for n in range(4)], "experiment.variants", id="five"),
    pytest.param([{**B, "id": "B"}], "experiment.variants.1.id", id="no name"),
    pytest.param([{**B, "id": "b" * 32}], "experiment.variants.1.id", id="a name too long for its column"),
    pytest.param([{**B, "share": 0}], "experiment.variants.1.share", id="never shown"),
    pytest.param([{**B, "trackers": []}], "experiment.variants.1.trackers", id="other trackers"),
    pytest.param([{"id": "b", "texts": {"nl": {"categories": {"analytics": {"purpose": "Meer."}}}}}],
                 "experiment.variants.1.texts.nl.categories", id="another purpose"),
    pytest.param([{"id": "b", "texts": {"nl": {"accept_all": "STA ALLES TOE"}}}],
                 "experiment.variants.b.texts.nl.accept_all", id="a choice that weighs more"),
    pytest.param([{"id": "b", "texts": {"nl": {"necessary_only": "Misschien later"}}}],
                 "experiment.variants.b.texts.nl.necessary_only", id="a refusal that does not say so"),
    pytest.param([{"id": "b", "look": {"colours": {"light": {"button_text": "#17497d"}}}}],
                 "experiment.variants.b.look.colours.light.button_text", id="a button that can not be read"),
    pytest.param([{"id": "b", "look": {"hidden": True}}], "experiment.variants.1.look.hidden", id="no such field"),
])
def test_what_is_no_variant_is_refused_by_its_path(variants: list[dict[str, Any]], path: str) -> None:
    assert list(faults(*variants)) == [path]


def test_an_experiment_itself_is_checked() -> None:
    assert list(faults(experiment={**SUMMER, "variants": [{**B, "id": "a"}, B], "goal": "money"})) == [
        "experiment.goal"]
    assert list(faults(experiment={**SUMMER, "variants": [{**B, "id": "a"}, B]})) == ["experiment.variants.0"]
    for name, wrong in (("smallest", 0.1), ("smallest", True), ("smallest", "5"), ("showings", 10), ("showings", 1e9)):
        assert list(faults(experiment={**SUMMER, name: wrong})) == [f"experiment.{name}"]
    assert list(faults(experiment={"id": "summer"})) == ["experiment.goal", "experiment.variants"]


def test_a_variant_is_held_against_the_law_as_if_it_were_the_banner() -> None:
    guilty = {"id": "b", "texts": {"nl": {"settings_intro": "Weet je het zeker?"}}}
    found = linter.check(defined(guilty))
    assert [(one.hard, one.key) for one in found] == [(True, "B11:experiment.variants.b.texts.nl.settings_intro")]
    assert {language: text.split(":")[0] for language, text in found[0].what.items()} == {
        "nl": "Variant b", "en": "Variant b"}
    doubtful = linter.check(defined({"id": "b", "look": {"position": "center"}}))
    assert [(one.hard, one.key) for one in doubtful] == [(False, "B15:experiment.variants.b.look.position")]
    assert linter.check(defined()) == linter.check(sites.parse_definition(DEFINITION)) == []
    both = linter.check(defined(texts={"nl": {"settings_intro": "Weet je het zeker?"}}))
    assert [one.key for one in both] == ["B11:texts.nl.settings_intro"], "what all have is told once"


def test_what_a_variant_breaks_blocks_publishing(app: Flask) -> None:
    site = apply(defined({"id": "b", "texts": {"nl": {"settings_intro": "Weet je het zeker?"}}}))
    with pytest.raises(linter.Blocked):
        versions.publish(site, NOW)


def test_an_experiment_asks_nobody_again(app: Flask) -> None:
    site = apply(DEFINITION)
    first, _ = versions.publish(site, NOW)
    apply(defined())
    second, _ = versions.publish(site, NOW)
    assert [(one["kind"], one["material"]) for one in second.changes or []] == [("experiment", False)]
    assert second.since["trackers"] == first.since["trackers"]
    assert versions.published(second).variants == {"a": "summer:a", "b": "summer:b"}
    apply(DEFINITION)
    third, _ = versions.publish(site, NOW)
    assert [one["sentence"]["en"] for one in third.changes or []] == [
        "No experiment with the banner is running any more."]
    winner = versions.freeze(experiments.as_variant(defined(), "b"))
    assert not any(one.material for one in changes.compare(versions.freeze(defined()), winner))


def test_the_name_of_another_experiment_can_not_be_used_again(app: Flask) -> None:
    site = apply(defined())
    versions.publish(site, NOW)
    apply(defined(consent_days=90))
    assert versions.publish(site, NOW)[1], "the same experiment goes on"
    other = {**B, "look": {"position": "bottom-left"}}
    for changed in (defined(other), defined({**B, "share": 2}), defined(look={"scheme": "dark"}),
                    defined(experiment={**SUMMER, "goal": "answered"}), defined(experiment={**SUMMER, "smallest": 2})):
        apply(changed)
        for attempt in (lambda: versions.preview(site), lambda: versions.publish(site, NOW)):
            with pytest.raises(ValidationError) as caught:
                attempt()
            assert sites.flatten(caught.value.messages) == {"experiment.id": experiments.USED}
    apply({**defined(other), "experiment": {**defined(other)["experiment"], "id": "autumn"}})
    assert versions.publish(site, NOW)[1]
