"""The gate around real sites: Flask and ASGI under gunicorn, and what hostile visitors send."""

import asyncio
import gzip
import http.client
import re
import socket
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from flask import Flask, Response, render_template_string
from hypothesis import given
from hypothesis import strategies as st

from consent.links import target
from consent.middleware import AsyncGateMiddleware, GateMiddleware, init_app
from consent.noscript import LONGEST, LONGEST_TAG, Filter
from consent.pages import HELD, MOST_EXPIRED, expiries
from consent.sdk import Gate, Visitor
from tests import gated
from tests.gated import CLEANED, PAGES, PIXELS, receipt

ALL = ("functional", "analytics", "marketing")
DOORS = {"wsgi": ("flask_site", "strict_site", "gthread"), "asgi": ("async_site", "strict_async_site", "asgi")}
HOST = "www.shop.example"


class Got(NamedTuple):
    """An answer with all its headers."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]

    def one(self, name: str) -> str | None:
        values = self.all(name)
        assert len(values) < 2, values
        return values[0] if values else None


@pytest.fixture(scope="module", params=list(DOORS))
def door(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def port(door: str) -> Iterator[int]:
    """A site behind the gate."""
    with gated.served(DOORS[door][0], "-k", DOORS[door][2]) as at:
        yield at


@pytest.fixture(scope="module")
def strict(door: str) -> Iterator[int]:
    """The same with a policy."""
    with gated.served(DOORS[door][1], "-k", DOORS[door][2]) as at:
        yield at


def get(port: int, path: str, method: str = "GET", **headers: str) -> Got:
    """One request; `if_none_match="..."` is a header."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        sent = {"Host": HOST, **{name.replace("_", "-"): value for name, value in headers.items()}}
        connection.request(method, path, headers=sent)
        answer = connection.getresponse()
        return Got(answer.status, answer.getheaders(), answer.read())
    finally:
        connection.close()


class TestNoscript:
    def test_a_refused_pixel_leaves_the_page_and_every_other_byte_stays(self, port: int) -> None:
        found = get(port, "/pixels")
        assert found.body == CLEANED
        assert found.one("content-length") == str(len(CLEANED))
        assert found.one("vary") == "Cookie, Sec-GPC"

    def test_an_allowed_one_stays(self, port: int) -> None:
        assert get(port, "/pixels", cookie=f"poort={receipt(*ALL)}").body == PIXELS

    def test_gpc_takes_it_out_again(self, port: int) -> None:
        assert get(port, "/pixels", cookie=f"poort={receipt(*ALL)}", sec_gpc="1").body == CLEANED

    def test_one_of_several_goes_alone(self, port: int) -> None:
        some = receipt(*ALL, refused=frozenset({"meta"}))
        body = get(port, "/pixels", cookie=f"poort={some}").body
        assert b"facebook" not in body
        assert b"fls.doubleclick.net" in body

    def test_a_page_in_pieces_of_three_bytes(self, port: int) -> None:
        found = get(port, "/streamed")
        assert found.body == CLEANED
        assert found.one("content-length") in (None, str(len(CLEANED)))
        assert found.one("vary") == "Cookie, Sec-GPC"

    def test_one_that_is_never_closed(self, port: int) -> None:
        assert get(port, "/unclosed").body == b"<p>a</p><noscript>"

    def test_a_quote_that_is_never_closed_takes_no_page_with_it(self, port: int) -> None:
        assert get(port, "/quote").body == b'<noscript></noscript><p class="x">rest</p>'

    def test_a_page_in_another_encoding(self, port: int) -> None:
        assert get(port, "/latin").body == "<p>Prijs: 5 \u00a3</p>".encode("latin-1") + CLEANED

    @pytest.mark.parametrize("path", ["/text", "/gzip", "/wide"])
    def test_what_is_no_readable_page_is_left_alone(self, port: int, path: str) -> None:
        found = get(port, path)
        assert found.body == b"".join(PAGES[path].body)
        assert found.one("content-length") == str(len(found.body))

    def test_nothing_but_pages_varies(self, port: int) -> None:
        found = get(port, "/text")
        assert (found.one("vary"), found.one("etag")) == (None, '"page-1"')

    def test_a_page_without_a_tracker_is_as_it_was(self, port: int) -> None:
        found = get(port, "/nothing")
        assert found.body == PAGES["/nothing"].body[0]
        assert found.one("vary") is None
        assert found.one("etag") == '"page-1"'
        assert found.one("last-modified") is not None

    def test_a_part_of_a_page_is_not_asked_for(self, port: int) -> None:
        assert get(port, "/tagged", accept="text/html", range="bytes=0-99", if_range='"page-1"').body == CLEANED

    def test_a_compressed_page_is_not_asked_for(self, port: int, door: str) -> None:
        if door == "wsgi":
            told = get(port, "/pid", accept="text/html,*/*", accept_encoding="gzip, br").body
            assert b'"encodings":null' in told
            assert b'"encodings":"br"' in get(port, "/pid", accept="*/*", accept_encoding="br").body
        assert gzip.decompress(get(port, "/gzip", accept_encoding="gzip").body) == PIXELS


