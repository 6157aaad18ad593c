"""`flask catalogue`: what it prints, and that whatever it can not answer is one clear line and a status of its own."""

import json
from collections.abc import Callable, Iterator

import pytest
from click.testing import Result
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import create_app
from consent.catalogue import CATALOGUE
from tests.conftest import KEY, close

Run = Callable[..., Result]
UNKNOWN, BAD = 1, 2  # statuses


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """An application whose database was never made: these commands need none."""
    made = create_app(POORT_DATABASE_URL=f"sqlite:///{tmp_path_factory.mktemp('none')}/none", POORT_SECRET_KEYS=KEY)
    yield made
    close(made)


@pytest.fixture
def run(app: Flask) -> Run:
    def command(*arguments: str) -> Result:
        return app.test_cli_runner().invoke(args=["catalogue", *arguments])

    return command


def lines(done: Result) -> list[str]:
    return str(done.output).splitlines()


def test_list_has_a_line_for_every_tracker(run: Run) -> None:
    heading, *rows = lines(run("list"))
    assert heading.split() == ["ID", "CATEGORY", "VENDOR", "COUNTRY", "ROLE", "MARKS"]
    assert [row.split()[0] for row in rows] == list(CATALOGUE)
    hotjar = next(row for row in rows if row.startswith("hotjar "))
    assert hotjar.split() == ["hotjar", "analytics", "Hotjar", "MT", "processor", "session", "replay"]
    column = heading.index("CATEGORY")
    assert {row[column:].split()[0] for row in rows} == {"functional", "analytics", "marketing"}


def test_list_and_show_give_the_same_rows_as_json(run: Run) -> None:
    rows = json.loads(run("list", "--json").output)
    assert [row["id"] for row in rows] == list(CATALOGUE)
    assert json.loads(run("show", "ga4", "--json").output) == rows[0]
    assert rows[0]["verified_at"] == "2026-11-22"


@pytest.mark.parametrize("id", CATALOGUE)
def test_show_says_everything_of_a_row(run: Run, id: str) -> None:
    done = run("show", id)
    row = CATALOGUE[id]
    said = " ".join(done.output.split())
    assert done.exit_code == 0
    facts = [row["why"], row["vendor"], row["purpose"]["nl"], row["purpose"]["en"], row["policy_url"], row["source"],
             row["teardown"], row["note"], row["consent_call"], *row["hosts"], *row["paths"], *row["elements"]]
    for fact in facts:
        assert " ".join((fact or "").split()) in said, fact
    for own in (*row["cookies"], *row["storage"]):
        assert own["name"] in said
    assert not any(len(line) > 130 for line in lines(done) if "note" in line)


def test_show_writes_lifetimes_in_words_and_says_what_only_the_server_can_expire(run: Run) -> None:
    shown = run("show", "ga4").output
    assert "_ga_*  2 years\n" in shown
    assert "FPID  2 years  expired by the site's server\n" in shown
    assert "MUID  1 year  on bing.com\n" in run("show", "uet").output


@pytest.mark.parametrize(("url", "ids"), [
    ("https://static.hotjar.com/c/hotjar-1.js", ["hotjar"]),
    ("//static.hotjar.com/c/hotjar-1.js", ["hotjar"]),
    ("static.hotjar.com", ["hotjar"]),
    ("HTTPS://STATIC.HOTJAR.COM./c", ["hotjar"]),
    ("wss://ws.hotjar.com/api", ["hotjar"]),
    ("http://user:secret@www.facebook.com:443/tr?id=1#x", ["meta"]),
    ("static.hotjar.com/c/x.js?from=https://www.shop.example/", ["hotjar"]),
    ("https://www.googletagmanager.com/gtag/js?id=G-1", ["ga4"]),
    ("https://www.googletagmanager.com/gtag/js?id=GT-1", ["ga4", "gads", "dclk"]),
])
def test_match_tells_what_a_request_is_for(run: Run, url: str, ids: list[str]) -> None:
    done = run("match", url)
    assert done.exit_code == 0, done.output
    assert [line.split()[0] for line in lines(done)][:len(ids)] == ids
    assert ("each has to be allowed" in done.output) == (len(ids) > 1)
    assert [one["id"] for one in json.loads(run("match", url, "--json").output)["trackers"]] == ids


def test_match_says_by_which_pattern_and_the_strictest_category(run: Run) -> None:
    assert lines(run("match", "https://static.hotjar.com/x")) == ["hotjar  analytics  Hotjar (Hotjar)  by *.hotjar.com"]
    found = json.loads(run("match", "https://stats.g.doubleclick.net/j", "--json").output)
    assert (found["url"], found["category"]) == ("https://stats.g.doubleclick.net/j", "marketing")
    assert [one["by"] for one in found["trackers"]] == ["stats.g.doubleclick.net", "*.doubleclick.net"]


