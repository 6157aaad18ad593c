"""Makes receipts.json: what every reader of receipts has to answer, in Python, Node.js and PHP.

    python -m tests.vectors.make_receipts

Signs with itsdangerous itself, and says by hand what is expected: nothing here asks the code that it tests. The file:
`tokens` are read by `keys` to their payload, or to "bad"; `cookies` are Cookie headers and the tokens in them;
`decisions` are what the gate answers about `tracker` at `now` to whom shows a Cookie header or a list of tokens.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from itsdangerous import Signer

from consent.gate import Tracker, Version

FILE = Path(__file__).with_name("receipts.json")
NOW, DAY = 1_795_000_000, 86_400
NEW, OLD = "the-new-key-9876543210-9876543210-xyz", "an-old-key-0123456789-0123456789-abc"
FOREIGN = "somebody-elses-key-5555555555-5555555555"
BOTH = [NEW, OLD]
R, P = "6f1c2f0e-58f3-4d5c-9f6a-0a1b2c3d4e5f", "0a1b2c3d-58f3-4d5c-9f6a-6f1c2f0e4e5f"
SALT = "poort.receipt"

TRACKERS = (
    Tracker("session", "necessary", 1), Tracker("stats", "analytics", 1, exempt=True),
    Tracker("hotjar", "analytics", 1), Tracker("ga4", "analytics", 4),
    Tracker("meta", "marketing", 1), Tracker("intercom", "functional", 1),
)
SINCE = {"necessary": 1, "functional": 1, "analytics": 1, "marketing": 1}
VERSIONS = {
    "shop": Version("shop", 5, {tracker.id: tracker for tracker in TRACKERS}, SINCE),
    "analytics_changed": Version("shop", 5, {t.id: t for t in TRACKERS}, {**SINCE, "analytics": 5}),
    "children": Version("shop", 5, {tracker.id: tracker for tracker in TRACKERS}, SINCE, "children"),
}

ALL = {
    "s": "shop", "r": R, "p": P, "v": 5, "a": "accept_all", "c": ["analytics", "functional", "marketing"], "x": [],
    "g": [], "gpc": False, "t": NOW - DAY, "e": NOW + DAY,
}
NONE = {**ALL, "a": "necessary_only", "c": []}
WITHDRAWN = {**NONE, "a": "withdraw"}
SOME = {**ALL, "a": "custom", "c": ["analytics"], "x": ["hotjar"], "g": ["intercom"]}

Vector = dict[str, Any]


def encoded(content: bytes) -> str:
    """Base64 for URLs, without padding."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def signed(
    payload: str, key: str = NEW, salt: str = SALT, derivation: str = "hmac", digest: Any = hashlib.sha256
) -> str:
    """A payload, whatever it is, with its signature."""
    signer = Signer(key, salt=salt, sep=".", key_derivation=derivation, digest_method=digest)
    return signer.sign(payload).decode()


def written(text: str | bytes, **how: Any) -> str:
    """A token whose payload is this text."""
    return signed(encoded(text if isinstance(text, bytes) else text.encode()), **how)


def token(claims: Any, **how: Any) -> str:
    """The token of these claims."""
    return written(json.dumps(claims, separators=(",", ":")), **how)


def text_of(claims: Mapping[str, Any]) -> str:
    """The JSON of the claims, to be spoilt."""
    return json.dumps(claims, separators=(",", ":"))


# -- tokens -----------------------------------------------------------------------------------------------------------

YES, NO = token(ALL), token(NONE)
PAYLOAD, _, SIGNATURE = YES.partition(".")
OTHER = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def next_sign(sign: str) -> str:
    """Another sign of base64."""
    return OTHER[(OTHER.index(sign) + 1) % 64]