class TestCaches:
    def test_vary_joins_what_is_there(self, port: int) -> None:
        assert get(port, "/tagged").one("vary") == "Accept-Language, cookie, Sec-GPC"

    def test_a_head_promises_no_other_length(self, port: int) -> None:
        found = get(port, "/tagged", "HEAD")
        assert found.body == b""
        assert found.one("content-length") is None
        assert found.one("vary") == "Accept-Language, cookie, Sec-GPC"
        assert found.one("etag") == get(port, "/tagged").one("etag")

    def test_the_same_choice_revalidates(self, port: int) -> None:
        tag = get(port, "/tagged").one("etag")
        assert tag is not None
        again = get(port, "/tagged", if_none_match=tag)
        assert (again.status, again.body, again.one("etag")) == (304, b"", tag)
        assert again.one("vary") == "Accept-Language, cookie, Sec-GPC" or "Sec-GPC" in (again.one("vary") or "")
        assert get(port, "/tagged", if_none_match=f'"x", W/{tag}').status == 304

    def test_after_a_withdrawal_the_kept_page_is_not_used_again(self, port: int) -> None:
        granted = get(port, "/tagged", cookie=f"poort={receipt(*ALL)}")
        assert granted.body == PIXELS
        tag = granted.one("etag")
        assert tag is not None
        withdrawn = f"poort={receipt(action='withdraw')}"
        since = "Sun, 01 Nov 2026 00:00:00 GMT"
        found = get(port, "/tagged", cookie=withdrawn, if_none_match=tag, if_modified_since=since)
        assert (found.status, found.body) == (200, CLEANED)

    def test_no_date_stands_for_a_page_that_depends_on_the_visitor(self, port: int) -> None:
        assert get(port, "/tagged").one("last-modified") is None


class TestPolicy:
    def test_it_lists_just_what_is_allowed(self, strict: int) -> None:
        found = get(strict, "/nothing", cookie=f"poort={receipt('functional')}")
        policy = found.one("content-security-policy") or ""
        assert "script-src 'self' https://consent.shop.example maps.googleapis.com stats.shop.example" in policy
        assert "img-src 'self' data: maps.googleapis.com" in policy
        assert "frame-ancestors 'none'" in policy
        assert not re.search("google-analytics|facebook|doubleclick|hotjar", policy)
        assert found.one("vary") == "Cookie, Sec-GPC"

    def test_other_answers_have_none(self, strict: int) -> None:
        assert get(strict, "/text").one("content-security-policy") is None
        tag = get(strict, "/tagged").one("etag")
        assert get(strict, "/tagged", if_none_match=tag or "").one("content-security-policy") is None

    def test_a_nonce_is_in_it_when_the_page_asks(self, strict: int, door: str) -> None:
        if door == "asgi":
            return  # only the Flask site has templates
        found = get(strict, "/nonce")
        nonce = re.search(rb'nonce="([^"]+)"', found.body)
        assert nonce is not None
        assert f"'nonce-{nonce[1].decode()}'" in (found.one("content-security-policy") or "")
        assert "nonce" not in (get(strict, "/template").one("content-security-policy") or "")


