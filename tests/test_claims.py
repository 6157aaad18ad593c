"""Patterns of hosts, paths, cookies and keys: what fits one fits no neighbour, in the catalogue and in general."""

import tomllib
from itertools import combinations
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from consent import claims
from consent.catalogue import CATALOGUE, match_cookie, match_host
from consent.claims import Claim, clashes, same_request
from consent.patterns import in_domain, matches, meet, on_host, on_path
from tests.conftest import ROOT

# A busy machine is no fault of the code: no time limits.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

SHARED: list[dict[str, Any]] = tomllib.loads((ROOT / "consent/catalogue.toml").read_text(encoding="utf-8"))["shared"]
OWNED: list[tuple[str, str]] = [
    (row["id"], own["name"]) for row in CATALOGUE.values()
    for own in (*(one for one in row["cookies"] if "domain" not in one), *row["storage"])
]

# Few letters, so that names often begin alike.
STEM = st.text("ab_.%", min_size=3, max_size=6)
PATTERN = st.builds(lambda stem, star: stem + "*" * star, STEM, st.booleans())
REST = st.text("ab_.%", max_size=4)
ANY = st.text(max_size=30)
LABEL = st.text("ab", min_size=1, max_size=2)
HOST = st.lists(LABEL, min_size=2, max_size=4).map(".".join)
HOSTS = st.builds(lambda host, star: "*." * star + host, HOST, st.booleans())
PATHS = st.builds(lambda host, path: f"{host}/{path}", HOST, st.text("ab/?=", min_size=1, max_size=4))


def fits_both(one: str, other: str, name: str) -> bool:
    return matches(one, name) and matches(other, name)


def shared(one: str, other: str, *names: str) -> bool:
    """Whether two trackers have a name in common on purpose."""
    return any({one, other} <= set(entry["trackers"]) and set(names) & set(entry["names"]) for entry in SHARED)


# Names --------------------------------------------------------------------------------------------------------------


@calm
@given(PATTERN, PATTERN, REST)
def test_two_patterns_meet_exactly_where_a_name_fits_both(one: str, other: str, rest: str) -> None:
    stems = [one.removesuffix("*"), other.removesuffix("*")]
    witnesses = [stem + end for stem in stems for end in ("", rest)]
    if any(fits_both(one, other, name) for name in witnesses):
        assert meet(one, other)
    if meet(one, other):
        assert fits_both(one, other, max(stems, key=len))
    assert meet(one, other) == meet(other, one)


@calm
@given(st.sampled_from(OWNED), st.sampled_from(OWNED), ANY)
def test_no_name_of_one_tracker_is_erased_with_anothers(
    one: tuple[str, str], other: tuple[str, str], rest: str
) -> None:
    (mine, pattern), (theirs, their_pattern) = one, other
    assume(mine != theirs and not shared(mine, theirs, pattern, their_pattern))
    name = pattern.removesuffix("*") + (rest if pattern.endswith("*") else "")
    assert not fits_both(pattern, their_pattern, name)


@calm
@given(st.sampled_from(OWNED), ANY)
def test_a_name_that_only_contains_a_known_one_is_another(own: tuple[str, str], before: str) -> None:
    tracker, pattern = own
    assume(before and not before.startswith(tuple(name.removesuffix("*") for id, name in OWNED if id == tracker)))
    assert tracker not in match_cookie(before + pattern.removesuffix("*"))


@calm
@given(st.sampled_from(OWNED), st.text(min_size=1, max_size=10))
def test_an_exact_name_never_goes_on(own: tuple[str, str], rest: str) -> None:
    tracker, name = own
    assume(not name.endswith("*"))
    assume(not any(matches(pattern, name + rest) for id, pattern in OWNED if id == tracker and pattern != name))
    assert tracker not in match_cookie(name + rest)


@calm
@given(ANY, st.none() | ANY)
def test_any_name_and_domain_have_an_answer(name: str, domain: str | None) -> None:
    assert set(match_cookie(name, domain)) <= set(CATALOGUE)
    assert set(match_cookie(name)) <= set(match_cookie(name, domain)), "a domain never takes a tracker away"


@calm
@given(st.sampled_from([(row["id"], one) for row in CATALOGUE.values() for one in row["cookies"] if "domain" in one]),
       HOST)
def test_a_vendors_cookie_counts_on_its_domain_alone(of: tuple[str, Any], host: str) -> None:
    tracker, cookie = of
    name = cookie["name"].removesuffix("*")
    assume(not in_domain(host, cookie["domain"]))
    assume(not any(matches(pattern, name) for id, pattern in OWNED if id == tracker))
    assert tracker in match_cookie(name, f".{cookie['domain'].upper()}")
    assert tracker in match_cookie(name, f"{host}.{cookie['domain']}")
    assert tracker not in match_cookie(name, host)
    assert tracker not in match_cookie(name, f"not{cookie['domain']}")
    assert tracker not in match_cookie(name)


# Requests -----------------------------------------------------------------------------------------------------------


def fits(pattern: str, host: str, path: str) -> bool:
    return on_path(pattern, host, path) if "/" in pattern else on_host(pattern, host)


@calm
@given(HOSTS | PATHS, HOSTS | PATHS, HOST, st.text("ab/?=", max_size=5))
def test_patterns_that_a_request_fits_both_are_the_same_request(one: str, other: str, host: str, path: str) -> None:
    if fits(one, host, f"/{path}") and fits(other, host, f"/{path}"):
        assert same_request(one, other)
    assert same_request(one, other) == same_request(other, one)


@calm
@given(ANY, ANY)
def test_any_host_and_path_have_an_answer(host: str, path: str) -> None:
    assert set(match_host(host, path)) <= set(CATALOGUE)


# The catalogue ------------------------------------------------------------------------------------------------------


ROW = st.fixed_dictionaries({
    "hosts": st.lists(HOSTS, max_size=2), "paths": st.lists(PATHS, max_size=2),
    "cookies": st.lists(st.fixed_dictionaries({"name": PATTERN}, optional={"domain": HOST}), max_size=3),
    "storage": st.lists(st.fixed_dictionaries({"name": PATTERN, "kind": st.sampled_from(["local", "session"])}),
                        max_size=2),
})


@calm
@given(st.lists(ROW, min_size=2, max_size=4))
def test_looking_only_at_what_is_near_finds_every_clash(found: list[dict[str, Any]]) -> None:
    rows = [{**row, "id": str(number)} for number, row in enumerate(found)]
    every = list(claims._claims(rows))
    assert set(clashes(rows, [])) == {(one, other) for one, other in combinations(every, 2) if _clash(one, other)}


def _clash(one: Claim, other: Claim) -> bool:
    return one.tracker != other.tracker and one.kind == other.kind and claims._meet(one, other)


def test_only_what_is_shared_on_purpose_clashes() -> None:
    rows = list(CATALOGUE.values())
    found = list(clashes(rows, []))
    assert found
    for one, other in found:
        assert shared(rows[one.tracker]["id"], rows[other.tracker]["id"], one.name, other.name)
    for entry in SHARED:  # and nothing is listed that is not shared
        for name in entry["names"]:
            assert any(name in (one.name, other.name) for one, other in found), name


def test_leadinfos_names_and_linkedins_are_apart() -> None:
    leadinfo, linkedin = ([own for id, own in OWNED if id == wanted] for wanted in ("leadinfo", "linkedin"))
    assert leadinfo == ["_li_id*", "_li_ses*"]
    assert not any(meet(one, other) for one in leadinfo for other in linkedin)
