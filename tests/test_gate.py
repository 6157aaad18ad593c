"""The gate and its receipts: the reasons of the contract, that doubt is no, and that nothing else than keys signs."""

import base64
import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import gate
from consent.gate import UNREADABLE, Presented, Tracker, Version, decide, decide_category
from consent.receipts import BadReceipt, Keyring, Receipt, from_claims, read_all, tokens
from consent.sdk import Gate
from tests.conftest import ROOT

NOW = 1_795_000_000
BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_A"
DAY = 86_400
R, P = "6f1c2f0e-58f3-4d5c-9f6a-0a1b2c3d4e5f", "0a1b2c3d-58f3-4d5c-9f6a-6f1c2f0e4e5f"
R, P = "6f1c2f0e-58f3-4d5c-9f6a-0a1b2c3d4e5f", "0a1b2c3d-58f3-4d5c-9f6a-6f1c2f0e4e5f"
OLD, NEW = "an-old-key-0123456789-0123456789-abc", "the-new-key-9876543210-9876543210-xyz"

VERSION = Version(
    "shop",
    5,
    {
        "session": Tracker("session", "necessary", 1),
        "stats": Tracker("stats", "analytics", 1, exempt=True),
        "hotjar": Tracker("hotjar", "analytics", 1),
        "ga4": Tracker("ga4", "analytics", 4),
        "meta": Tracker("meta", "marketing", 1),
        "intercom": Tracker("intercom", "functional", 1),
    },
    {"necessary": 1, "functional": 1, "analytics": 1, "marketing": 1},
)

ALL = Receipt(
    "shop", R, P, 5, "accept_all", frozenset(gate.OPTIONAL), frozenset(), frozenset(), False, NOW - DAY, NOW + DAY
)
NONE = ALL._replace(action="necessary_only", granted=frozenset())
SOME = ALL._replace(
    action="custom",
    granted=frozenset({"analytics"}),
    refused=frozenset({"hotjar"}),
    allowed=frozenset({"intercom"}),
)

CASES: list[tuple[str, Presented, str, bool, str]] = [
    ("a necessary tracker needs no choice", None, "session", False, "necessary"),
    ("an exempt tracker needs no choice", None, "stats", False, "exempt"),
    ("not even after a refusal", NONE, "stats", False, "exempt"),
    ("no receipt", None, "hotjar", False, "no_choice"),
    ("a receipt nobody signed", UNREADABLE, "hotjar", False, "bad_receipt"),
    ("another site's receipt", ALL._replace(site="other"), "hotjar", False, "wrong_site"),
    ("granted", ALL, "hotjar", False, "granted"),
    ("refused", NONE, "hotjar", False, "denied"),
    ("withdrawn", NONE._replace(action="withdraw"), "hotjar", False, "withdrawn"),
    ("a tracker's own refusal beats its category", SOME, "hotjar", False, "denied"),
    ("a tracker's own consent beats its category", SOME, "intercom", False, "granted"),
    ("its neighbour follows the category", SOME, "ga4", False, "granted"),
    ("a category that was not granted", SOME, "meta", False, "denied"),
    ("in its last second", ALL._replace(expires=NOW + 1), "hotjar", False, "granted"),
    ("at its end", ALL._replace(expires=NOW), "hotjar", False, "expired"),
    ("a refusal ends as well", NONE._replace(expires=NOW), "hotjar", False, "expired"),
    ("a tracker changed after the receipt", ALL._replace(version=3), "ga4", False, "stale_version"),
    ("its neighbour did not", ALL._replace(version=3), "hotjar", False, "granted"),
    (
        "a receipt of a version that this gate does not know yet",
        ALL._replace(version=6),
        "hotjar",
        False,
        "stale_version",
    ),
    ("GPC keeps marketing out", ALL, "meta", True, "gpc"),
    ("and only marketing", ALL, "hotjar", True, "granted"),
    ("unless the decision was made with GPC on", ALL._replace(gpc=True), "meta", True, "granted"),
    ("an unknown tracker", ALL, "clarity", False, "unknown_tracker"),
    ("no name", ALL, "", False, "unknown_tracker"),
]


