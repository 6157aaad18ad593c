"""The publish check: for each case of each rule a definition that breaks it and one that does not."""

import inspect
import json
import re
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent import catalogue as catalogue_module
from consent import linter, look, rules, sites, wording
from consent.banners import texts
from consent.catalogue import CATALOGUE
from tests.conftest import ROOT
from tests.shop import DEFINITION

Definition = dict[str, Any]
OWN = {**DEFINITION["trackers"][-1], "role": "controller"}


def shop(**changes: Any) -> Definition:
    return {**DEFINITION, **changes}


def own(**changes: Any) -> Definition:
    """The shop with one tracker of its own."""
    return shop(trackers=[{**OWN, **changes}])


def known(id: str, **changes: Any) -> Definition:
    """The shop with one tracker of the catalogue."""
    return shop(trackers=[{"id": id, **changes}])


def purpose(nl: str, en: str = "Counts visits.", /, **changes: Any) -> Definition:
    return own(purpose={"nl": nl, "en": en}, **changes)


def policy(url: str, **changes: Any) -> Definition:
    return shop(controller={**DEFINITION["controller"], "policy_url": url}, **changes)


def says(language: str = "nl", /, **words: Any) -> Definition:
    """The shop with words of its own."""
    return shop(texts={language: words})


def looks(**changes: Any) -> Definition:
    return shop(look=changes)


def children(**changes: Any) -> Definition:
    return shop(audience="children", **changes)


def revised(**changes: Any) -> Definition:
    """The shop with a policy that has changed materially."""
    summary = {"nl": "Er is een ander bedrijf bij gekomen.", "en": "There is one more company now."}
    return shop(policy={"date": "2026-11-01", "material": True, "summary": summary, **changes})


def crowd(number: int) -> Definition:
    """The shop with so many trackers of its own."""
    return shop(trackers=[{**OWN, "id": f"own-{each}"} for each in range(number)])


INTRO = "Mag dat? We vragen je toestemming voor:"
TWO = ["https://www.shop.example", "https://blog.shop.example"]
LOGIN = "Houdt bezoekers ingelogd die daarom vragen."
NEEDED: Definition = {"category": "necessary", "reason": "Zonder deze cookie kan niemand inloggen."}
ABROAD: Definition = {"vendor": "Elders Ltd", "country": "US", "transfer": True, "policy_url": "https://elders.example/privacy"}
PROFESSED = "Wij hebben een gerechtvaardigd belang bij deze cijfers."
EXEMPT: Definition = {"exempt": True, "reason": "Telt alleen op deze site, en deelt niets."}

