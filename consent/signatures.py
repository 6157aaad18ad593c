"""The signature of a webhook: made by Poort, checked by who receives it. Pure; needs the standard library alone.

    from consent.signatures import verify_webhook
    if not verify_webhook(secret, request.headers.get("Poort-Signature"), request.get_data()):
        abort(400)
"""

import hashlib
import hmac
import re
import time

HEADER = "Poort-Signature"
TOLERANCE = 300.0  # seconds between the signature and its check: clocks differ, networks are slow

_TIME = re.compile(r"t=([0-9]{1,12})")
_SIGNATURE = re.compile(r"v1=([0-9a-f]{64})")
_MOST = 10  # parts of a header that are looked at


def _mac(secret: str, at: int, body: bytes) -> str:
    return hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()


def sign(secret: str, body: bytes, at: int) -> str:
    """The header `Poort-Signature` for this body at a time in whole seconds since 1970."""
    return f"t={at},v1={_mac(secret, at, body)}"


def verify_webhook(
    secret: str, header: str | None, body: bytes, now: float | None = None, tolerance: float = TOLERANCE
) -> bool:
    """Whether Poort signed exactly these bytes with this secret, at most `tolerance` seconds from `now`.

    So a copy that is sent again later is refused. One that is sent again at once has the `id` of the first: an id that
    you have handled is answered with 200 and not handled twice.
    """
    parts = [part.strip() for part in (header or "").split(",")][:_MOST]
    times = [found[1] for part in parts if (found := _TIME.fullmatch(part))]
    if len(times) != 1 or abs((time.time() if now is None else now) - int(times[0])) > tolerance:
        return False
    expected = _mac(secret, int(times[0]), body)
    signatures = [found[1] for part in parts if (found := _SIGNATURE.fullmatch(part))]
    return any(hmac.compare_digest(expected, signature) for signature in signatures)
