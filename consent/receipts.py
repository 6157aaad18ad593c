"""The signed receipt that stands for a record: issue it, read it. Needs itsdangerous alone.

A token is `<base64url of the JSON>.<signature>`, never compressed, so that the banner script can read the JSON
before the first dot without a key. The signature is HMAC-SHA256 by itsdangerous.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from itsdangerous import BadSignature, Signer
from itsdangerous.encoding import base64_decode, base64_encode

SALT = "poort.receipt"
LONGEST = 4_096  # characters; a browser keeps no larger cookie

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ACTIONS = frozenset({"accept_all", "necessary_only", "custom", "withdraw"})


class BadReceipt(Exception):
    """The token is not a receipt that one of the keys signed."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receipt says. Times are whole seconds since 1970, UTC."""

    site: str
    record: str
    visitor: str
    version: int
    action: str
    granted: frozenset[str]  # categories
    refused: frozenset[str]  # trackers refused within granted categories
    allowed: frozenset[str]  # trackers allowed though their category is not
    gpc: bool
    decided: int
    expires: int

    def claims(self) -> dict[str, Any]:
        """The JSON of the token, with the contract's one-letter names, lists sorted so that it is always the same."""
        return {
            "s": self.site,
            "r": self.record,
            "p": self.visitor,
            "v": self.version,
            "a": self.action,
            "c": sorted(self.granted),
            "x": sorted(self.refused),
            "g": sorted(self.allowed),
            "gpc": self.gpc,
            "t": self.decided,
            "e": self.expires,
        }


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _names(value: object) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise BadReceipt("a list of names is not one")
    return frozenset(value)


def from_claims(claims: object) -> Receipt:
    """The receipt that these claims make; raises BadReceipt on anything unexpected, signed or not (A3)."""
    if not isinstance(claims, dict) or set(claims) != {"s", "r", "p", "v", "a", "c", "x", "g", "gpc", "t", "e"}:
        raise BadReceipt("the claims are not a receipt's")
    texts = all(isinstance(claims[name], str) for name in ("s", "r", "p", "a"))
    numbers = all(_is_whole(claims[name]) for name in ("v", "t", "e"))
    ids = texts and all(_UUID.fullmatch(claims[name]) for name in ("r", "p"))
    if not ids or not numbers or not isinstance(claims["gpc"], bool) or claims["a"] not in _ACTIONS:
        raise BadReceipt("a claim has the wrong type")
    receipt = Receipt(
        claims["s"],
        claims["r"],
        claims["p"],
        claims["v"],
        claims["a"],
        _names(claims["c"]),
        _names(claims["x"]),
        _names(claims["g"]),
        claims["gpc"],
        claims["t"],
        claims["e"],
    )
    if receipt.action in ("necessary_only", "withdraw") and (receipt.granted or receipt.allowed):
        raise BadReceipt("a refusal grants nothing")
    return receipt


class Keyring:
    """The keys of a Poort, newest first: the first signs, every one verifies.

    >>> Keyring(["a key of at least 32 random characters"]).read(token)
    """

    def __init__(self, keys: Sequence[str]) -> None:
        if isinstance(keys, str) or not keys:
            raise ValueError("keys must be a list with at least one key, newest first")
        # itsdangerous signs with the last key and tries all.
        self._signer = Signer(
            list(reversed(keys)), salt=SALT, sep=".", key_derivation="hmac", digest_method=hashlib.sha256
        )
        # A receipt says the same for ever, its expiry is judged by the gate: so what was verified can be remembered.
        self._remembered = lru_cache(maxsize=20_000)(self._verify)

    def issue(self, receipt: Receipt) -> str:
        """The token for this receipt; the same receipt gives the same token as long as the first key stays."""
        payload = json.dumps(receipt.claims(), separators=(",", ":"), ensure_ascii=True).encode()
        return self._signer.sign(base64_encode(payload)).decode()

    def read(self, token: str) -> Receipt:
        """The receipt in `token`; raises BadReceipt when no key signed it or it is not one."""
        if len(token) > LONGEST:
            raise BadReceipt("the token is too long")
        return self._remembered(token)

    def _verify(self, token: str) -> Receipt:
        try:
            payload = self._signer.unsign(token.encode("ascii"))
            signature = token.rpartition(".")[2].encode("ascii")
            # The last character of base64 has bits that mean nothing: one receipt is one text, and any other is forged.
            for part in (payload, signature):
                if base64_encode(base64_decode(part)) != part:
                    raise BadReceipt("the token is not written as it was issued")
            return from_claims(json.loads(base64_decode(payload)))
        except (BadSignature, ValueError, RecursionError) as error:  # UnicodeError and JSON errors are ValueErrors
            raise BadReceipt("no key of this Poort signed the token") from error


def tokens(header: str | None, cookie: str | None) -> list[str]:
    """The tokens of a request: its `Poort-Receipt` header, else every cookie called `poort` in the `Cookie` header.

    Two cookies of one name happen when a sibling subdomain sets one too; the caller lets the stricter one count.
    """
    if header:
        return [header.strip()]
    if not cookie or "poort=" not in cookie:
        return []
    # Servers join repeated Cookie lines with a comma; a receipt holds neither sign.
    pairs = (part.strip().partition("=") for part in re.split("[;,]", cookie))
    return [value.strip().strip('"') for name, _, value in pairs if name == "poort"]


def read_all(keyring: Keyring, texts: Iterable[str]) -> list["Receipt | None"]:
    """Each token's receipt, None where it can not be read."""
    found: list[Receipt | None] = []
    for text in texts:
        try:
            found.append(keyring.read(text))
        except BadReceipt:
            found.append(None)
    return found
