"""deploy/nginx/site.conf under a real nginx, with a real Poort: pages cached for all, gated for each visitor."""

import os
import re
import shutil
import signal
import subprocess
import threading
import uuid
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests import servers
from tests.servers import ROOT, Reply, Server, until
from tests.shop import DEFINITION, body
from tests.test_nginx import POORT, SITE, Nginx

NGINX = ROOT / "deploy" / "nginx"
# The <noscript> of the vendors' stock snippets; Meta's has a line's end before `src`.
SNIPPETS = """
<noscript><img height="1" width="1" style="display:none"
src="https://www.facebook.com/tr?id=1&ev=PageView&noscript=1"/></noscript>
<noscript><iframe src="https://www.googletagmanager.com/ns.html?id=GTM-ABC" height="0" width="0"></iframe></noscript>
<noscript><img height="1" width="1" alt="" src="https://px.ads.linkedin.com/collect/?pid=1"/></noscript>
<noscript><img height="1" width="1" style="display:none;" alt=""
  src="https://ct.pinterest.com/v3/?event=init&tid=1&noscript=1" /></noscript>
<noscript><img src="//bat.bing.com/action/0?ti=1&Ver=2" height="0" width="0" /></noscript>
<noscript><img height="1" alt="" src="https://analytics.twitter.com/i/adsct?txn_id=1" />
<img height="1" alt="" src="//t.co/i/adsct?txn_id=1" /></noscript>
<noscript><img height="1" src="//www.googleadservices.com/pagead/conversion/1/?script=0"/></noscript>
<noscript><img src="https://ad.doubleclick.net/ddm/activity/src=1;type=a?" width="1" alt=""/></noscript>
"""
KEPT = """<noscript><img src="/assets/map.png" alt="Map"><a href="https://www.facebook.com/tr">a link</a></noscript>
<img data-service="meta" data-src="https://www.facebook.com/tr?id=2">"""