@pytest.mark.parametrize(("receipt", "tracker", "gpc", "reason"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_every_reason(receipt: Presented, tracker: str, gpc: bool, reason: str) -> None:
    decision = decide(receipt, VERSION, tracker, NOW, gpc)
    assert decision.reason == reason
    assert bool(decision) is decision.allow is (reason in ("necessary", "exempt", "granted"))


def test_the_cases_cover_every_reason() -> None:
    assert {case[4] for case in CASES} | {"child_audience"} == {*gate.ALLOWED, *gate.REFUSED}


def test_a_category_that_changed_makes_all_of_it_stale() -> None:
    """F3"""
    changed = replace(VERSION, categories={**VERSION.categories, "analytics": 5})
    assert decide(ALL._replace(version=4), changed, "hotjar", NOW).reason == "stale_version"
    assert decide(ALL._replace(version=4), changed, "meta", NOW).reason == "granted"


@pytest.mark.parametrize("tracker", ["hotjar", "meta", "intercom"])
def test_a_child_can_grant_nothing_optional(tracker: str) -> None:
    """H1"""
    children = replace(VERSION, audience="children")
    assert decide(ALL, children, tracker, NOW).reason == "child_audience"
    assert decide(ALL, children, "stats", NOW).reason == "exempt"


def test_a_tag_with_a_category_alone_is_as_new_as_its_newest_tracker() -> None:
    """F3: it may be the tag of the tracker that was added last."""
    assert decide_category(ALL._replace(version=3), VERSION, "analytics", NOW).reason == "stale_version"
    assert decide_category(ALL._replace(version=4), VERSION, "analytics", NOW).reason == "granted"
    assert decide_category(None, VERSION, "necessary", NOW).allow
    assert decide_category(ALL, VERSION, "profiling", NOW).reason == "unknown_tracker"


def test_nobody_was_asked_for_a_category_without_trackers() -> None:
    empty = replace(VERSION, trackers={"hotjar": VERSION.trackers["hotjar"]})
    assert decide_category(ALL, empty, "marketing", NOW).reason == "no_choice"


names = st.frozensets(st.sampled_from([*VERSION.trackers, *gate.CATEGORIES, "clarity", ""]))
receipts = (
    st.none()
    | st.just(UNREADABLE)
    | st.builds(
        Receipt,
        st.sampled_from(["shop", "other", ""]),
        st.just("r"),
        st.just("p"),
        st.integers(0, 9),
        st.sampled_from(["accept_all", "necessary_only", "custom", "withdraw"]),
        names,
        names,
        names,
        st.booleans(),
        st.integers(0, 2 * NOW),
        st.integers(0, 2 * NOW),
    )
)
trackers = st.sampled_from([*VERSION.trackers, "clarity"])


@given(receipts, trackers, st.booleans(), st.integers(0, 2 * NOW))
def test_only_a_sound_receipt_opens_what_needs_consent(receipt: Presented, tracker: str, gpc: bool, now: int) -> None:
    """A3, A10: any one doubt is no."""
    decision = decide(receipt, VERSION, tracker, now, gpc)
    assert decision.allow is (decision.reason in gate.ALLOWED)
    if decision.reason == "granted":
        known = VERSION.trackers[tracker]
        assert isinstance(receipt, Receipt)
        assert receipt.site == "shop"
        assert now < receipt.expires
        assert known.since <= receipt.version <= VERSION.number
        assert tracker not in receipt.refused
        assert known.category in receipt.granted or tracker in receipt.allowed
        assert not gpc or receipt.gpc or known.category != "marketing"


@given(receipts, trackers, st.booleans(), st.integers(0, 2 * NOW), names, names)
def test_taking_something_from_a_receipt_never_opens_more(
    receipt: Presented, tracker: str, gpc: bool, now: int, fewer: frozenset[str], more_refused: frozenset[str]
) -> None:
    if not isinstance(receipt, Receipt):
        return
    less = receipt._replace(
        granted=receipt.granted - fewer,
        allowed=receipt.allowed - fewer,
        refused=receipt.refused | more_refused,
    )
    if decide(less, VERSION, tracker, now, gpc):
        assert decide(receipt, VERSION, tracker, now, gpc)


class TestReceipts:
    ring = Keyring([NEW, OLD])

    def test_what_was_issued_is_read(self) -> None:
        assert self.ring.read(self.ring.issue(SOME)) == SOME

    def test_the_script_can_read_it_without_a_key(self) -> None:
        payload = self.ring.issue(SOME).split(".")[0]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        assert claims == {
            "s": "shop",
            "r": R,
            "p": P,
            "v": 5,
            "a": "custom",
            "c": ["analytics"],
            "x": ["hotjar"],
            "g": ["intercom"],
            "gpc": False,
            "t": NOW - DAY,
            "e": NOW + DAY,
        }

    def test_it_is_never_compressed_and_says_nothing_else(self) -> None:
        """A9: the choice and no more; a long one too stays readable."""
        long = SOME._replace(refused=frozenset(f"tracker-{n:03}" for n in range(120)))
        token = self.ring.issue(long)
        assert not token.startswith(".")
        assert self.ring.read(token) == long

    def test_keys_rotate(self) -> None:
        """The newest signs, every listed one verifies, a removed one does not."""
        old, new = Keyring([OLD]).issue(ALL), Keyring([NEW]).issue(ALL)
        assert self.ring.issue(ALL) == new
        assert self.ring.read(old) == self.ring.read(new) == ALL
        with pytest.raises(BadReceipt):
            Keyring([NEW]).read(old)

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda t: t[:-1],
            lambda t: t[:-1] + BASE64[BASE64.index(t[-1]) + 1],  # the same bytes, written otherwise
            lambda t: t + "=",
            lambda t: t + "A",
            lambda t: t.replace(".", ""),
            lambda t: "",
            lambda t: ".",
            lambda t: "é" + t,
            lambda t: t[:10] + ("A" if t[10] != "A" else "B") + t[11:],
            lambda t: t.split(".")[0] + ".",
            lambda t: "x" * 9_000,
            lambda t: t + "\n",
            lambda t: t.split(".")[0] + "." + Keyring([OLD]).issue(SOME).split(".")[1],
            lambda t: "null." + t.split(".")[1],
            lambda t: f" {t}",
        ],
    )
    def test_a_spoilt_token_is_refused(self, spoil: Any) -> None:
        with pytest.raises(BadReceipt):
            self.ring.read(spoil(self.ring.issue(ALL)))

    @given(st.text(max_size=300) | st.binary(max_size=200).map(lambda b: base64.urlsafe_b64encode(b).decode()))
    def test_no_text_is_a_receipt(self, text: str) -> None:
        assert read_all(self.ring, [text]) == [None]

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(
                    st.sampled_from(["s", "r", "p", "v", "a", "c", "x", "g", "gpc", "t", "e", "z"]), inner, max_size=12
                )
            ),
        )
    )
    def test_signed_nonsense_is_refused_too(self, claims: Any) -> None:
        """A key that leaked into another program must not make receipts of its JSON."""
        with pytest.raises(BadReceipt):
            from_claims(claims)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("v", True),
            ("v", "5"),
            ("v", 5.0),
            ("e", -1),
            ("e", 2**60),
            ("c", "analytics"),
            ("c", [1]),
            ("x", None),
            ("gpc", 1),
            ("a", "yes"),
            ("s", None),
            ("t", None),
            ("r", "42"),
            ("p", ""),
            ("p", "6F1C2F0E-58f3-4d5c-9f6a-0a1b2c3d4e5f"),
            ("a", "withdraw"),
        ],
    )
    def test_a_claim_of_another_type_is_refused(self, name: str, value: Any) -> None:
        with pytest.raises(BadReceipt):
            from_claims({**ALL.claims(), name: value})

    @pytest.mark.parametrize(
        ("header", "cookie", "found"),
        [
            (None, None, []),
            (None, "a=b; c=d", []),
            (None, "poort=T", ["T"]),
            (None, "a=b; poort=T; c=d", ["T"]),
            (None, "poort=T; poort=U", ["T", "U"]),
            ("H", "poort=T", ["H"]),
            (None, 'poort="T"', ["T"]),
            (None, "xpoort=T", []),
            (None, "Poort=T", []),
            (None, "poort=", [""]),
            ("", "poort=T", ["T"]),
            (None, "poort", []),
            (None, "poort=a=b", ["a=b"]),
            (None, "poort=T,poort=U", ["T", "U"]),
            (None, "x=1,poort=T; poort=U", ["T", "U"]),
        ],
    )
    def test_where_a_receipt_is_looked_for(self, header: str | None, cookie: str | None, found: list[str]) -> None:
        assert tokens(header, cookie) == found


