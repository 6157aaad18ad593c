"""The signed receipt that stands for a record: issue it, read it. Needs itsdangerous alone.

A token is `<base64url of the JSON>.<signature>`, never compressed, so that the banner script can read the JSON
before the first dot without a key. The signature is HMAC-SHA256 by itsdangerous.
"""

import hashlib
import hmac
import json
import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from itsdangerous import BadSignature, Signer
from itsdangerous.signer import SigningAlgorithm

SALT = "poort.receipt"
LONGEST = 4_096  # characters; a browser keeps no larger cookie
REMEMBERED = 20_000  # receipts; some 1.5 kB each

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ACTIONS = frozenset({"accept_all", "necessary_only", "custom", "withdraw"})


class BadReceipt(Exception):
    """The token is not a receipt that one of the keys signed."""


class Receipt(NamedTuple):
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
    variant: str | None = None  # what an experiment showed

    def claims(self) -> dict[str, Any]:
        """The JSON of the token, with the contract's one-letter names, lists sorted so that it is always the same."""
        shown = {} if self.variant is None else {"w": self.variant}
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
            **shown,
        }


_CLAIMS = frozenset({"s", "r", "p", "v", "a", "c", "x", "g", "gpc", "t", "e"})
_WITH_VARIANT = _CLAIMS | {"w"}
_VARIANT = re.compile(r"[a-z0-9-]{1,31}")
_LATEST = 2**53  # the largest whole number that a browser reads exactly


@lru_cache(maxsize=1_024)
def _shared(names: tuple[str, ...]) -> frozenset[str]:
    """Most visitors choose the same: thousands of remembered receipts share a few sets."""
    return frozenset(names)


def _names(value: object) -> frozenset[str]:
    if type(value) is not list or not all(type(name) is str for name in value):
        raise BadReceipt("a list of names is not one")
    return _shared(tuple(value))


def _is_id(value: object) -> bool:
    return type(value) is str and _UUID.fullmatch(value) is not None


def _is_whole(value: object) -> bool:
    # Asked by `type() is`: true is a whole number to `isinstance`.
    return type(value) is int and 0 <= value < _LATEST


def _is_variant(value: object) -> bool:
    return type(value) is str and _VARIANT.fullmatch(value) is not None


def _is_sound(claims: dict[str, Any]) -> bool:
    """Whether each claim that is no list has its type."""
    return (
        type(claims["s"]) is str and _is_id(claims["r"]) and _is_id(claims["p"])
        and _is_whole(claims["v"]) and _is_whole(claims["t"]) and _is_whole(claims["e"])
        and type(claims["gpc"]) is bool and type(claims["a"]) is str and claims["a"] in _ACTIONS
    )


def from_claims(claims: object) -> Receipt:
    """The receipt that these claims make; raises BadReceipt on anything unexpected, signed or not (A3)."""
    if type(claims) is not dict or (claims.keys() != _CLAIMS and claims.keys() != _WITH_VARIANT):
        raise BadReceipt("the claims are not a receipt's")
    if not _is_sound(claims) or ("w" in claims and not _is_variant(claims["w"])):
        raise BadReceipt("a claim has the wrong type")
    granted, refused, allowed = _names(claims["c"]), _names(claims["x"]), _names(claims["g"])
    if claims["a"] in ("necessary_only", "withdraw") and (granted or allowed):
        raise BadReceipt("a refusal grants nothing")
    return Receipt(
        claims["s"], claims["r"], claims["p"], claims["v"], claims["a"],
        granted, refused, allowed, claims["gpc"], claims["t"], claims["e"], claims.get("w"),
    )


class _Sha256(SigningAlgorithm):
    """HMAC-SHA256 that reads a key once: the same bytes as itsdangerous' own in a third of the time.

    Not hmac.digest(), which is as quick but lets other threads run: in a worker that records, each of its calls waited
    60 µs to go on.
    """

    def __init__(self) -> None:
        self._begun = lru_cache(maxsize=64)(lambda key: hmac.new(key, digestmod="sha256"))

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        mac = self._begun(key).copy()
        mac.update(value)
        return mac.digest()


def _no_number(name: str) -> None:
    raise BadReceipt(f"{name} is no JSON")


_ALGORITHM = _Sha256()
# As other languages read JSON: without NaN and Infinity.
_READER = json.JSONDecoder(parse_constant=_no_number)
_WRITER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True)