class Shop(BaseHTTPRequestHandler):
    """The site: each page it makes has a number of its own. `seen` is what it was sent."""

    protocol_version = "HTTP/1.1"
    made = 0
    seen: list[dict[str, str]] = []  # noqa: RUF012  # one site per test run

    def do_GET(self) -> None:
        """A page, an asset, or what went wrong."""
        Shop.made += 1
        Shop.seen.append({**dict(self.headers.items()), ":path": self.path})
        status = int(match[1]) if (match := re.match(r"/fault/(\d+)", self.path)) else 200
        sent = {"Content-Type": "text/html; charset=utf-8", "ETag": f'"{Shop.made}"', "Cache-Control": "max-age=600",
                "Last-Modified": "Sun, 22 Nov 2026 10:00:00 GMT"}
        if self.path.startswith("/login"):
            sent["Set-Cookie"] = "session=1; Path=/"
        content = f"<!doctype html><title>Shop</title><p>page {Shop.made}</p>{KEPT}{SNIPPETS}".encode()
        self.send_response(status)
        for name, value in {**sent, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Site(Nginx):
    """A running nginx with deploy/nginx/site.conf."""

    def _placed(self, poort: int, behind: int) -> str:
        text = (NGINX / "site.conf").read_text()
        shutil.copy(NGINX / "noscript.conf", self.folder / "poort-noscript.conf")
        text = re.sub(r"\n *listen \[::\][^\n]*", "", text)
        for there, here in (
            ("listen 443 ", f"listen 127.0.0.1:{self.port} "), ("127.0.0.1:8000", f"127.0.0.1:{poort}"),
            ("127.0.0.1:9000", f"127.0.0.1:{behind}"), ("/var/cache/nginx/shop", f"{self.folder}/cache"),
            (f"/etc/letsencrypt/live/{SITE}/fullchain.pem", f"{self.folder}/{SITE}.pem"),
            (f"/etc/letsencrypt/live/{SITE}/privkey.pem", f"{self.folder}/{SITE}.key"),
        ):
            assert there in text
            text = text.replace(there, here)
        assert not re.search(r"/(?:etc|var)/", re.sub(r"#.*", "", text))
        return text

    def page(self, path: str = "/", cookie: str = "", method: str = "GET", **headers: str) -> Reply:
        """What a visitor with these cookies gets."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.call(SITE, method, path, headers={**sent, **({"Cookie": cookie} if cookie else {})})

    def cookies(self, path: str = "/", cookie: str = "") -> list[str]:
        """Every Set-Cookie of the answer."""
        with self.connect(SITE) as line:
            head = f"GET {path} HTTP/1.1\r\nHost: {SITE}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
            line.sendall(head.encode())
            answer = b"".join(iter(lambda: line.recv(65_536), b"")).decode("latin-1")
        return re.findall(r"(?im)^set-cookie: ([^\r]*)", answer.partition("\r\n\r\n")[0])

    def rewrite(self, there: str, here: str) -> None:
        """Change the configuration and reload it; no worker that knows the old one is left afterwards."""
        file = self.folder / "poort.conf"
        assert there in file.read_text()
        file.write_text(file.read_text().replace(there, here))
        before = self._workers()
        self._process.send_signal(signal.SIGHUP)
        until(lambda: self._workers() and not before & self._workers())

    def _workers(self) -> set[str]:
        pid = self._process.pid
        return set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


@pytest.fixture(scope="module")
def poort(door: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Poort, once for each door."""
    url = servers.sqlite(tmp_path_factory.mktemp("site-poort"))
    with Server(url, door=door, POORT_PROXIES=1, POORT_PUBLIC_URL=f"https://{POORT}") as running:
        running.publish(DEFINITION)
        yield running


@pytest.fixture(scope="module")
def site(poort: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """nginx in front of the shop, with Poort beside it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Shop) as shop:
        threading.Thread(target=shop.serve_forever, daemon=True).start()
        running = Site(tmp_path_factory.mktemp("site"), poort, shop.server_port)
        try:
            until(lambda: "hotjar" in policy(running.page("/up", f"poort={receipt(poort)}")))
            yield running
        finally:
            running.stop()
            shop.shutdown()


def receipt(poort: Server, action: str = "accept_all", **changes: Any) -> str:
    """The receipt of a decision."""
    return str(poort.call("POST", "/v1/sites/shop/consents", body(action, **changes)).json()["receipt"])


def policy(answer: Reply) -> str:
    """The policy that the browser gets: one."""
    return answer.headers["content-security-policy"]


def is_strict(answer: Reply) -> bool:
    """Whether the page came, with a policy that lets no tracker in."""
    hosts = {urlsplit(word.rstrip(";")).hostname for word in policy(answer).split() if "://" in word}
    return answer.status == 200 and b"<title>Shop" in answer.body and hosts == {POORT} and "*" not in policy(answer)


class TestCache:
    def test_the_page_is_the_same_for_all_and_made_once(self, site: Site, poort: Server) -> None:
        before = Shop.made
        cookies = ["", f"poort={receipt(poort)}", f"poort={receipt(poort, 'necessary_only')}", "poort=forged", "x=y"]
        answers = [site.page("/same", cookie) for cookie in cookies]
        assert len({answer.body for answer in answers}) == 1
        assert Shop.made == before + 1
        assert len({policy(answer) for answer in answers}) == 2

    def test_the_site_can_not_make_a_page_for_one_visitor_and_have_it_kept(self, site: Site, poort: Server) -> None:
        site.page("/blind", f"poort={receipt(poort)}; theme=dark")
        seen = next(headers for headers in Shop.seen if headers[":path"] == "/blind")
        assert "Cookie" not in seen

    @pytest.mark.parametrize("session", ["7", "0"])
    def test_who_has_a_session_gets_pages_of_their_own(self, site: Site, session: str) -> None:
        """Also one that nginx takes for no."""
        common = site.page("/mine")
        own = [site.page("/mine", f"session={session}") for _ in range(2)]
        assert len({common.body, *(answer.body for answer in own)}) == 3
        assert Shop.seen[-1]["Cookie"] == f"session={session}"
        assert site.page("/mine").body == common.body
        assert is_strict(own[0])

    def test_a_page_that_sets_a_cookie_is_not_kept(self, site: Site) -> None:
        assert site.page("/login").body != site.page("/login").body
        assert "session=1; Path=/" in site.cookies("/login")

    def test_nobody_on_the_way_keeps_one_visitor_s_policy(self, site: Site) -> None:
        for answer in (site.page("/kept"), site.page("/kept", If_None_Match='"1"')):
            assert answer.status == 200
            assert answer.headers["cache-control"] == "private, no-cache"
            assert {"Cookie", "Sec-GPC"} <= set(answer.headers["vary"].split(", "))
            assert not {"etag", "last-modified", "expires"} & set(answer.headers)

    def test_assets_keep_their_own_caching(self, site: Site) -> None:
        answer = site.page("/assets/shop.css", "poort=x")
        assert answer.headers["cache-control"] == "max-age=600"
        assert "content-security-policy" not in answer.headers
        assert "Cookie" not in Shop.seen[-1]


class TestPolicy:
    def test_it_lists_what_this_visitor_allowed(self, site: Site, poort: Server) -> None:
        token = receipt(poort, "custom", trackers={"ga4": False})
        answer = site.page("/p", f"poort={token}")
        asked = poort.call("GET", "/v1/sites/shop/gate-headers", headers={"Poort-Receipt": token})
        assert policy(answer) == asked.headers["poort-csp"]
        assert "*.hotjar.com" in policy(answer)
        assert "google" not in policy(answer)
        assert "facebook" not in policy(answer)

    @pytest.mark.parametrize("cookie", ["", "poort=", "poort=forged.token", "poort=%zz", f"poort={'x' * 7_000}", "a=b"])
    def test_any_doubt_lets_nothing_in(self, site: Site, cookie: str) -> None:
        assert is_strict(site.page("/p", cookie))

    def test_a_withdrawal_holds_from_the_next_page_on(self, site: Site, poort: Server) -> None:
        assert "hotjar" in policy(site.page("/p", f"poort={receipt(poort)}"))
        assert is_strict(site.page("/p", f"poort={receipt(poort, 'withdraw')}"))

    def test_of_two_receipts_the_stricter_one_counts(self, site: Site, poort: Server) -> None:
        yes, no = receipt(poort), receipt(poort, "necessary_only")
        assert is_strict(site.page("/p", f"poort={yes}; poort={no}"))
        assert is_strict(site.page("/p", f"poort={no}; poort={yes}"))

    def test_the_browser_s_signal_keeps_marketing_out(self, site: Site, poort: Server) -> None:
        cookie = f"poort={receipt(poort)}"
        assert "facebook" in policy(site.page("/p", cookie))
        answer = site.page("/p", cookie, Sec_GPC="1")
        assert "facebook" not in policy(answer)
        assert "hotjar" in policy(answer)

    def test_a_site_can_write_it_itself_around_the_hosts(self, site: Site, poort: Server) -> None:
        own = "default-src 'self' https://cdn.shop.example"
        asked = "auth_request_set $poort_csp $upstream_http_poort_csp;"
        changes = [
            (asked, f"{asked} auth_request_set $poort_sources $upstream_http_poort_sources;"),
            ("default $poort_csp;", f"default \"{own} $poort_sources; img-src data:\";"),
        ]
        for there, here in changes:
            site.rewrite(there, here)
        sources = poort.call("GET", "/v1/sites/shop/gate-headers", headers={"Poort-Receipt": receipt(poort)})
        assert policy(site.page("/p")) == f"{own} ; img-src data:"
        assert policy(site.page("/p", f"poort={receipt(poort)}")) == (
            f"{own} {sources.headers['poort-sources']}; img-src data:")
        for there, here in reversed(changes):
            site.rewrite(here, there)

    @pytest.mark.parametrize(("status", "method"), [(404, "GET"), (500, "GET"), (200, "POST"), (200, "HEAD")])
    def test_every_answer_has_one(self, site: Site, status: int, method: str) -> None:
        answer = site.page(f"/fault/{status}", method=method)
        assert answer.status == status
        assert "default-src 'self'" in policy(answer)

    def test_what_a_visitor_claims_in_headers_is_not_believed(self, site: Site) -> None:
        claimed = {"Poort_CSP": "default-src *", "Poort_Allowed": "hotjar", "Poort_Sources": "*.hotjar.com"}
        assert is_strict(site.page("/p", **claimed))


class Loaded(HTMLParser):
    """What a page without script loads, `<noscript>` included."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what it loads."""
        self.addresses += [value or "" for name, value in attrs if name in ("src", "srcset", "data", "poster")]


class TestNoscript:
    def test_no_pixel_is_left_for_anybody(self, site: Site, poort: Server) -> None:
        for cookie in ("", f"poort={receipt(poort)}"):
            loaded = Loaded(site.page("/noscript", cookie).body.decode()).addresses
            assert loaded == ["/assets/map.png"]
        assert len(Loaded(SNIPPETS).addresses) == 9

    def test_the_rest_of_the_page_stays(self, site: Site) -> None:
        page = site.page("/noscript").body.decode()
        assert KEPT in page
        assert page.count("<noscript>") == (KEPT + SNIPPETS).count("<noscript>")

    def test_every_pixel_is_named_in_all_its_spellings(self) -> None:
        lines = re.findall(r"sub_filter '(.*?)src=\"(https:|)//(.*?)' '(.*?)data-held=\"(https:|)//(.*?)';",
                           (NGINX / "noscript.conf").read_text())
        assert all(line[:3] == line[3:] for line in lines)
        pixels = {line[2] for line in lines}
        assert {line[:3] for line in lines} == {
            (gap, scheme, pixel) for gap in (" ", "\\n") for scheme in ("https:", "") for pixel in pixels}


class TestCookies:
    def test_what_refused_trackers_left_is_expired(self, site: Site) -> None:
        for path in ("/c", "/c"):  # from the cache too
            expired = site.cookies(path, "FPID=1; theme=dark")
            assert {value.partition(";")[0] for value in expired} == {"FPID="}
            assert all("Max-Age=0" in value for value in expired)
            assert any("Domain=shop.example" in value for value in expired)

    def test_what_is_allowed_stays(self, site: Site, poort: Server) -> None:
        assert site.cookies("/c", f"FPID=1; _fbp=2; poort={receipt(poort)}") == []

    def test_the_receipt_is_never_expired(self, site: Site, poort: Server) -> None:
        token = receipt(poort, "necessary_only")
        assert {value.partition("=")[0] for value in site.cookies("/c", f"_ga=1; poort={token}")} == {"_ga"}


class TestLocation:
    def test_it_is_open_to_who_allowed_the_tracker(self, site: Site, poort: Server) -> None:
        assert site.page("/stats/count", f"poort={receipt(poort)}").status == 200
        refused = site.page("/stats/count", f"poort={receipt(poort, 'necessary_only')}")
        assert (refused.status, refused.headers["poort-reason"]) == (403, "denied")

    @pytest.mark.parametrize("path", ["/poort/headers", "/poort/gate/own-stats"])
    def test_poort_can_not_be_asked_through_the_site(self, site: Site, poort: Server, path: str) -> None:
        answer = site.page(path, f"poort={receipt(poort)}")
        assert answer.status in (204, 404)
        assert not any(name.startswith("poort-") for name in answer.headers)


class TestWithoutPoort:
    def test_when_it_is_down_the_page_comes_and_nothing_is_let_in(self, site: Site, poort: Server) -> None:
        cookie = f"poort={receipt(poort)}; FPID=1"
        assert "hotjar" in policy(site.page("/w", cookie))
        poort.stop()
        try:
            assert is_strict(site.page("/w", cookie))
            assert site.cookies("/w", cookie) == []
            assert site.page("/stats/count", cookie).status == 403
        finally:
            poort.start()
        until(lambda: "hotjar" in policy(site.page("/w", cookie)))

    def test_when_it_hangs_the_page_comes_and_nothing_is_let_in(self, site: Site, poort: Server) -> None:
        cookie, workers = f"poort={receipt(poort)}", poort.workers()
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
        try:
            assert is_strict(site.page("/w", cookie))
        finally:
            for worker in workers:
                os.kill(worker, signal.SIGCONT)
        until(lambda: "hotjar" in policy(site.page("/w", cookie)))

    def test_when_it_knows_no_such_site_the_page_comes_and_nothing_is_let_in(self, site: Site, poort: Server) -> None:
        cookie = f"poort={receipt(poort)}"
        site.rewrite("/v1/sites/shop/gate-headers", "/v1/sites/nobody/gate-headers")
        assert is_strict(site.page("/w", cookie))
        site.rewrite("/v1/sites/nobody/gate-headers", "/v1/sites/shop/gate-headers")
        assert "hotjar" in policy(site.page("/w", cookie))

    @pytest.mark.parametrize("status", [200, 301, 304, 400, 401, 403, 404, 418, 429, 500, 503, 511])
    def test_when_something_else_answers_nothing_is_let_in(self, site: Site, poort: Server, status: int) -> None:
        """The shop itself stands where Poort should be: its answers have none of the headers."""
        cookie, place = f"poort={receipt(poort)}", f"/fault/{status}/{uuid.uuid4()}"
        there, here = "http://poort_gate/v1/sites/shop/gate-headers", f"http://shop{place}"
        site.rewrite(there, here)
        assert is_strict(site.page("/e", cookie))
        assert any(seen[":path"] == place for seen in Shop.seen)
        site.rewrite(here, there)
        assert "hotjar" in policy(site.page("/e", cookie))


def test_both_files_can_be_in_one_nginx(site: Site) -> None:
    folder = site.folder
    whole = f"include {folder}/poort.conf; include {folder}/other.conf;"
    other = (NGINX / "poort.conf").read_text()
    other = re.sub(r"\n *listen \[::\][^\n]*", "", other).replace("/var/log/nginx/", f"{folder}/")
    other = re.sub(r"/etc/letsencrypt/live/([a-z.]+)/fullchain.pem", rf"{folder}/\1.pem", other)
    other = re.sub(r"/etc/letsencrypt/live/([a-z.]+)/privkey.pem", rf"{folder}/\1.key", other)
    (folder / "other.conf").write_text(other)
    main = (folder / "nginx.conf").read_text().replace(f"include {folder}/poort.conf;", whole)
    (folder / "both.conf").write_text(main)
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    done = subprocess.run([program, "-t", "-p", folder, "-c", folder / "both.conf"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