# Rule, case, the path of the finding, a definition that breaks it, one close to it that does not.
CASES: list[tuple[str, str, str, Definition, Definition]] = [
    ("A2", "logo", "look.logo.url", looks(logo={"url": "https://pictures.example/logo.png"}),
     looks(logo={"url": "https://cdn.shop.example/logo.png"})),
    ("A5", "claimed", "trackers.own-stats.reason",
     own(reason=PROFESSED), own(reason="Nooit op grond van een gerechtvaardigd belang.")),
    ("A5", "claimed", "texts.en.intro", says("en", intro="We rely on legitimate interest, or your consent, for:"),
     says("en", intro="We never rely on legitimate interest, and ask your consent for:")),
    ("A6", "unreasoned", "trackers.own-stats.reason", purpose(LOGIN, category="necessary"), purpose(LOGIN, **NEEDED)),
    ("A6", "measures", "trackers.ga4.category",
     known("ga4", category="necessary", reason="Wij willen het graag weten."), known("ga4")),
    ("A6", "sounds", "trackers.own-stats.category",
     purpose("Voor statistieken van de winkel.", **NEEDED),
     purpose("Zonder statistieken: alleen inloggen.", "Signs in.", **NEEDED)),
    ("A6", "thin", "trackers.own-stats.reason",
     purpose(LOGIN, **{**NEEDED, "reason": "Is nodig."}), purpose(LOGIN, **NEEDED)),
    ("A7", "elsewhere", "trackers.own-stats.exempt", own(**EXEMPT) | {"jurisdiction": "BE"}, own(**EXEMPT)),
    ("A7", "unreasoned", "trackers.own-stats.reason", own(exempt=True), own(**EXEMPT)),
    ("A7", "other", "trackers.own-stats.exempt", own(**EXEMPT, category="functional"), own(**EXEMPT)),
    ("A7", "shares", "trackers.own-stats.exempt", own(**EXEMPT, **ABROAD), own(**ABROAD)),
    ("A8", "replay", "trackers.own-stats.exempt",
     purpose("Neemt bezoeken op.", **EXEMPT), purpose("Neemt bezoeken op.")),
    ("A8", "replay", "trackers.hotjar.exempt", known("hotjar", **EXEMPT), known("hotjar")),
    ("B1", "same", "texts.nl.necessary_only", says(accept_all="Cookies kiezen", necessary_only="Cookies kiezen"),
     says(accept_all="Cookies toestaan", necessary_only="Cookies weigeren")),
    ("B1", "grants", "texts.nl.necessary_only", says(necessary_only="Noodzakelijke en statistieken"),
     says(necessary_only="Alles weigeren")),
    ("B1", "hidden", "texts.nl.necessary_only", says(necessary_only="Sluiten"),
     says(necessary_only="Alleen strikt noodzakelijke cookies")),
    ("B1", "hidden", "texts.en.necessary_only", says("en", necessary_only="Not now"),
     says("en", necessary_only="Reject all")),
    ("B2", "detour", "texts.nl.necessary_only", says(necessary_only="Weigeren via instellingen"),
     says(necessary_only="Weigeren")),
    ("B3", "prose", "texts.nl.necessary_only", says(necessary_only="Wil je dit liever allemaal toch weigeren?"),
     says(necessary_only="Alle cookies weigeren")),
    ("B4", "loud", "texts.nl.accept_all", says(accept_all="ALLES toestaan!"), says(accept_all="Alles toestaan")),
    ("B4", "uneven", "texts.nl", says(accept_all="Akkoord"), says(accept_all="Akkoord", necessary_only="Weigeren")),
    ("B6", "nameless", "texts.nl.title", says(title="Cookies"), says(title="Cookies bij Webwinkel B.V.")),
    ("B6", "unasked", "texts.nl.intro", says(intro="Deze site gebruikt cookies voor:"),
     says(intro="Mogen we cookies plaatsen? We vragen je toestemming voor:")),
    ("B6", "nobody", "controller.name", shop(controller={**DEFINITION["controller"], "name": "Onze website"}), shop()),
    ("B7", "unsaid", "texts.nl.change", says(change="Lees meer bij {reopen}."),
     says(change="Trek je toestemming altijd in met {reopen}.")),
    ("B7", "nowhere", "texts.nl.change", says(change="Intrekken kan altijd."),
     says(change="Intrekken kan altijd bij Cookie-instellingen.")),
    ("B8", "unclear", "texts.nl.preferences", says(preferences="Bekijk verder"), says(preferences="Mijn voorkeuren")),
    ("B9", "wall", "texts.nl.intro", says(intro="Je moet cookies accepteren om door te gaan."),
     says(intro="Je hoeft niets te accepteren. We vragen je toestemming voor:")),
    ("B10", "silent", "texts.nl.intro", says(intro="Door verder te klikken geef je toestemming."),
     says(intro="Je geeft geen toestemming door verder te klikken.")),
    ("B10", "silent", "texts.en.intro", says("en", intro="By continuing to browse you consent to cookies."),
     says("en", intro="You do not consent by continuing to browse.")),
    ("B11", "benefit", "texts.nl.intro", says(intro="Geef toestemming voor een optimale ervaring."),
     says(intro="We vragen toestemming, uit ervaring met de wet.")),
    ("B11", "benefit", "texts.en.intro", says("en", intro="We ask consent to give you the best possible experience."),
     says("en", intro="We ask consent for:")),
    ("B11", "guilt", "texts.nl.necessary_only", says(necessary_only="Nee, ik wil geen korting, alles weigeren"),
     says(necessary_only="Nee, alles weigeren")),
    ("B11", "guilt", "texts.en.settings_intro",
     says("en", settings_intro="Without these the site may not work properly."),
     says("en", settings_intro="Choose what may be on.")),
    ("B11", "vague", "texts.nl.accept_all", says(accept_all="Oké"), says(accept_all="Oké, alles toestaan")),
    ("B11", "unusual", "texts.nl.accept_all", says(accept_all="Alles aanzetten"), says(accept_all="Sta alles toe")),
    ("B11", "praised", "trackers.own-stats.purpose.nl",
     purpose("Voor een betere ervaring."), purpose("Telt bezoeken.")),
    ("B11", "unusual", "texts.nl.accept_all", says(accept_all="Niet akkoord"), says(accept_all="Akkoord")),
    ("B1", "hidden", "texts.nl.necessary_only", says(necessary_only="Niet weigeren"),
     says(necessary_only="Niet akkoord")),
    ("B12", "same", "texts.en.intro",
     shop(texts={"nl": {"intro": INTRO}, "en": {"intro": INTRO}}),
     shop(texts={"nl": {"intro": INTRO}, "en": {"intro": "May we? We ask your consent for this:"}})),
    ("B12", "same_purpose", "trackers.own-stats.purpose.en",
     purpose("Telt hoe vaak iemand kijkt.", "Telt hoe vaak iemand kijkt."),
     purpose("Telt hoe vaak iemand kijkt.", "Counts how often somebody looks.")),
    ("B12", "foreign", "texts.en.settings_intro",
     says("en", settings_intro="Kies hier wat je wilt dat aan is op deze site."),
     says("en", settings_intro="Choose what you want to be on.")),
    ("B12", "partly", "texts.en.categories.analytics.purpose",
     says(categories={"analytics": {"purpose": "Tellen hoe vaak iemand kijkt."}}),
     shop(texts={"nl": {"categories": {"analytics": {"purpose": "Tellen hoe vaak iemand kijkt."}}},
                 "en": {"categories": {"analytics": {"purpose": "Counting how often somebody looks."}}}})),
    ("B13", "offer", "texts.nl.intro", says(intro="Geef toestemming en krijg 10 % korting."),
     says(intro="Geef toestemming voor:")),
    ("B13", "address", "texts.nl.settings_intro", says(settings_intro="Lees meer op www.shop.example/cookies."),
     says(settings_intro="Lees meer in de verklaring.")),
    ("B14", "terms", "texts.nl.intro", says(intro="Je geeft toestemming en gaat akkoord met de algemene voorwaarden."),
     says(intro="Je geeft toestemming, los van de algemene voorwaarden.")),
    ("B14", "terms", "texts.en.intro", says("en", intro="I agree to the terms and conditions."),
     says("en", intro="We ask your consent on no terms.")),
    ("B15", "covers", "look.position", looks(position="center"), looks(position="bottom-left")),
    ("C1", "milder", "trackers.meta.category",
     known("meta", category="functional", reason="Voor de knop."), known("meta")),
    ("C2", "placeholder", "trackers.own-stats.purpose.nl",
     purpose("TODO"), purpose("Telt wie de test doet, elke dag.")),
    ("C2", "thin", "trackers.own-stats.purpose.nl", purpose("Cijfers."), purpose("Telt bezoeken.")),
    ("C2", "nothing", "trackers.own-stats.cookies", own(cookies=[], hosts=[]), own(cookies=[])),
    ("C2", "unread", "trackers.own-stats.policy_url", own(vendor="Teller B.V."), own()),
    ("C3", "role", "trackers.own-stats.role",
     shop(trackers=[{**DEFINITION["trackers"][-1], "vendor": "Teller B.V."}]), own(vendor="Teller B.V.")),
    ("C3", "agreement", "trackers", known("hotjar", agreement=False), known("hotjar", agreement=True)),
    ("C4", "hidden", "trackers.own-stats.transfer", own(country="US", transfer=False), own(country="US")),
    ("C5", "unclear", "texts.nl.save", says(save="Opslaan en accepteren"), says(save="Selectie toestaan")),
    ("C5", "grants", "texts.nl.save", says(save="Alles toestaan"), says(save="Keuze opslaan")),
    ("C6", "local", "controller.policy_url", policy("http://localhost:8000/privacy"),
     policy("http://localhost:8000/privacy", origins=["http://localhost:8000"])),
    ("C6", "insecure", "controller.policy_url", policy("http://www.shop.example/privacy"),
     policy("https://www.shop.example/privacy")),
    ("C6", "home", "controller.policy_url", policy("https://www.shop.example/"),
     policy("https://www.shop.example/#privacy")),
    ("C7", "many", "trackers", crowd(61), crowd(60)),
    ("D1", "unclear", "texts.nl.reopen", says(reopen="Meer lezen"), says(reopen="Cookies aanpassen")),
    ("D2", "unclear", "texts.nl.withdraw", says(withdraw="Alles opnieuw"), says(withdraw="Trek mijn toestemming in")),
    ("F1", "sooner", "refusal_days", shop(consent_days=200), shop(consent_days=180)),
    ("F1", "short", "refusal_days", shop(consent_days=30, refusal_days=179), shop(consent_days=30, refusal_days=180)),
    ("F2", "over", "consent_days", shop(consent_days=396, refusal_days=396), shop(consent_days=180)),
    ("F2", "long", "consent_days", shop(consent_days=395, refusal_days=395), shop(consent_days=365, refusal_days=365)),
    ("F3", "nobody", "policy.affects", revised(), revised(affects=["marketing"])),
    ("F4", "everybody", "policy.affects", revised(affects=["functional", "analytics", "marketing"]),
     revised(affects=["analytics", "marketing"])),
    ("F5", "apart", "cookie_domain", shop(origins=TWO, cookie_domain=None), shop(origins=TWO)),
    ("F5", "insecure", "origins.0", shop(origins=["http://www.shop.example"]), shop(origins=["http://localhost:8000"])),
    ("F8", "long", "trackers.own-stats.cookies", own(**EXEMPT, cookies=[{"name": "_own", "duration": "P14M"}]),
     own(**EXEMPT, cookies=[{"name": "_own", "duration": "P395D"}])),
    ("F8", "endless", "trackers.own-stats.storage", own(**EXEMPT, storage=[{"name": "own", "kind": "local"}]),
     own(**EXEMPT, storage=[{"name": "own", "kind": "session"}])),
    ("G3", "long", "claim_days", shop(claim_days=396), shop(claim_days=395)),
    ("H1", "looks", "audience", shop(name="Speelgoedwinkel"), children(name="Speelgoedwinkel")),
    ("H2", "identity", "texts.nl.settings_intro", says(settings_intro="Vul je geboortedatum in."),
     says(settings_intro="Vul niets in.")),
    ("H2", "age", "texts.nl.settings_intro", says(settings_intro="Ben je 16 jaar of ouder?"),
     says(settings_intro="Kies uit 3 doelen.")),
    ("H3", "long", "texts.nl.settings_intro", children(texts={"nl": {"settings_intro": "woord " * 20 + "einde"}}),
     children(texts={"nl": {"settings_intro": "woord " * 19 + "einde. En nog een zin."}})),
    ("H3", "profiling", "trackers.meta", children(trackers=[{"id": "meta"}]), known("meta")),
    ("J4", "advanced", "google_consent_mode",
     shop(google_consent_mode="advanced", google_consent_mode_reason="Gemodelleerd."),
     shop(google_consent_mode="basic")),
    ("N1", "faint", "look.colours.light.text", looks(colours={"light": {"text": "#8a8a8a"}}),
     looks(colours={"light": {"text": "#595959"}})),
    ("N1", "faint", "look.colours.dark.button", looks(colours={"dark": {"button": "#333333"}}),
     looks(colours={"dark": {"button": "#cccccc"}})),
    ("N4", "sign", "texts.nl.close", says(close="X"), says(close="Sluiten")),
    ("N5", "nameless", "texts.nl.title", says(title="→"), says(title="Cookies van {controller}")),
    ("N6", "word", "texts.nl.reopen", says(reopen="Toestemmingsvoorkeurenpaneel"), says(reopen="Cookie-instellingen")),
    ("N7", "colour", "texts.nl.intro", says(intro="Klik op de groene knop om toestemming te geven."),
     says(intro="Een groene site vraagt je toestemming voor:")),
    ("N7", "vanishes", "texts.nl.settings_intro", says(settings_intro="Dit verdwijnt na 5 tellen vanzelf."),
     says(settings_intro="Dit blijft staan.")),
    ("O3", "heap", "trackers.own-stats.name", own(name="Overige cookies"), own(name="Onze cijfers")),
]


