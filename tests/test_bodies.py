"""The quick reader of bodies takes nothing that the marshmallow schema refuses, and reads it as the schema does."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent import bodies, records
from consent.records import CONSENT, EVENT, Refused
from tests.shop import body

Outcome = dict[str, Any] | tuple[int, str, dict[str, str]]
EVENT_BODY = {"type": "shown", "version": 1, "language": "nl", "page_group": None}


def outcome(read: Callable[[], dict[str, Any]]) -> Outcome:
    """What was read, or the status, the code and the fields of the refusal."""
    try:
        return read()
    except Refused as refused:
        return refused.status, refused.code, refused.faults


def agree(sent: bytes) -> Outcome:
    """Both readers on this body; what the schema says of it."""
    decided = outcome(lambda: records.load(CONSENT, sent))
    assert outcome(lambda: records.parse_consent(sent)) == decided
    assert bodies.consent(sent) in (None, decided)
    seen = outcome(lambda: records.load(EVENT, sent))
    assert outcome(lambda: records.parse_event(sent)) == seen
    assert bodies.event(sent) in (None, seen)
    return decided


def compact(data: Any) -> bytes:
    """As the banner writes it."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


HOSTILE = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=80), st.just([]), st.just({}),
    st.sampled_from([
        "", "NL", "nl", "en-GB", "ninechars", "home", "a b", "../x", "accept_all", "shown", "custom\n", "nl\u2028", "é",
        "6F1C2F0E-58F3-4D5C-9F6A-0A1B2C3D4E5F", "6f1c2f0e58f34d5c9f6a0a1b2c3d4e5f",
        "{6f1c2f0e-58f3-4d5c-9f6a-0a1b2c3d4e5f}",
        "6f1c2f0e-58f3-4d5c-9f6a-0a1b2c3d4e5f\n", " 6f1c2f0e-58f3-4d5c-9f6a-0a1b2c3d4e5f", '"', "\\", "\x00", "\x7f",
        "visit", "summer", "Summer", 86_400_000, 86_400_001,
        "import", "2026-05-01T12:00:00Z", "2026-05-01T12:00:00.123456+02:00", "2026-02-31T12:00:00Z", "2026-05-01",
        "2026-05-01t12:00:00z", "2026-05-01T12:00:00", "1999-12-31T23:59:59Z", "2026-05-01T12:00:00+99:00",
        1.0, 1e0, 2**31 - 1, 2**31, -1, 0, 1, {"functional": True}, {"hotjar": 1}, {"": True}, {"x" * 65: False},
        {"functional": True, "analytics": True, "marketing": True, "other": True}, [True], "true",
    ]),
)
REFUSING = body("custom", trackers={"hotjar": False}, page_group="home")
IMPORTED = body("accept_all", source="import", decided_at="2026-05-01T12:00:00Z")
TIMED = body("accept_all", took=4_312, variant="b")
AGAIN = {**EVENT_BODY, "again": True, "variant": "b"}
VISIT = {**EVENT_BODY, "type": "visit", "choices": body("custom")["choices"], "trackers": {"hotjar": False}}
VALID = st.sampled_from([body("accept_all"), REFUSING, IMPORTED, TIMED, EVENT_BODY, AGAIN, VISIT])
FIELDS = st.sampled_from([*body(), *AGAIN, "took", "decided_at", "extra", "ID", "", "choices "])
CHANGES = st.dictionaries(FIELDS, HOSTILE, max_size=3)
SIGNS = st.sampled_from([
    "", " ", "\n", "\t", "\\", '"', "\\u0022", "\\u0069", ",", ":", "{", "}", "[", "]", "0", "-", ".", "e", "null",
    "NaN", "Infinity", "é", "\x00", "\x1f", "\x7f", "\ufeff", "//", '"gpc":true,',
])

# A busy machine is no fault of the readers.
BUSY = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)


class TestBothReaders:
    @settings(BUSY, max_examples=600)
    @given(VALID, CHANGES, st.sets(FIELDS, max_size=2))
    def test_on_fields_of_all_kinds(self, valid: dict[str, Any], changes: dict[str, Any], without: set[str]) -> None:
        agree(compact({name: value for name, value in {**valid, **changes}.items() if name not in without}))

    @settings(BUSY, max_examples=600)
    @given(st.sampled_from([body(), EVENT_BODY]), st.integers(0, 400), st.integers(0, 12), SIGNS)
    def test_on_a_body_with_a_piece_cut_out_and_another_put_in(
        self, valid: dict[str, Any], at: int, cut: int, put: str
    ) -> None:
        text = compact(valid).decode()
        at %= len(text)
        agree((text[:at] + put + text[at + cut :]).encode())

    @settings(BUSY, max_examples=300)
    @given(st.binary(max_size=60))
    def test_on_anything(self, sent: bytes) -> None:
        agree(sent)
        agree(compact(body()).replace(b"banner", sent))

    @pytest.mark.parametrize("name", sorted(body()))
    def test_on_a_key_that_is_there_twice(self, name: str) -> None:
        """The decoder would take the last of them; whoever reads the body otherwise takes the first."""
        said = body("custom", trackers={"hotjar": False}, page_group="home")
        again = f'{{"{name}":{json.dumps(said[name])},'.encode()
        assert agree(compact(said).replace(b"{", again, 1))[:2] == (400, "bad_json")  # type: ignore[index]

    @pytest.mark.parametrize("inside", [b'"hotjar":false,"hotjar":true', b'"hotjar":false,"hotjar":false'])
    def test_on_a_tracker_that_is_there_twice(self, inside: bytes) -> None:
        sent = compact(body("custom", trackers={"hotjar": False})).replace(b'"hotjar":false', inside)
        assert agree(sent)[:2] == (400, "bad_json")  # type: ignore[index]

    @pytest.mark.parametrize("space", [b" ", b"\n", b"\t", b"\r\n"])
    def test_on_space_between_the_signs(self, space: bytes) -> None:
        assert isinstance(agree(compact(body()).replace(b",", b"," + space)), dict)


class TestTheQuickReader:
    @pytest.mark.parametrize("said", [
        body("accept_all"), body("necessary_only"), body("withdraw", source="settings"), body("custom", gpc=True),
        body("custom", trackers={"hotjar": False, "ga4": True}, page_group="home"),
        body(language="en-GB", source="api"), IMPORTED, body(source="import", decided_at=None),
        body(source="import", decided_at="2026-05-01T12:00:00.5+02:00", page_group="home"),
        {name: value for name, value in body().items() if name not in ("trackers", "gpc", "page_group")},
    ])
    def test_reads_what_a_banner_sends(self, said: dict[str, Any]) -> None:
        """Else every decision would take the long way, and no other test would notice."""
        assert bodies.consent(compact(said)) == agree(compact(said))

    @pytest.mark.parametrize("said", [EVENT_BODY, {**EVENT_BODY, "page_group": "home"}])
    def test_reads_what_a_shown_banner_sends(self, said: dict[str, Any]) -> None:
        assert bodies.event(compact(said)) == records.load(EVENT, compact(said))