class TestCookies:
    LEFT = "_ga=1; FPID=2; basket=3; _fbp=4; fr=5; _gac_UA-1=6; _own_x=7; poort=; __utm=8"

    def expired(self, port: int, path: str = "/nothing", **headers: str) -> list[str]:
        lines = get(port, path, **headers).all("set-cookie")
        return [line for line in lines if "Max-Age=0" in line]

    def test_what_refused_trackers_left_is_expired_on_the_host_and_above(self, port: int) -> None:
        """D8"""
        lines = self.expired(port, cookie=self.LEFT)
        assert {line.split("=")[0] for line in lines} == {"_ga", "FPID", "_fbp", "_gac_UA-1"}
        ends = "=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/"
        assert [line for line in lines if line.startswith("FPID")] == [
            f"FPID{ends}", f"FPID{ends}; Domain=www.shop.example", f"FPID{ends}; Domain=shop.example"]

    def test_what_an_allowed_tracker_set_stays(self, port: int) -> None:
        lines = self.expired(port, cookie=f"{self.LEFT}; poort={receipt('analytics')}".replace("poort=; ", ""))
        assert {line.split("=")[0] for line in lines} == {"_fbp"}, "_gac_* is also an allowed tracker's"

    def test_only_pages_do_it(self, port: int) -> None:
        assert self.expired(port, "/text", cookie=self.LEFT) == []

    def test_the_site_keeps_its_own(self, port: int) -> None:
        lines = get(port, "/cookies", cookie="_fbp=1").all("set-cookie")
        assert lines[:2] == ["basket=1; Path=/", "_fbp=app; Path=/"]
        assert lines[2].startswith("_fbp=; Max-Age=0")

    def test_a_host_that_is_none_gets_no_domain(self, port: int) -> None:
        for host in ("127.0.0.1", "shop", "[::1]:80", "a b.example", "x;y.example"):
            lines = get(port, "/nothing", cookie="_ga=1", host=host).all("set-cookie")
            assert [line for line in lines if "Domain" in line] == [], host

    def test_thousands_are_expired_a_few_at_a_time(self, port: int) -> None:
        lines = self.expired(port, cookie="; ".join(f"_ga_{n}=1" for n in range(500)))
        assert len({line.split("=")[0] for line in lines}) == MOST_EXPIRED

    def test_a_name_with_a_prefix_is_expired_by_its_rules(self) -> None:
        version = {**gated.VERSION, "trackers": [
            {"id": "x", "category": "marketing", "since": 1,
             "cookies": [{"name": "__Host-x"}, {"name": "__Secure-y"}]}]}
        visitor = Gate("shop", [gated.KEY], version).for_cookies(None)
        lines = expiries(visitor, "__Host-x=1; __Secure-y=2", "shop.example")
        assert all(line.endswith("; Secure") for line in lines)
        assert ["Domain" in line for line in lines] == [False, False, True]


HOSTILE: list[tuple[str, bytes]] = [
    ("nothing", b""),
    ("no name", b"=x; ;;; ="),
    ("a forged receipt", b"poort=eyJzIjoic2hvcCJ9.AAAA"),
    ("an empty one beside a good one", b"poort=; poort=GOOD"),
    ("a good one beside a refusal", b"poort=GOOD; poort=NONE"),
    ("a refusal beside a good one", b"poort=NONE; a=b; poort=GOOD"),
    ("joined by a comma", b"poort=GOOD,poort=NONE"),
    ("another site's", b"poort=ELSE"),
    ("one that is over", b"poort=OVER"),
    ("eight thousand bytes", b"poort=" + b"A" * 8_000),
    ("eight thousand bytes beside a good one", b"x=" + b"A" * 7_000 + b"; poort=GOOD; poort=" + b"B" * 400),
    ("bad escapes", b"poort=%ZZ%; %E0%A4%A=%%; poort=%00"),
    ("an escaped one", b"poort=GOOD%20"),
    ("bytes that are no ASCII", b"poort=\xff\xfe\xc3\xa9; \xe9=\xe9; _ga=\xff"),
    ("quotes", b'poort="GOOD; x="; poort=\'GOOD\''),
    ("a thousand cookies", b"; ".join(b"c%d=1" % n for n in range(700)) + b"; poort=NONE"),
    ("a thousand receipts", b"poort=; " * 900),
    ("seventeen good ones", b"poort=GOOD; " * 17),
    ("an escaped name", b"p%6Fort=GOOD"),
    ("upper case", b"POORT=GOOD"),
    ("controls", b"poort=a\x01b\x7f; \x0b_ga\x0c=1"),
]