def found(definition: Definition) -> dict[str, linter.Finding]:
    return {finding.key: finding for finding in linter.check(definition)}


@pytest.mark.parametrize(("rule", "case", "path", "broken", "sound"), CASES, ids=[f"{c[0]} {c[1]}" for c in CASES])
def test_a_rule_finds_what_breaks_it_and_nothing_else(
    rule: str, case: str, path: str, broken: Definition, sound: Definition
) -> None:
    finding = found(broken)[f"{rule}:{path}"]
    row = linter.all_rules()[rule].cases[case]
    assert finding.hard is row["hard"]
    assert finding.what["nl"].startswith(row["what"]["nl"].partition("{")[0])
    assert f"{rule}:{path}" not in found(sound)


def test_every_case_is_in_the_table() -> None:
    known = {(rule.id, case) for rule in linter.all_rules().values() for case in rule.cases}
    assert {(rule, case) for rule, case, *_ in CASES} == known
    assert {rule for rule, _ in known} == set(rules.CHECKS)


def test_every_rule_of_the_issue_is_there_and_says_all_in_both_languages() -> None:
    wanted = {
        *(f"A{n}" for n in range(5, 9)), *(f"B{n}" for n in range(1, 16)), *(f"C{n}" for n in range(1, 8)), "D1",
        *(f"F{n}" for n in range(1, 9)), "G3", "H1", "H2", "H3", "J4", "J5", *(f"N{n}" for n in range(1, 8)), "O3",
    }
    assert wanted <= set(linter.all_rules())
    for rule in linter.all_rules().values():
        said = [rule.name, rule.why, *([rule.kept] if rule.kept else [])]
        for case in rule.cases.values():
            said += [case["what"], case["mend"]]
        assert all(set(each) == {"nl", "en"} and all(each.values()) for each in said), rule.id
        assert rule.source
        assert rule.cases or rule.kept, "a rule without cases says how it is kept"