class Keyring:
    """The keys of a Poort, newest first: the first signs, every one verifies.

    >>> Keyring(["a key of at least 32 random characters"]).read(token)
    """

    def __init__(self, keys: Sequence[str]) -> None:
        # An empty key is one that anybody has.
        if isinstance(keys, str) or not keys or not all(isinstance(key, str) and key.strip() for key in keys):
            raise ValueError("keys must be a list with at least one key, newest first, and no empty one")
        # itsdangerous signs with the last key. Keys are derived once, and not for every receipt.
        given = Signer(list(reversed(keys)), salt=SALT, key_derivation="hmac", digest_method=hashlib.sha256)
        self._derived = [given.derive_key(key) for key in given.secret_keys]
        self._signer = Signer(self._derived, salt=SALT, sep=".", key_derivation="none", algorithm=_ALGORITHM)
        # A receipt says the same for ever, its own expiry too, by which the gate judges it at every request: so what
        # was verified once can be remembered.
        self._remembered = lru_cache(maxsize=REMEMBERED)(self._verify)

    def issue(self, receipt: Receipt) -> str:
        """The token for this receipt; the same receipt gives the same token as long as the first key stays."""
        payload = _WRITER.encode(receipt.claims()).encode()
        return self._signer.sign(_encoded(payload)).decode()

    def read(self, token: str) -> Receipt:
        """The receipt in `token`; raises BadReceipt when no key signed it or it is not one."""
        if len(token) > LONGEST:
            raise BadReceipt("the token is too long")
        return self._remembered(token)

    def _verify(self, token: str) -> Receipt:
        try:
            payload, _, signature = token.encode("ascii").rpartition(b".")
            if not any(self._signs(key, payload, signature) for key in reversed(self._derived)):
                raise BadReceipt("no key of this Poort signed the token")
            return from_claims(_READER.decode(_text(payload)))
        except (BadSignature, ValueError, RecursionError) as error:  # UnicodeError and JSON errors are ValueErrors
            raise BadReceipt("the token can not be read") from error

    @staticmethod
    def _signs(key: bytes, payload: bytes, signature: bytes) -> bool:
        # Compared as text, and not as the bytes that it stands for: the last character of base64 has bits that mean
        # nothing, and decoding steps over signs that are none. One receipt is one text, and any other is forged.
        return hmac.compare_digest(_encoded(_ALGORITHM.get_signature(key, payload)), signature)


def _encoded(content: bytes) -> bytes:
    """Base64 for URLs without padding, as itsdangerous writes it, and `_decoded` back: each a third of its time."""
    return b2a_base64(content, newline=False).translate(_TO_URL, b"=")


def _decoded(text: bytes) -> bytes:
    return a2b_base64(text.translate(_FROM_URL) + b"==")


def _text(payload: bytes) -> str:
    """The JSON of a payload in its one spelling: decoding steps over signs that are none, each language its own way."""
    content = _decoded(payload)
    if _encoded(content) != payload:
        raise BadReceipt("the payload is not spelled as base64 for URLs")
    return content.decode()


_TO_URL, _FROM_URL = bytes.maketrans(b"+/", b"-_"), bytes.maketrans(b"-_", b"+/")


def tokens(header: str | None, cookie: str | None) -> list[str]:
    """The tokens of a request: its `Poort-Receipt` header, else every cookie called `poort` in the `Cookie` header.

    Two cookies of one name happen when a sibling subdomain sets one too; the caller lets the stricter one count.
    """
    if header:
        return [header.strip()]
    if not cookie or "poort=" not in cookie:
        return []
    # Servers join repeated Cookie lines with a comma; a receipt holds neither sign.
    pairs = [part.partition("=") for part in cookie.replace(",", ";").split(";") if "poort=" in part]
    # Blanks are those of HTTP; each language has a list of its own of what else may be one.
    return [value.strip(" \t").strip('"') for name, _, value in pairs if name.strip(" \t") == "poort"]


def read_all(keyring: Keyring, texts: Iterable[str]) -> list["Receipt | None"]:
    """Each token's receipt, None where it can not be read."""
    found: list[Receipt | None] = []
    for text in texts:
        try:
            found.append(keyring.read(text))
        except BadReceipt:
            found.append(None)
    return found