def raw(port: int, path: str, cookie: bytes, *more: bytes) -> tuple[int, bytes]:
    """A request as bytes; the status, and all that follows the head."""
    for word, token in (("GOOD", receipt(*ALL)), ("NONE", receipt()), ("ELSE", receipt(*ALL, site="other")),
                        ("OVER", receipt(*ALL, expires=1))):
        # Only where it fits in what gunicorn takes: seventeen receipts do not.
        cookie = cookie.replace(word.encode(), token.encode())
    head = [f"GET {path} HTTP/1.1".encode(), b"Host: www.shop.example", b"Connection: close"]
    lines = [*head, b"Cookie: " + cookie, *more]
    with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
        line.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
        answer = b"".join(iter(lambda: line.recv(65_536), b""))
    status, _, body = answer.partition(b"\r\n\r\n")
    return int(status.split()[1]), body


class TestHostile:
    @pytest.mark.parametrize("cookie", [case[1] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
    def test_nothing_that_a_visitor_sends_opens_or_breaks_a_page(self, port: int, cookie: bytes) -> None:
        status, body = raw(port, "/pixels", cookie)
        assert status in (200, 400, 431)
        assert b"facebook.com" not in body
        if status == 200:
            assert body == CLEANED

    @pytest.mark.parametrize("cookie", [b"poort=\x00", b"poort=GOOD\x00; a=b", b"a=\x00"])
    def test_a_nul_is_refused_or_opens_nothing(self, port: int, cookie: bytes) -> None:
        status, body = raw(port, "/pixels", cookie)
        assert status in (200, 400)
        assert b"facebook.com" not in body or cookie == b"a=\x00"

    def test_several_cookie_lines_are_one(self, port: int) -> None:
        good, none = f"poort={receipt(*ALL)}".encode(), f"poort={receipt()}".encode()
        for first, second in ((good, none), (none, good)):
            assert raw(port, "/pixels", first, b"Cookie: " + second)[1] == CLEANED

    @pytest.mark.parametrize("gpc", [b"1", b"1, 1", b" 1 "])
    def test_gpc_in_odd_shapes_is_gpc(self, port: int, gpc: bytes) -> None:
        status, body = raw(port, "/pixels", b"poort=GOOD", b"Sec-GPC: " + gpc)
        assert (status, body) == (200, CLEANED)

    @pytest.mark.parametrize("tag", ['"', '~poort.', '"~poort.zz"', 'W/"x~poort.000000000000"', "*", "\xff~poort.", ""])
    def test_no_tag_breaks_a_page(self, port: int, tag: str) -> None:
        found = get(port, "/tagged", if_none_match=tag)
        assert found.status in (200, 304)
        assert b"facebook" not in found.body

    def test_an_error_page_of_the_site_is_its_own(self, port: int, door: str) -> None:
        if door == "wsgi":
            assert get(port, "/broken").status == 500
        assert get(port, "/pixels").status == 200


class TestAddresses:
    @pytest.mark.parametrize("address", [
        "https://www.facebook.com/tr?id=1",
        "HTTPS://WWW.FACEBOOK.COM/tr",
        "//www.facebook.com/tr",
        "\\\\www.facebook.com\\tr",
        "https:www.facebook.com/tr",
        "https:///www.facebook.com/tr",
        " \n https://www.face\nbook.com/tr",
        "https://www.facebook.com:443/tr/",
        "https://user@www.facebook.com/tr",
        "https://ok.example@www.facebook.com/tr",
        "https://www.facebook.com./tr",
        "https://www.%66acebook.com/%74r",
        "https://www.facebook.com/x/../tr#y",
        "https://\uff57ww.facebook.com/tr",
        "http://www.facebook.com/tr?u=https://ok.example/",
    ])  # fmt: skip
    def test_a_browser_and_the_gate_read_the_same(self, address: str) -> None:
        host, path = target(address, HOST)
        assert host == "www.facebook.com"
        assert path.startswith("/tr")
        assert not Gate("shop", [gated.KEY], gated.VERSION).for_cookies(None).keeps(host, path, HOST)

    @pytest.mark.parametrize(("address", "host"), [
        ("data:image/gif;base64,R0lGOD", ""), ("about:blank", ""), ("javascript:void(0)", ""),
        ("/tr", HOST), ("tr", HOST), ("", HOST),
        ("https://www.facebook.com.evil.example/tr", "www.facebook.com.evil.example"),
        ("https://ok.example/https://www.facebook.com/tr", "ok.example"), ("https://[::1]:80/x", "[::1]"),
    ])  # fmt: skip
    def test_others_are_somebody_elses(self, address: str, host: str) -> None:
        assert target(address, HOST)[0] == host

    def test_what_stands_near_a_tracker_is_not_it(self) -> None:
        visitor = Gate("shop", [gated.KEY], gated.VERSION).for_cookies(None)
        for address in ("https://www.facebook.com/travel", "https://facebook.com/tr", "https://www.google.com/search"):
            assert visitor.keeps(*target(address, HOST), HOST), address


def cleaned(page: bytes, size: int | None = None) -> bytes:
    found = Filter(lambda address: "bad" not in address)
    pieces = [page] if size is None else [page[at : at + size] for at in range(0, len(page), size)]
    return b"".join(map(found.feed, pieces)) + found.close()


SCRIPT = b"<script>'<noscript><img src=//bad>'</script>"
FIELD = b"<textarea><noscript><img src=//bad></textarea>"
COMMENT = b"<noscript><!--<img src=//bad>--></noscript>"
ODD: list[tuple[str, bytes, bytes]] = [
    ("in a comment", b"<!-- <noscript> --><img src=//bad>", b"<!-- <noscript> --><img src=//bad>"),
    ("a comment that is short", b"<!--><noscript><img src=//bad></noscript>", b"<!--><noscript></noscript>"),
    ("a comment that ends oddly", b"<!-- --!><noscript><img src=//bad>", b"<!-- --!><noscript>"),
    ("in a script", SCRIPT, SCRIPT),
    ("behind a script", b"<script>a</script ><noscript><img src=//bad>", b"<script>a</script ><noscript>"),
    ("in a text field", FIELD, FIELD),
    ("in an attribute", b"<a b='<noscript>'><img src=//bad>", b"<a b='<noscript>'><img src=//bad>"),
    ("a comment in an attribute", b"<a b='<!--'><noscript><img src=//bad>", b"<a b='<!--'><noscript>"),
    ("a comment inside", COMMENT, COMMENT),
    ("an open comment inside", b"<noscript><!--<img src=//bad></noscript>", b"<noscript><!--</noscript>"),
    ("entities", b"<noscript><img src='&#x2f;/b&#97;d'></noscript>", b"<noscript></noscript>"),
    ("a set of pictures", b"<noscript><img srcset='a.gif 1x, //bad 2x'></noscript>", b"<noscript></noscript>"),
    ("a background", b"<noscript><p style='background:url(//bad)'>x</noscript>", b"<noscript>x</noscript>"),
    ("a style sheet", b"<noscript><style>@import '//bad'</style>x</noscript>", b"<noscript>x</noscript>"),
    ("a frame of text", b"<noscript><iframe srcdoc='<img src=//bad>'></iframe>x</noscript>", b"<noscript>x</noscript>"),
    ("a refresh", b"<noscript><meta content='0;url=https://bad'>x</noscript>", b"<noscript>x</noscript>"),
    ("a link to it", b"<noscript><a href=//bad>x</a></noscript>", b"<noscript><a href=//bad>x</a></noscript>"),
    ("a frame that is open", b"<noscript><iframe src=//bad>x</noscript>y", b"<noscript>x</noscript>y"),
    ("a slash before its end", b"<noscript/><img/src=//bad/></noscript/>x", b"<noscript/></noscript/>x"),
    ("a name that goes on", b"<noscripts><img src=//bad></noscripts>", b"<noscripts><img src=//bad></noscripts>"),
    ("two attributes without a blank", b"<noscript><img alt='a'src='//bad'>x</noscript>", b"<noscript>x</noscript>"),
    ("cut off", b"<noscript><img src=//bad", b"<noscript>"),
    ("no tags", b"a < b && c > d </ <! <!- <", b"a < b && c > d </ <! <!- <"),
]


@pytest.mark.parametrize(("page", "left"), [case[1:] for case in ODD], ids=[case[0] for case in ODD])
def test_odd_shapes_are_read_as_browsers_do_however_they_arrive(page: bytes, left: bytes) -> None:
    assert [cleaned(page, size) for size in (None, 1, 2, 5)] == [left] * 4


words = st.sampled_from([
    b"<noscript>", b"</noscript>", b"<NOSCRIPT x='>'>", b"<img src='//bad'>", b"<img src=//ok>", b"<!--", b"-->", b"<",
    b">", b"<script>", b"</script>", b"'", b'"', b"<p class=\"a\">", b"text", b"\xff\x00", b"<iframe src=//bad>",
    b"</iframe>", b"=", b"</textarea>", b"<title>",
])  # fmt: skip


@given(st.lists(words, max_size=25).map(b"".join), st.integers(1, 9))
def test_how_a_page_is_cut_changes_nothing(page: bytes, size: int) -> None:
    whole = cleaned(page)
    assert cleaned(page, size) == whole
    assert len(whole) <= len(page)


@given(st.lists(words.filter(lambda word: b"bad" not in word), max_size=25).map(b"".join), st.integers(1, 9))
def test_a_page_without_a_refused_address_keeps_every_byte(page: bytes, size: int) -> None:
    assert cleaned(page, size) == page


@given(st.lists(words, max_size=9).map(b"".join), st.lists(words, max_size=9).map(b"".join))
def test_no_pixel_stays_in_a_noscript_of_its_own(before: bytes, after: bytes) -> None:
    """Whatever stands around it, outside of comments, scripts and quotes."""
    quiet = before.translate(None, b"<'\"=")
    assert b"PIXEL" not in cleaned(quiet + b"<noscript><img src='//bad/PIXEL'></noscript>" + after)


# -- what goes wrong --------------------------------------------------------------------------------------------------


class Broken(Gate):
    """A gate that fails at every request."""

    def for_cookies(self, header: str | None, *, gpc: bool = False, now: float | None = None) -> Visitor:
        raise RuntimeError("broken")


def test_a_gate_that_fails_keeps_trackers_out_and_serves_the_page() -> None:
    app = gated.flask_site_with(None)
    gate = Broken("shop", [gated.KEY], gated.VERSION)
    app.wsgi_app = GateMiddleware(_answering(PIXELS), gate, gated.POLICY)  # type: ignore[method-assign]
    found = app.test_client(use_cookies=False).get("/", headers={"Cookie": f"poort={receipt(*ALL)}"})
    assert found.status_code == 200
    assert b"facebook" not in found.data
    assert b"ok.example" not in found.data, "nobody can tell any more which host is a tracker's"
    assert b"<p>end</p>" in found.data
    assert "facebook" not in found.headers["Content-Security-Policy"]
    assert found.headers["Content-Length"] == str(len(found.data))


def _answering(page: bytes, status: str = "200 OK") -> Any:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response(status, [("Content-Type", "text/html"), ("Content-Length", str(len(page)))])
        return [page]

    return app


def test_a_gate_without_a_version_lets_only_the_sites_own_addresses_through() -> None:
    page = b"<noscript><img src=/own.gif><img src=//new.example/x><img src=//localhost/y></noscript>"
    client = gated.flask_site_with(None).test_client(use_cookies=False)
    unready = Gate("shop", [gated.KEY])
    client.application.wsgi_app = GateMiddleware(_answering(page), unready)  # type: ignore[method-assign]
    assert client.get("/").data == b"<noscript><img src=/own.gif><img src=//localhost/y></noscript>"


class Old:
    """An application of the old kind: it writes, starts late, and wants to be closed."""

    closed = False

    def __init__(self, environ: dict[str, Any], start_response: Any) -> None:
        self._start = start_response

    def __iter__(self) -> Iterator[bytes]:
        write = self._start("200 OK", [("Content-Type", "text/html"), ("Content-Length", "9999")])
        write(PIXELS[:70])
        yield PIXELS[70:]

    def close(self) -> None:
        Old.closed = True


def test_an_application_that_writes_and_starts_late_is_read_too() -> None:
    client = Flask(__name__).test_client(use_cookies=False)
    gate = Gate("shop", [gated.KEY], gated.VERSION)
    client.application.wsgi_app = GateMiddleware(Old, gate)  # type: ignore[method-assign]
    with client.get("/", headers={"Host": HOST}) as found:
        assert found.data == CLEANED
        assert "Content-Length" not in found.headers
    assert Old.closed


def test_a_page_in_pieces_is_sent_on_before_its_end() -> None:
    made: list[int] = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/html")])
        for number in range(3):
            made.append(number)
            yield b"<p>%d</p><noscript><img src=//hotjar.com/x>" % number

    body = iter(GateMiddleware(app, gated.gate)({"REQUEST_METHOD": "GET"}, lambda *_: bytes))
    assert next(body) == b"<p>0</p><noscript>"
    assert made == [0]


def test_a_page_that_is_too_large_to_hold_is_sent_on_without_a_length() -> None:
    page = b"<p>%s</p>" % (b"x" * HELD) + PIXELS
    client = Flask(__name__).test_client(use_cookies=False)
    client.application.wsgi_app = GateMiddleware(_answering(page), gated.gate)  # type: ignore[method-assign]
    found = client.get("/", headers={"Host": HOST})
    assert found.data == page.replace(PIXELS, CLEANED)
    assert "Content-Length" not in found.headers


@pytest.mark.parametrize("filling", [b"<p>x</p>", b"x", b"<", b"<!--", b"<a b='"])
def test_a_noscript_of_any_length_is_read_in_parts(filling: bytes) -> None:
    page = b"<noscript>" + filling * (LONGEST // len(filling)) + b"'>--><img src='//bad/'></noscript><p>end</p>"
    found = cleaned(page, 65_536)
    assert b"//bad/" not in found
    assert found.endswith(b"</noscript><p>end</p>")


def test_a_tag_of_any_length_is_a_tag() -> None:
    page = b"<img src='data:,%s'><noscript><img src=//bad></noscript>" % (b"A" * 2 * LONGEST_TAG)
    assert cleaned(page, 65_536) == page.replace(b"<img src=//bad>", b"")


def test_a_file_is_still_sent_by_the_server() -> None:
    body = iter([b"x"])

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "image/gif")])
        return body

    found = GateMiddleware(app, Gate("shop", [gated.KEY], gated.VERSION))
    assert found({"REQUEST_METHOD": "GET"}, lambda *_: bytes) is body