def test_what_poort_keeps_itself_is_told_with_how() -> None:
    kept = {rule.id for rule in linter.guaranteed()}
    assert {rule.id for rule in linter.all_rules().values() if not rule.cases} == {"B5", "F6", "F7", "J5", "N2", "N3"}
    assert {"B5", "N2", "B1", "D1"} <= kept, "what no definition can break, and what a label can"


def test_dutch_speaks_to_you_as_je() -> None:
    for rule in linter.all_rules().values():
        for each in [rule.name, rule.why, rule.kept or {"nl": ""}, *(case[part] for case in rule.cases.values()
                                                                    for part in ("what", "mend"))]:
            assert not re.search(r"\b(?:u|uw)\b", each["nl"], re.IGNORECASE), each["nl"]


EXAMPLES = [
    definition
    for file in sorted((ROOT / "examples").glob("*.json"))
    for definition in (lambda data: data if isinstance(data, list) else [data])(json.loads(file.read_text()))
]
SMALLEST = {name: DEFINITION[name] for name in ("key", "name", "organisation", "controller", "origins")}


@pytest.mark.parametrize("definition", [DEFINITION, SMALLEST, *EXAMPLES], ids=["contract", "smallest", *(
    definition["key"] for definition in EXAMPLES)])
def test_the_examples_break_nothing_and_need_no_reason(definition: Definition) -> None:
    assert linter.check(definition) == linter.check(sites.parse_definition(definition)) == []


