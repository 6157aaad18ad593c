"""The publish check: what of a definition breaks a rule of the law, or leaves it weak.

    check(definition)            -> [Finding("B11", hard=True, path="texts.nl.accept_all", what={"nl": ...}, ...), ...]
    explained(findings, reasons) -> {"C3:trackers": "..."}, for the version; raises Blocked or Unexplained

A hard finding breaks what the law demands: it blocks publishing. A soft one is against what a regulator advises, or
looks like a fault that only the owner can judge: it asks for a reason, which the version keeps. Pure.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from consent import experiments, rules, rules_look, rules_site, rules_trackers, rules_words
from consent.shapes import LANGUAGES

MODULES: Final = (rules_trackers, rules_words, rules_site, rules_look)  # importing them lists their rules
LONGEST_REASON: Final = 500
_NAMED = re.compile(r"\(([A-Z]\d{1,2})\)")  # how a refused definition names a rule: "is needed ... (A6)"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: what, why (the rule, and its source), and how to mend it; per language.

    `reason`: what the definition itself says of it, which counts as the reason when no other is given.
    """

    rule: str
    hard: bool
    path: str
    what: Mapping[str, str]
    why: Mapping[str, str]
    source: str
    mend: Mapping[str, str]
    reason: str | None = None

    @property
    def key(self) -> str:
        """By which a reason is kept."""
        return f"{self.rule}:{self.path}"

    def as_json(self) -> dict[str, Any]:
        """For the API and `flask site check --format json`."""
        return {
            "rule": self.rule, "hard": self.hard, "path": self.path, "what": dict(self.what), "why": dict(self.why),
            "source": self.source, "mend": dict(self.mend),
        }


@dataclass(frozen=True)
class Rule:
    """A rule of regulation.md. `kept`: how Poort itself keeps it, whatever a definition says; None if it can not."""

    id: str
    name: Mapping[str, str]
    why: Mapping[str, str]
    source: str
    kept: Mapping[str, str] | None
    cases: Mapping[str, Mapping[str, Any]]


class Blocked(Exception):
    """What breaks the law is not published."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("; ".join(f"{found.rule} {found.path}: {found.what['en']}" for found in findings))
        self.findings = list(findings)


class Unexplained(Exception):
    """These findings need a reason each."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("; ".join(f"{found.rule} {found.path}: {found.what['en']}" for found in findings))
        self.findings = list(findings)


@cache
def all_rules() -> Mapping[str, Rule]:
    """Every rule that the check knows, by id, in the order of regulation.md."""
    rows = {id: row for id, row in rules.table().items() if id != "words"}
    return {
        id: Rule(id, row["name"], row["why"], row["source"], row.get("kept"), row.get("cases", {}))
        for id, row in rows.items()
    }


def guaranteed() -> list[Rule]:
    """The rules that Poort keeps itself, `kept` says how. One without cases no definition can break; of the others the
    check looks at what could.
    """
    return [rule for rule in all_rules().values() if rule.kept]


def check(definition: Mapping[str, Any]) -> list[Finding]:
    """Every finding, the hard ones first, else in the order of the rules; one for each rule and path.

    Of an experiment also those of its variants, each as if it were the banner: none that breaks a rule is published.
    """
    found = _check(experiments.without(definition))
    known = {finding.key for finding in found}
    for id, made in experiments.variants(definition).items():
        found += [_of_variant(id, finding) for finding in _check(made) if finding.key not in known]
    return sorted(found, key=lambda finding: not finding.hard)


def _of_variant(id: str, finding: Finding) -> Finding:
    """A finding that a variant alone has, with its name."""
    what = {language: f"Variant {id}: {text}" for language, text in finding.what.items()}
    return replace(finding, path=f"{experiments.path_of(id)}.{finding.path}", what=what)


def _check(definition: Mapping[str, Any]) -> list[Finding]:
    subject = rules.Subject(definition)
    found: dict[str, Finding] = {}
    for id in all_rules():
        for hit in rules.CHECKS[id](subject) if id in rules.CHECKS else ():
            finding = _finding(id, hit)
            if finding.key not in found or finding.hard > found[finding.key].hard:
                found[finding.key] = finding
    return list(found.values())


def _finding(id: str, hit: rules.Hit) -> Finding:
    rule, case = all_rules()[id], all_rules()[id].cases[hit.case]
    facts = {language: _in(language, hit.facts) for language in LANGUAGES}

    def said(sentences: Mapping[str, str]) -> dict[str, str]:
        return {language: sentences[language].format_map(facts[language]) for language in LANGUAGES}

    reason = None if case["hard"] else hit.facts.get("reason")
    return Finding(id, case["hard"], hit.path, said(case["what"]), rule.why, rule.source, said(case["mend"]), reason)


def _in(language: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: fact[language] if isinstance(fact, Mapping) else fact for name, fact in facts.items()}


def explained(
    findings: Iterable[Finding], reasons: Mapping[str, str] | None, ask: bool = True
) -> dict[str, str]:
    """The reasons of these findings, by key: what a version keeps. Raises Blocked, and with `ask` Unexplained.

    A reason for what was not found is left out: it explains nothing.
    """
    findings = list(findings)
    hard = [found for found in findings if found.hard]
    if hard:
        raise Blocked(hard)
    given = {found.key: tidy((reasons or {}).get(found.key) or found.reason or "") for found in findings}
    kept = {key: text for key, text in given.items() if text}
    lacking = [found for found in findings if found.key not in kept]
    if ask and lacking:
        raise Unexplained(lacking)
    return kept


def tidy(reason: str) -> str:
    """On one line, without what does not show; cut off where it is too long for who did not say so before."""
    text = "".join(sign for sign in reason if sign.isprintable() or sign.isspace())
    return " ".join(text.split())[:LONGEST_REASON]


def refused(faults: Mapping[str, str]) -> tuple[list[Finding], dict[str, str]]:
    """A refused definition's faults: those that name a rule, as findings, and the others as they are."""
    found, others = [], {}
    for path, fault in faults.items():
        named = _NAMED.search(fault)
        rule = all_rules().get(named[1]) if named else None
        if rule is None:
            others[path] = fault
            continue
        what = {"nl": f"Geweigerd: {fault}", "en": f"Refused: {fault}"}
        mend = {"nl": "Pas dit veld aan.", "en": "Change this field."}
        found.append(Finding(rule.id, True, path, what, rule.why, rule.source, mend))
    return found, others
