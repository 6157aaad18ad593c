"""The gate's answers about one version as bytes, every one that can be given, made when the version is loaded.

So an answer is a decision and a look into a table; no dictionary is built and nothing is encoded.
"""

from collections.abc import Sequence

from consent import gate
from consent.answers import dumps
from consent.gate import ALLOWED, REFUSED, Presented, Version, strictest

REASONS = ALLOWED + REFUSED


class Table:
    """What the gate answers about `version`, over HTTP."""

    def __init__(self, version: Version) -> None:
        self.version = version
        self._known = {
            name: {reason: self._about(name, reason, rule.category) for reason in REASONS}
            for name, rule in version.rules.items()
        }
        self._head = b'{"version":%d,"trackers":{' % version.number
        self._trackers = {name: _rows(name, rule.category) for name, rule in version.rules.items()}
        self._categories = {name: _rows(name, name) for name in version.wholes}

    def _about(self, tracker: str, reason: str, category: str | None) -> bytes:
        found = _decision(reason, category)
        return dumps({"tracker": tracker, **found, "version": self.version.number})

    def one(self, shown: Sequence[Presented], tracker: str, now: float, gpc: bool) -> tuple[bytes, str]:
        """The answer about one tracker, and its reason."""
        version = self.version
        reason = gate.decide_shown(shown, version, tracker, now, gpc).reason
        known = self._known.get(tracker)
        # An unknown name is the caller's own text: it goes back, but never longer than a name can be.
        return known[reason] if known else self._about(tracker[:64], reason, None), reason

    def all(self, shown: Sequence[Presented], now: float, gpc: bool) -> bytes:
        """The answer about every tracker and every category."""
        version = self.version
        trackers = [
            rows[gate.decide_shown(shown, version, name, now, gpc).reason] for name, rows in self._trackers.items()
        ]
        categories = [
            rows[strictest(gate.decide_category(receipt, version, name, now, gpc) for receipt in shown).reason]
            for name, rows in self._categories.items()
        ]
        return b"%s%s},\"categories\":{%s}}" % (self._head, b",".join(trackers), b",".join(categories))


def _decision(reason: str, category: str | None) -> dict[str, object]:
    return {"allow": reason in ALLOWED, "reason": reason, "category": category}


def _rows(name: str, category: str) -> dict[str, bytes]:
    return {reason: dumps(name) + b":" + dumps(_decision(reason, category)) for reason in REASONS}