@pytest.mark.parametrize("id", CATALOGUE)
def test_no_tracker_of_the_catalogue_needs_a_reason(id: str) -> None:
    assert linter.check(known(id)) == []


def test_our_own_texts_break_nothing() -> None:
    own = {language: {key: texts()[language][key] for key in wording.KEYS} for language in ("nl", "en")}
    purposes = {
        language: {"categories": {name: {"purpose": row["purpose"]} for name, row in words["categories"].items()}}
        for language, words in texts().items()
    }
    for words in (own, purposes):
        assert linter.check(sites.parse_definition(shop(texts=words))) == []


def test_what_a_look_may_be_breaks_nothing() -> None:
    for position in look.POSITIONS:
        assert [f.rule for f in linter.check(looks(position=position))] == ["B15"] * (position == "center")


def test_every_rule_that_is_named_by_a_refused_definition_is_known() -> None:
    """So that `flask site check` tells a broken rule from a file that is no definition."""
    modules = (catalogue_module, sites, wording, look)
    named = {rule for module in modules for rule in re.findall(r"\(([A-Z]\d+)\)", inspect.getsource(module))}
    assert {"A6", "A7", "A8", "B7", "N1"} <= named
    assert named - set(linter.all_rules()) == {"M1", "G6"}, "which explain a field, and refuse nothing"