@pytest.mark.parametrize(
    ("header", "on"),
    [
        ("1", True),
        ("0", False),
        ("true", False),
        ("1, 1", True),
        ("", False),
        (None, False),
        (" 1 ", True),
        ("11", False),
    ],
)
def test_gpc_is_set_by_the_value_1_alone(header: str | None, on: bool) -> None:
    """I1"""
    assert gate.has_gpc(header) is on


class TestSdk:
    token = Keyring([NEW]).issue(SOME)
    gate = Gate(site="shop", keys=[NEW, OLD], version=VERSION.as_dict())

    def test_it_answers_as_the_gate(self) -> None:
        assert self.gate.allows(self.token, "ga4", now=NOW)
        assert self.gate.allows(self.token, "hotjar", now=NOW).reason == "denied"
        assert self.gate.allows(None, "hotjar", now=NOW).reason == "no_choice"
        assert self.gate.allows("", "hotjar", now=NOW).reason == "no_choice"
        assert self.gate.allows("forged.token", "hotjar", now=NOW).reason == "bad_receipt"
        assert {name: d.reason for name, d in self.gate.reasons(self.token, now=NOW).items()} == {
            "session": "necessary",
            "stats": "exempt",
            "hotjar": "denied",
            "ga4": "granted",
            "meta": "denied",
            "intercom": "granted",
        }

    def test_without_a_version_nothing_may_load(self) -> None:
        empty = Gate(site="shop", keys=[NEW])
        assert not empty.allows(self.token, "ga4", now=NOW)
        assert not empty.allows_category(self.token, "analytics", now=NOW)

    @pytest.mark.parametrize(
        "version",
        [
            {},
            {"site": "other"},
            {**VERSION.as_dict(), "site": "other"},
            {**VERSION.as_dict(), "trackers": [{"id": "x", "category": "fun", "since": 1}]},
        ],
    )
    def test_a_version_that_is_none_is_refused(self, version: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"version|category"):
            Gate(site="shop", keys=[NEW], version=version)

    def test_importing_it_needs_itsdangerous_alone(self) -> None:
        code = "import sys, consent.sdk; print(' '.join(sorted({m.split('.')[0] for m in sys.modules})))"
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
        foreign = {"flask", "sqlalchemy", "marshmallow", "werkzeug", "structlog", "limits", "brotli"}
        assert foreign.isdisjoint(done.stdout.split())
        assert "itsdangerous" in done.stdout