class TestFlask:
    client = gated.flask_site.test_client(use_cookies=False)

    def test_a_template_asks_by_name(self) -> None:
        found = self.client.get("/template", headers={"Cookie": f"poort={receipt('analytics')}"})
        assert b"<p>granted</p><script src" in found.data
        assert found.headers["Vary"] == "Cookie, Sec-GPC"
        assert b"<p>no_choice</p>" in self.client.get("/template").data

    def test_a_view_asks_the_request(self) -> None:
        told = self.client.get("/pid", headers={"Cookie": f"poort={receipt('analytics')}", "Sec-GPC": "1"})
        assert told.json is not None
        assert told.json["reasons"]["ga4"] == "granted"
        assert told.headers["Vary"] == "Cookie, Sec-GPC", "what depends on the visitor says so, page or not"

    def test_a_template_without_a_visitor_allows_nothing(self) -> None:
        with gated.flask_site.app_context():
            assert render_template_string("{{ gate.allows('hotjar').reason }}") == "no_choice"

    def test_a_request_that_went_round_the_middleware_is_judged_all_the_same(self) -> None:
        with gated.flask_site.test_request_context(headers={"Cookie": f"poort={receipt('analytics')}"}):
            assert render_template_string("{{ gate.allows('hotjar').reason }}") == "granted"

    def test_it_can_have_another_name(self) -> None:
        app = Flask(__name__)
        init_app(app, gated.gate, name="poort")
        with app.test_request_context():
            assert render_template_string("{{ poort.allows('own').reason }}") == "exempt"


def test_asgi_leaves_other_things_than_requests_alone() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    middleware = AsyncGateMiddleware(app, gated.gate)
    cookie = (b"cookie", f"poort={receipt('analytics')}".encode())
    asyncio.run(middleware({"type": "lifespan"}, None, None))  # type: ignore[arg-type]  # they are not used
    asyncio.run(middleware({"type": "websocket", "path": "/", "headers": [cookie]}, None, None))  # type: ignore[arg-type]
    assert seen[0] == {"type": "lifespan"}
    assert seen[1]["poort"].allows("ga4").reason == "granted"


def test_a_site_that_answers_otherwise_is_not_touched() -> None:
    app = Flask(__name__)
    app.add_url_rule("/", view_func=lambda: Response(status=204))
    init_app(app, gated.gate, gated.POLICY)
    found = app.test_client(use_cookies=False).get("/")
    assert (found.status_code, found.data) == (204, b"")