def test_hard_ones_come_first_and_none_twice() -> None:
    words = says(accept_all="OK!!", necessary_only="Nee, ik wil geen korting")
    broken = words | {"consent_days": 300, "claim_days": 900}
    findings = linter.check(broken)
    assert [f.hard for f in findings] == sorted((f.hard for f in findings), reverse=True)
    keys = [f.key for f in findings]
    assert len(set(keys)) == len(keys)
    assert {"B11:texts.nl.accept_all", "F1:refusal_days", "G3:claim_days"} <= set(keys)


# How a rule is got around, if one looks at letters alone.
DISGUISED = [
    ("capitals", "Geef Toestemming voor een OPTIMALE Ervaring."),
    ("a soft hyphen", "Toestemming voor een optimale erva\u00adring."),
    ("a blank of no width", "Toestemming voor een opti\u200bmale ervaring."),
    ("a blank that does not break", "Toestemming voor een optimale\u00a0ervaring."),
    ("wide letters", "Toestemming voor een ｏｐｔｉｍａｌｅ ervaring."),
    ("a ligature", "Toestemming voor de ﬁjnste, optimale ervaring."),
]


@pytest.mark.parametrize("text", [text for _, text in DISGUISED], ids=[name for name, _ in DISGUISED])
def test_words_are_known_through(text: str) -> None:
    assert "B11:texts.nl.intro" in found(says(intro=text))