def good_tokens() -> Iterator[tuple[str, str, Sequence[str], Any]]:
    """Name, token, keys and payload."""
    yield "everything is granted", YES, [NEW], ALL
    yield "only what is necessary", NO, [NEW], NONE
    yield "withdrawn", token(WITHDRAWN), [NEW], WITHDRAWN
    yield "a choice of its own", token(SOME), [NEW], SOME
    yield "the newest key of two", YES, BOTH, ALL
    yield "the older key of two", token(ALL, key=OLD), BOTH, ALL
    yield "the order of the keys does not matter", token(ALL, key=OLD), [OLD, NEW], ALL
    yield "expired long ago: reading does not ask", token({**ALL, "e": 1}), [NEW], {**ALL, "e": 1}
    yield "another site's: reading does not ask", token({**ALL, "s": "other"}), [NEW], {**ALL, "s": "other"}
    yield "a site outside ASCII", token({**ALL, "s": "wïnkel"}), [NEW], {**ALL, "s": "wïnkel"}
    yield "the same as UTF-8", written(text_of(ALL).replace("shop", "wïnkel")), [NEW], {**ALL, "s": "wïnkel"}
    yield "a sign outside the plane", token({**ALL, "x": ["🍪"]}), [NEW], {**ALL, "x": ["🍪"]}
    yield "another order of claims", token(dict(reversed(ALL.items()))), [NEW], ALL
    yield "blanks between the claims", written(json.dumps(ALL, indent=1)), [NEW], ALL
    twice = text_of(ALL).replace('"v":5', '"v":9,"v":5')
    yield "the last of two claims of one name counts", written(twice), [NEW], ALL
    yield "a tracker that is granted and refused", token({**SOME, "g": ["hotjar"]}), [NEW], {**SOME, "g": ["hotjar"]}
    long = {**SOME, "x": sorted(f"tracker-{number:03}" for number in range(190))}
    yield "almost as long as a cookie can be", token(long), [NEW], long
    latest = {**ALL, "e": 2**53 - 1, "t": 0}
    yield "the largest whole number", token(latest), [NEW], latest


def forged_tokens() -> Iterator[tuple[str, str]]:
    """Tokens that nobody signed as they are."""
    yield "signed by a key that is not ours", token(ALL, key=FOREIGN)
    yield "signed with another salt", token(ALL, salt="poort.session")
    yield "signed with the salt of itsdangerous", token(ALL, salt="itsdangerous")
    yield "signed with the key concatenated", token(ALL, derivation="django-concat")
    yield "signed with the bare key", token(ALL, derivation="none")
    yield "signed with SHA-1", token(ALL, digest=hashlib.sha1)
    yield "signed with SHA-512", token(ALL, digest=hashlib.sha512)
    yield "another receipt's signature", f"{NO.partition('.')[0]}.{SIGNATURE}"
    yield "another payload", f"{encoded(text_of({**ALL, 'e': NOW * 2}).encode())}.{SIGNATURE}"
    yield "a changed sign in the signature", f"{PAYLOAD}.{next_sign(SIGNATURE[0])}{SIGNATURE[1:]}"
    yield "the same signature, spelled otherwise", f"{PAYLOAD}.{SIGNATURE[:-1]}{next_sign(SIGNATURE[-1])}"
    yield "a changed sign in the payload", f"{PAYLOAD[:20]}{next_sign(PAYLOAD[20])}{PAYLOAD[21:]}.{SIGNATURE}"
    yield "upper case", YES.upper()
    yield "lower case", YES.lower()
    yield "the signature in hexadecimal", f"{PAYLOAD}.{'0' * 64}"
    yield "a signature of nothing", f"{PAYLOAD}.{'A' * 43}"