@pytest.mark.parametrize("url", [
    "https://www.shop.example/", "hotjar.com", "https://hotjar.com.evil.example/", "http://10.0.0.1/x",
    "localhost:8000", "http://[::1]/", "https://münchen.example/",
])
def test_an_unknown_request_counts_as_marketing(run: Run, url: str) -> None:
    done = run("match", url)
    assert done.exit_code == UNKNOWN
    assert lines(done) == [
        f"Error: {url} is of no tracker in the catalogue; it counts as marketing until it is classified."]
    found = run("match", url, "--json")
    assert found.exit_code == UNKNOWN
    assert json.loads(found.stdout) == {"url": url, "trackers": [], "category": "marketing"}


@pytest.mark.parametrize("url", [
    "", " ", "hotjar", "https://", "//", "/c/hotjar.js", "https://[", "https://a b.example/", "javascript:alert(1)",
    "data:text/html,x", "ftp://static.hotjar.com/", "https://static.hotjar.com:99999/", "a\nb.example",
    "https://-a.example/", "https://" + "a" * 300 + ".example/", "*.hotjar.com",
])
def test_what_is_no_address_is_one_line(run: Run, url: str) -> None:
    done = run("match", url)
    assert done.exit_code == BAD
    assert len(lines(done)) == 1
    assert "is not a web address; give one such as " in done.output


@pytest.mark.parametrize(("arguments", "ids"), [
    (["_ga_ABC"], ["ga4"]),
    (["_li_id.1"], ["leadinfo"]),
    (["li_fat_id"], ["linkedin"]),
    (["_hjDonePolls"], ["hotjar", "csq"]),
    (["crisp-client/session/1"], ["crisp"]),
    (["MR", "--domain", "bing.com"], ["uet"]),
    (["MR", "--domain", ".C.Clarity.ms"], ["clarity"]),
    (["_ga_*"], ["ga4"]),
])
def test_match_cookie_tells_who_sets_it(run: Run, arguments: list[str], ids: list[str]) -> None:
    done = run("match-cookie", *arguments)
    assert done.exit_code == 0, done.output
    assert [line.split()[0] for line in lines(done)][:len(ids)] == ids
    found = json.loads(run("match-cookie", *arguments, "--json").output)
    assert (found["cookie"], [one["id"] for one in found["trackers"]]) == (arguments[0], ids)


@pytest.mark.parametrize("name", ["_cs_1083746253643", "_gatsby", "session"])
def test_an_unknown_cookie_counts_as_marketing(run: Run, name: str) -> None:
    done = run("match-cookie", name)
    assert done.exit_code == UNKNOWN
    assert lines(done) == [
        f"Error: {name} is of no tracker in the catalogue; it counts as marketing until it is classified."]
    assert json.loads(run("match-cookie", name, "--json").stdout)["category"] == "marketing"


def test_a_generic_name_is_asked_for_its_domain(run: Run) -> None:
    done = run("match-cookie", "MR")
    assert done.exit_code == UNKNOWN
    assert lines(done)[0].endswith("It is known on bing.com and clarity.ms: give --domain.")
    assert "give --domain" not in run("match-cookie", "MR", "--domain", "shop.example").output


@pytest.mark.parametrize(("arguments", "said"), [
    (["show", "ga5"], "ga5 is not in the catalogue; `flask catalogue list` shows what is."),
    (["show", ""], "nothing is not in the catalogue"),
    (["match-cookie", "_ga=1; x"], "_ga=1; x is not a cookie's name"),
    (["match-cookie", ""], "nothing is not a cookie's name"),
    (["match-cookie", "a" * 129], "is not a cookie's name"),
    (["match-cookie", "a\nb"], "a\\nb is not a cookie's name"),
    (["match-cookie", "_ga", "--domain", "https://x"], "https://x is not a domain"),
    (["match-cookie", "_ga", "--domain", ""], "nothing is not a domain"),
    (["match-cookie", "poort"], "poort is the visitor's own choice"),
])
def test_bad_input_is_one_line(run: Run, arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert done.exit_code == BAD
    assert len(lines(done)) == 1
    assert said in done.output


calm = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@calm
@given(command=st.sampled_from(["match", "match-cookie", "show"]), text=st.text(max_size=40))
def test_whatever_is_typed_ends_with_a_line_and_a_status(run: Run, command: str, text: str) -> None:
    done = run(command, "--", text)
    assert done.exit_code in (0, UNKNOWN, BAD)
    assert done.output.strip()
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert done.exit_code == 0 or len(lines(done)) == 1


@pytest.mark.parametrize("command", ["list", "show", "match", "match-cookie"])
def test_every_command_explains_itself(run: Run, command: str) -> None:
    done = run(command, "--help")
    assert done.exit_code == 0
    assert "--json" in done.output