# What careful owners write. Nothing may be found of it: a fault that is none teaches owners not to look.
CAREFUL: dict[tuple[str, str], list[str]] = {
    ("nl", "intro"): [
        "{controller} vraagt je toestemming om met cookies gegevens op je apparaat op te slaan en te lezen. Waarvoor:",
        "Mogen we cookies gebruiken voor de doelen hieronder? "
        "Zonder je toestemming plaatsen we alleen wat nodig is om de site te laten werken.",
        "Met jouw toestemming gebruiken wij en onze partners cookies om bezoek te meten en advertenties af te stemmen.",
        "Wij vragen toestemming voor cookies. Weiger je, dan blijft alles op de site gewoon werken.",
        "Je kunt alles toestaan, alles weigeren of per doel kiezen. We vragen je toestemming voor:",
        "We vragen je toestemming voor cookies. Je hoeft niet akkoord te gaan om de site te gebruiken.",
    ],
    ("nl", "settings_intro"): [
        "Noodzakelijke cookies staan altijd aan. De rest kies je zelf; standaard staat het uit.",
        "Per doel kun je kiezen. Je kunt je keuze later altijd wijzigen.",
    ],
    ("nl", "change"): [
        "Je kunt je toestemming altijd intrekken via {reopen}.",
        "Van gedachten veranderd? Met {reopen} trek je je toestemming in.",
    ],
    ("nl", "accept_all"): [
        "Alle cookies accepteren",
        "Alles accepteren",
        "Ja, alles toestaan",
        "Ik ga akkoord",
        "Sta alle cookies toe",
        "Ik geef toestemming",
    ],
    ("nl", "necessary_only"): [
        "Alles weigeren",
        "Weigeren",
        "Nee, weigeren",
        "Alle cookies weigeren",
        "Alleen het noodzakelijke",
        "Alleen noodzakelijk",
        "Ik weiger",
        "Weiger alles",
        "Weiger alle cookies",
        "Enkel strikt noodzakelijke cookies",
        "Nee, alleen noodzakelijke cookies",
    ],
    ("nl", "preferences"): [
        "Voorkeuren aanpassen",
        "Zelf kiezen",
        "Meer opties",
        "Cookie-instellingen",
    ],
    ("nl", "reopen"): [
        "Privacy-instellingen",
        "Cookies",
        "Cookievoorkeuren",
        "Je toestemming",
    ],
    ("nl", "withdraw"): [
        "Alles intrekken",
        "Alles uitzetten",
        "Intrekken",
    ],
    ("nl", "save"): [
        "Mijn keuze opslaan",
        "Voorkeuren bewaren",
        "Bewaar keuze",
    ],
    ("nl", "title"): [
        "Cookies op {controller}",
        "{controller} en je privacy",
        "Mogen we cookies plaatsen, {controller}?",
    ],
    ("en", "intro"): [
        "{controller} and its partners would like your consent to use cookies for the purposes below.",
        "We ask your permission to store data on your device. You can refuse; the site works all the same.",
        "With your consent we use cookies to measure visits and to show ads. You do not have to accept.",
    ],
    ("en", "settings_intro"): [
        "Necessary cookies are always on. You choose the rest; it is off until you turn it on.",
    ],
    ("en", "change"): [
        "You can withdraw your consent at any time with {reopen}.",
    ],
    ("en", "accept_all"): [
        "Accept all",
        "Accept all cookies",
        "I agree",
        "Allow all",
    ],
    ("en", "preferences"): [
        "Manage preferences",
        "Cookie settings",
        "More options",
    ],
    ("en", "save"): [
        "Save my choices",
    ],
    ("en", "withdraw"): [
        "Withdraw all",
    ],
    ("en", "reopen"): [
        "Privacy settings",
    ],
    ("en", "close"): [
        "Close",
    ],
    ("nl", "close"): [
        "Sluit",
    ],
    ("nl", "saved"): [
        "Opgeslagen. Bedankt.",
    ],
    ("nl", "policy"): [
        "Lees onze privacyverklaring",
    ],
}

