"""What the helper for receivers of webhooks believes, and what it does not."""

import subprocess
import sys

import pytest

from consent.signatures import sign, verify_webhook
from tests.conftest import ROOT

SECRET, AT = "poort_hook_a-secret-of-the-tests-0123456789", 1_795_000_000
BODY = b'{"id": "1", "type": "consent.changed"}'
HEADER = sign(SECRET, BODY, AT)
MAC = HEADER.partition("v1=")[2]


def test_what_poort_signed_is_believed() -> None:
    assert verify_webhook(SECRET, HEADER, BODY, AT)
    assert verify_webhook(SECRET, HEADER, BODY, AT + 299)
    assert verify_webhook(SECRET, HEADER, BODY, AT - 299), "the receiver's clock may be behind"
    assert verify_webhook(SECRET, f"t={AT}, v1={'0' * 64}, v1={MAC}", BODY, AT), "one of several secrets is enough"


@pytest.mark.parametrize(
    ("header", "body", "now"),
    [
        pytest.param(HEADER, BODY, AT + 301, id="a replay"),
        pytest.param(HEADER, BODY, AT - 301, id="a time that is to come"),
        pytest.param(HEADER, BODY + b" ", AT, id="another body"),
        pytest.param(HEADER.replace(f"t={AT}", f"t={AT + 400}"), BODY, AT + 400, id="a replay with a newer time"),
        pytest.param(sign("another secret", BODY, AT), BODY, AT, id="another secret"),
        pytest.param(f"t={AT}", BODY, AT, id="no signature"),
        pytest.param(f"v1={MAC}", BODY, AT, id="no time"),
        pytest.param(f"t={AT},t={AT},v1={MAC}", BODY, AT, id="two times"),
        pytest.param(f"t={AT},v1={MAC.upper()}", BODY, AT, id="another notation"),
        pytest.param(f"t={AT},v0={MAC}", BODY, AT, id="another scheme"),
        pytest.param(f"t=+{AT},v1={MAC}", BODY, AT, id="a time with a sign"),
        pytest.param("", BODY, AT, id="nothing"),
        pytest.param(None, BODY, AT, id="no header"),
        pytest.param("t=é,v1=é", BODY, AT, id="junk"),
        pytest.param(f"t={AT}," + "v1=" + "0" * 64 + f",v1={'0' * 64}" * 9 + f",v1={MAC}", BODY, AT, id="a flood"),
    ],
)
def test_anything_else_is_not(header: str | None, body: bytes, now: float) -> None:
    assert not verify_webhook(SECRET, header, body, now)


def test_the_receiver_says_how_old_a_signature_may_be() -> None:
    assert verify_webhook(SECRET, HEADER, BODY, AT + 3_000, tolerance=3_600)
    assert not verify_webhook(SECRET, HEADER, BODY, AT + 11, tolerance=10)


def test_it_needs_the_standard_library_alone() -> None:
    check = "import sys, consent.signatures; assert not {'flask', 'sqlalchemy', 'itsdangerous'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT).returncode == 0