def misspelled_tokens() -> Iterator[tuple[str, str]]:
    """Tokens that a lenient reader would take."""
    yield "nothing", ""
    yield "a dot", "."
    yield "no dot", PAYLOAD + SIGNATURE
    yield "no signature", PAYLOAD
    yield "an empty signature", f"{PAYLOAD}."
    yield "no payload", f".{SIGNATURE}"
    yield "an empty payload, signed", signed("")
    yield "cut off by one", YES[:-1]
    yield "cut off in the payload", YES[:60]
    yield "a dot too many at the end", f"{YES}."
    yield "a dot too many in front", f".{YES}"
    yield "a dot too many between", YES.replace(".", "..")
    yield "a dot too many, signed", signed(f"{PAYLOAD[:8]}.{PAYLOAD[8:]}")
    yield "a part too many", f"{YES}.{SIGNATURE}"
    yield "padded at the end", f"{YES}="
    yield "padded in the payload", f"{PAYLOAD}==.{SIGNATURE}"
    yield "padded in the payload, signed", signed(f"{PAYLOAD}==")
    yield "a blank in the payload, signed", signed(f"{PAYLOAD[:8]} {PAYLOAD[8:]}")
    yield "a line's end in the payload, signed", signed(f"{PAYLOAD[:8]}\n{PAYLOAD[8:]}")
    yield "one sign too many in the payload, signed", signed(f"{PAYLOAD}AAAAA"[: len(PAYLOAD) // 4 * 4 + 5])
    yield "bits that mean nothing in the payload, signed", signed(f"{encoded(text_of(ALL).encode() + b' ')[:-1]}h")
    plain = base64.b64encode(text_of({**ALL, "s": "w?>?~"}).encode()).decode()
    yield "base64 that is not for URLs, signed", signed(plain)
    yield "blanks around", f" {YES} "
    yield "a tab behind", f"{YES}\t"
    yield "a line's end behind", f"{YES}\n"
    yield "a NUL behind", f"{YES}\0"
    yield "quotes around", f'"{YES}"'
    yield "percent-encoded", YES.replace(".", "%2E")
    yield "a sign outside ASCII in front", f"é{YES}"
    yield "a full-width dot", YES.replace(".", "．")
    yield "a sign outside the plane behind", f"{YES}🍪"
    yield "compressed", signed(f".{encoded(b'x')}")
    yield "longer than a cookie can be", token({**ALL, "x": ["x" * 4_096]})
    yield "huge", "x" * 9_000
    yield "huge, with a signature", f"{'A' * 9_000}.{SIGNATURE}"


def odd_texts() -> Iterator[tuple[str, str | bytes]]:
    """Payloads that are signed and are no receipt."""
    text = text_of(ALL)
    yield "no JSON", "receipt"
    yield "JSON that ends early", text[:-1]
    yield "JSON with something behind it", f"{text}x"
    yield "two receipts in one", text + text
    yield "single quotes", text.replace('"', "'")
    yield "a comma too many", text.replace("}", ",}")
    yield "a comment", text.replace("{", "{/**/")
    yield "a byte order mark", b"\xef\xbb\xbf" + text.encode()
    yield "UTF-16", text.encode("utf-16")
    yield "Latin-1", text.replace("shop", "wïnkel").encode("latin-1")
    yield "half a pair as UTF-8", text.encode().replace(b"shop", b"\xed\xa0\x80")
    yield "a line's end within a name", text.replace("shop", "sh\nop")
    yield "a NUL within a name", text.replace("shop", "sh\0op")
    yield "NaN", text.replace('"v":5', '"v":NaN')
    yield "Infinity", text.replace('"v":5', '"v":Infinity')
    yield "NaN that another claim hides", text.replace('"v":5', '"v":NaN,"v":5')
    yield "a number with a fraction", text.replace('"v":5', '"v":5.0')
    yield "a number with an exponent", text.replace('"v":5', '"v":5e0')
    yield "a number with zeros in front", text.replace('"v":5', '"v":05')
    yield "a number with a plus", text.replace('"v":5', '"v":+5')
    yield "a negative number", text.replace('"v":5', '"v":-5')
    yield "a number beyond what every language reads", text.replace(f'"e":{NOW + DAY}', f'"e":{2**53}')
    yield "a number beyond all bounds", text.replace(f'"e":{NOW + DAY}', f'"e":{"9" * 400}')
    yield "the first of two claims does not count", text.replace('"v":5', '"v":5,"v":null')
    yield "lists in lists", text.replace('"x":[]', f'"x":{"[" * 400}{"]" * 400}')
    yield "an object for a list", text.replace('"x":[]', '"x":{}')
    yield "a list with names", text.replace('"x":[]', '"x":{"0":"hotjar"}')


def odd_claims() -> Iterator[tuple[str, Any]]:
    """JSON that is signed and is no receipt."""
    yield "null", None
    yield "a number", 5
    yield "a text", "shop"
    yield "a list", list(ALL.values())
    yield "an object without claims", {}
    yield "a claim too many", {**ALL, "z": 1}
    yield "a prototype too many", {**ALL, "__proto__": {}}
    for name in ALL:
        fewer = {other: value for other, value in ALL.items() if other != name}
        yield f"without {name}", fewer
        yield f"a prototype for {name}", {**fewer, "__proto__": {name: ALL[name]}}
    for name in ALL:
        yield f"{name} is null", {**ALL, name: None}
    for name in ("s", "r", "p", "a"):
        yield f"{name} is a number", {**ALL, name: 5}
    for name in ("v", "t", "e"):
        value: Any
        for value in ("5", True, -1, [], 1.5):
            yield f"{name} is {json.dumps(value)}", {**ALL, name: value}
    for name in ("c", "x", "g"):
        odd: Any
        for odd in ("analytics", {}, [1], [None], [["analytics"]], True):
            yield f"{name} is {json.dumps(odd)}", {**ALL, name: odd}
    yield "gpc is 1", {**ALL, "gpc": 1}
    yield "gpc is a text", {**ALL, "gpc": "false"}
    yield "an action that is none", {**ALL, "a": "yes"}
    yield "an action in upper case", {**ALL, "a": "ACCEPT_ALL"}
    yield "an id that is none", {**ALL, "r": "42"}
    yield "an id in upper case", {**ALL, "p": P.upper()}
    yield "an id with a line's end", {**ALL, "r": f"{R}\n"}
    yield "an id in braces", {**ALL, "r": f"{{{R}}}"}
    yield "a refusal that grants a category", {**NONE, "c": ["analytics"]}
    yield "a withdrawal that grants a tracker", {**WITHDRAWN, "g": ["hotjar"]}


def tokens() -> Iterator[Vector]:
    """All of them."""
    for name, text, keys, payload in good_tokens():
        yield {"name": name, "token": text, "keys": keys, "payload": payload}
    bad = [*forged_tokens(), *misspelled_tokens()]
    bad += [(f"{name}, signed", written(text)) for name, text in odd_texts()]
    bad += [(f"{name}, signed", token(claims)) for name, claims in odd_claims()]
    for name, text in bad:
        yield {"name": name, "token": text, "keys": BOTH, "payload": "bad"}
    yield {"name": "a key that was taken away", "token": token(ALL, key=OLD), "keys": [NEW], "payload": "bad"}
    yield {"name": "a key in upper case", "token": YES, "keys": [NEW.upper()], "payload": "bad"}


# -- cookies ----------------------------------------------------------------------------------------------------------

COOKIES: list[tuple[str, list[str]]] = [
    ("", []), ("a=b; c=d", []), ("poort=T", ["T"]), ("a=b; poort=T; c=d", ["T"]), ("poort=T; poort=U", ["T", "U"]),
    ('poort="T"', ["T"]), ("xpoort=T", []), ("poortx=T", []), ("Poort=T", []), ("POORT=T", []), ("poort=", [""]),
    ("poort", []), ("poort=a=b", ["a=b"]), ("poort=T,poort=U", ["T", "U"]), ("x=1,poort=T; poort=U", ["T", "U"]),
    (" poort=T ", ["T"]), ("\tpoort=T\t", ["T"]), ("poort =T", []), ("\u00a0poort=T", []),
    ("poort=\u00a0T", ["\u00a0T"]), ("poort=T\u000b", ["T\u000b"]), (";;poort=T;;", ["T"]),
    ("a=poort=T", []), ("poort=poort=T", ["poort=T"]),
    ("poort=%54", ["%54"]), ("poört=T", []), ('poort=""T""', ["T"]), ("poort = T", []), ("poort=é", ["é"]),
    ("=poort=T", []),
]


# -- decisions --------------------------------------------------------------------------------------------------------

Case = tuple[str, Any, str, str]  # name, what is shown, tracker, reason


def plain_cases() -> Iterator[Case]:
    """Of the version `shop`, now, without GPC."""
    forged = f"{PAYLOAD}.{'A' * 43}"
    yield "a necessary tracker needs no choice", [], "session", "necessary"
    yield "an exempt tracker needs no choice", [], "stats", "exempt"
    yield "not even after a refusal", [NO], "stats", "exempt"
    yield "and no readable receipt", [forged], "session", "necessary"
    yield "no receipt", [], "hotjar", "no_choice"
    yield "a receipt nobody signed", [forged], "hotjar", "bad_receipt"
    yield "an empty receipt", [""], "hotjar", "bad_receipt"
    yield "another site's receipt", [token({**ALL, "s": "other"})], "hotjar", "wrong_site"
    yield "a site in other letters", [token({**ALL, "s": "Shop"})], "hotjar", "wrong_site"
    yield "granted", [YES], "hotjar", "granted"
    yield "refused", [NO], "hotjar", "denied"
    yield "withdrawn", [token(WITHDRAWN)], "hotjar", "withdrawn"
    yield "a tracker's own refusal beats its category", [token(SOME)], "hotjar", "denied"
    yield "a tracker's own consent beats its category", [token(SOME)], "intercom", "granted"
    yield "its neighbour follows the category", [token(SOME)], "ga4", "granted"
    yield "a category that was not granted", [token(SOME)], "meta", "denied"
    yield "refused and granted is refused", [token({**SOME, "g": ["hotjar"]})], "hotjar", "denied"
    yield "a name in other letters grants nothing", [token({**SOME, "g": ["Meta"]})], "meta", "denied"
    yield "in its last second", [token({**ALL, "e": NOW + 1})], "hotjar", "granted"
    yield "at its end", [token({**ALL, "e": NOW})], "hotjar", "expired"
    yield "a refusal ends as well", [token({**NONE, "e": NOW})], "hotjar", "expired"
    yield "a tracker changed after the receipt", [token({**ALL, "v": 3})], "ga4", "stale_version"
    yield "its neighbour did not", [token({**ALL, "v": 3})], "hotjar", "granted"
    yield "a receipt of a version that is not known yet", [token({**ALL, "v": 6})], "hotjar", "stale_version"
    yield "version 0", [token({**ALL, "v": 0})], "hotjar", "stale_version"
    yield "an unknown tracker", [YES], "clarity", "unknown_tracker"
    yield "no name", [YES], "", "unknown_tracker"
    yield "a name of the language's own", [YES], "__proto__", "unknown_tracker"
    yield "another one", [YES], "constructor", "unknown_tracker"
    yield "a category is no tracker", [YES], "analytics", "unknown_tracker"
    pair, backslash = (
        written(text_of(ALL).replace('"x":[]', text)) for text in (r'"x":["\ud800"]', r'"x":["\\ud800","hotjar"]'))
    yield "half a pair among the refused", [pair], "hotjar", "granted"
    yield "a backslash among the refused", [backslash], "hotjar", "denied"
    yield "the older key", [token(ALL, key=OLD)], "hotjar", "granted"


def shown_cases() -> Iterator[Case]:
    """What of several receipts, and of a Cookie header, counts."""
    yield "of two receipts the stricter one", [YES, NO], "hotjar", "denied"
    yield "in any order", [NO, YES], "hotjar", "denied"
    yield "the first refusal is the reason", [YES, token({**ALL, "e": 1}), NO], "hotjar", "expired"
    yield "a forged one beside a good one", [YES, "x.y"], "hotjar", "bad_receipt"
    yield "an empty one beside a good one", ["", YES], "hotjar", "bad_receipt"
    yield "another site's beside a good one", [YES, token({**ALL, "s": "other"})], "hotjar", "wrong_site"
    yield "twice the same", [YES, YES], "hotjar", "granted"
    yield "two are not needed for what is necessary", [NO, "x.y"], "session", "necessary"
    yield "a Cookie header", f"theme=dark; poort={YES}; x=y", "hotjar", "granted"
    yield "with two of them", f"poort={YES}; poort={NO}", "hotjar", "denied"
    yield "joined by a comma", f"poort={NO},poort={YES}", "hotjar", "denied"
    yield "with quotes", f'poort="{YES}"', "hotjar", "granted"
    yield "without one", "theme=dark", "hotjar", "no_choice"
    yield "empty", "", "hotjar", "no_choice"
    yield "with an empty one", "poort=; x=y", "hotjar", "bad_receipt"
    yield "with the name in other letters", f"Poort={YES}", "hotjar", "no_choice"
    yield "of 8 kB", f"x={'y' * 8_000}; poort={YES}", "hotjar", "granted"
    yield "bad percent-encoding beside it", f"x=%zz%; poort={YES}", "hotjar", "granted"


def special_cases() -> Iterator[Vector]:
    """Of other versions, and with GPC."""
    said = token({**ALL, "gpc": True})
    for name, text, tracker, reason in (
        ("GPC keeps marketing out", YES, "meta", "gpc"),
        ("and only marketing", YES, "hotjar", "granted"),
        ("unless the decision was made with it on", said, "meta", "granted"),
        ("a refusal comes first", NO, "meta", "denied"),
    ):
        yield decision(name, [text], tracker, reason, gpc=True)
    yield decision("without GPC", [said], "meta", "granted")
    yield decision("a child can grant nothing", [YES], "hotjar", "child_audience", "children")
    yield decision("with no receipt either", [], "meta", "child_audience", "children")
    yield decision("what is exempt stays", [], "stats", "exempt", "children")
    older = token({**ALL, "v": 4})
    changed = "analytics_changed"
    yield decision("a category that changed makes all of it stale", [older], "hotjar", "stale_version", changed)
    yield decision("and no other", [older], "meta", "granted", changed)
    yield decision("a moment before the end", [YES], "hotjar", "granted", now=NOW + DAY - 0.5)
    yield decision("a moment after it", [YES], "hotjar", "expired", now=NOW + DAY + 0.5)


def decision(
    name: str, shown: Any, tracker: str, reason: str, version: str = "shop", gpc: bool = False, now: float = NOW
) -> Vector:
    """A question to the gate with its answer."""
    allow = reason in ("necessary", "exempt", "granted")
    return {
        "name": name, "shown": shown, "keys": BOTH, "version": version, "tracker": tracker, "now": now, "gpc": gpc,
        "allow": allow, "reason": reason,
    }


def made() -> str:
    """The file."""
    whole = {
        "versions": {name: version.as_dict() for name, version in VERSIONS.items()},
        "now": NOW,
        "tokens": list(tokens()),
        "cookies": [{"cookie": cookie, "tokens": found} for cookie, found in COOKIES],
        "decisions": [*[decision(*case) for case in (*plain_cases(), *shown_cases())], *special_cases()],
    }
    rows = [f'"{name}": {_lines(value)}' for name, value in whole.items()]
    return "{\n" + ",\n".join(rows) + "\n}\n"


def _lines(value: Any) -> str:
    if not isinstance(value, list):
        return json.dumps(value)
    return "[\n" + ",\n".join(json.dumps(row) for row in value) + "\n]"


if __name__ == "__main__":
    FILE.write_text(made(), encoding="utf-8")