# What is met on many sites, and is not allowed there: the rule, the language, the text.
MET: list[tuple[str, str, str]] = [
    ("B9", "nl", "Zonder toestemming kunt u de site niet bezoeken."),
    ("B9", "nl", "U moet akkoord gaan om verder te gaan."),
    ("B9", "nl", "Geef toestemming, anders kun je deze site niet gebruiken."),
    ("B9", "nl", "Accepteer cookies om deze website te bekijken."),
    ("B9", "en", "You need to accept cookies to use this website."),
    ("B10", "nl", "Door verder te gaan gaat u akkoord met cookies."),
    ("B10", "nl", "Als je verder surft, ga je akkoord met onze cookies."),
    ("B10", "nl", "Door op deze site te blijven geef je toestemming voor cookies."),
    ("B10", "nl", "Door gebruik te maken van deze website ga je akkoord met cookies."),
    ("B10", "en", "By using this site you agree to cookies."),
    ("B11", "nl", "Wij gebruiken cookies om je de beste ervaring te geven."),
    ("B11", "nl", "Jouw toestemming zorgt voor een gepersonaliseerde winkelervaring."),
    ("B11", "nl", "We houden van koekjes! Geef toestemming voor een heerlijk bezoek."),
    ("B11", "nl", "Toestemming geven? Zonder cookies werkt de site niet goed."),
    ("B11", "nl", "Weet u het zeker?"),
    ("B11", "en", "This site uses cookies to ensure you get the best experience."),
    ("B11", "en", "Please accept cookies so we can improve your experience."),
    ("B11", "en", "Consent to cookies for content tailored to you."),
    ("B14", "nl", "Geef toestemming en ga akkoord met onze algemene voorwaarden."),
    ("A5", "nl", "Op basis van ons gerechtvaardigd belang meten we bezoek."),
]


@pytest.mark.parametrize(("language", "key"), CAREFUL)
def test_careful_words_are_let_through(language: str, key: str) -> None:
    for text in CAREFUL[language, key]:
        assert linter.check(says(language, **{key: text})) == [], text


@pytest.mark.parametrize(("nl", "en"), [
    ("Onthoudt dat je akkoord bent met de algemene voorwaarden.", "Remembers that you agree to the terms of use."),
    ("Bewaart je antwoord na 10 seconden.", "Keeps your answer after 10 seconds."),
    ("Test", "Test"),
    ("x", "y"),
])
def test_no_purpose_is_blocked_for_its_words(nl: str, en: str) -> None:
    assert not [finding for finding in linter.check(purpose(nl, en)) if finding.hard]


@pytest.mark.parametrize(("rule", "language", "text"), MET)
def test_usual_faults_are_found(rule: str, language: str, text: str) -> None:
    assert found(says(language, intro=text))[f"{rule}:texts.{language}.intro"].hard


def _less(value: Any, draw: Any) -> Any:
    """A part of it, by chance: some keys and some items are gone."""
    if isinstance(value, dict):
        kept = ("id", "name", "kind", "duration")  # a cookie is whole, or not there
        return {key: _less(each, draw) for key, each in value.items() if key in kept or draw()}
    return [_less(each, draw) for each in value if draw()] if isinstance(value, list) else value


@given(st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_it_does_with_less_than_a_whole_definition(chance: Any) -> None:
    """An older draft may lack what came later; the check says something of it, or nothing, and does not fail."""
    whole = {**revised(affects=["marketing"]), **looks(colours={"light": {"text": "#8a8a8a"}}, position="center"),
             "texts": {"nl": {**dict.fromkeys(wording.KEYS, "Iets"), "categories": {"analytics": {"purpose": "Iets"}}}},
             "trackers": [*DEFINITION["trackers"], {**OWN, **EXEMPT, "storage": [{"name": "a", "kind": "local"}]}]}
    linter.check(_less(whole, lambda: chance.random() < 0.8))


@pytest.mark.parametrize("text", ["sta " * 100, "trek je " * 50, "moet " * 80, "a " * 200, "optimale " * 45])
def test_no_text_keeps_the_check_busy(text: str) -> None:
    start = time.process_time()
    linter.check(says(**dict.fromkeys(wording.KEYS, text.strip())))
    assert time.process_time() - start < 0.5


def test_it_takes_milliseconds_with_two_hundred_trackers() -> None:
    many = shop(trackers=[{"id": id} for id in CATALOGUE] + crowd(200 - len(CATALOGUE))["trackers"])
    linter.check(many)  # the patterns are made once
    times = []
    for _ in range(5):
        start = time.process_time()
        linter.check(many)
        times.append(time.process_time() - start)
    assert min(times) < 0.05, times
