"""deploy/nginx/poort.conf under a real nginx, ports and paths replaced: TLS, limits, slow clients, auth_request."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from consent.config import SETTINGS
from tests import servers
from tests.servers import ROOT, Missing, Reply, Server, free_port, until
from tests.shop import DEFINITION, body

POORT, SITE = "consent.shop.example", "www.shop.example"
CONSENTS = "/v1/sites/shop/consents"
ORIGIN = {"Origin": "https://www.shop.example"}


class Statistics(BaseHTTPRequestHandler):
    """What stands behind the gated location."""

    def do_GET(self) -> None:
        """Answer whoever gets this far."""
        self.send_response(200)
        self.send_header("Content-Length", "7")
        self.end_headers()
        self.wfile.write(b"counted")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Nginx:
    """A running nginx with deploy/nginx/poort.conf in front of `server`."""

    def __init__(self, folder: Path, server: Server, behind: int) -> None:
        program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
        if program is None:
            raise Missing("The tests need nginx: apt-get install nginx.")
        self.folder, self.plain, self.port = folder, free_port(), free_port()
        authority = trustme.CA()
        self._trust = ssl.create_default_context()
        authority.configure_trust(self._trust)
        self._trust.set_alpn_protocols(["http/1.1"])
        for host in (POORT, SITE):
            issued = authority.issue_cert(host)
            issued.cert_chain_pems[0].write_to_path(folder / f"{host}.pem")
            issued.private_key_pem.write_to_path(folder / f"{host}.key")
        (folder / "poort.conf").write_text(self._placed(server.port, behind))
        (folder / "nginx.conf").write_text(self._main())
        command: list[str | Path] = [program, "-p", folder, "-c", folder / "nginx.conf"]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def _placed(self, poort: int, behind: int) -> str:
        """The file as it is, at our ports and paths."""
        text = (ROOT / "deploy/nginx/poort.conf").read_text()
        text = re.sub(r"\n *listen \[::\][^\n]*", "", text)
        for there, here in (
            ("listen 443 ", f"listen 127.0.0.1:{self.port} "), ("listen 80;", f"listen 127.0.0.1:{self.plain};"),
            ("127.0.0.1:8000", f"127.0.0.1:{poort}"), ("127.0.0.1:9000", f"127.0.0.1:{behind}"),
            ("/var/log/nginx/", f"{self.folder}/"),
        ):
            assert there in text
            text = text.replace(there, here)
        for host in (POORT, SITE):
            live = f"/etc/letsencrypt/live/{host}"
            text = text.replace(f"{live}/fullchain.pem", f"{self.folder}/{host}.pem")
            text = text.replace(f"{live}/privkey.pem", f"{self.folder}/{host}.key")
        assert "/etc/" not in re.sub(r"#.*", "", text)
        return text

    def _main(self) -> str:
        """What a distribution's nginx.conf brings."""
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        paths = "".join(f"{kind}_temp_path {self.folder}/{kind};\n" for kind in kinds)
        user = "user root;\n" if os.geteuid() == 0 else ""
        http = f"access_log off;\n{paths}include {self.folder}/poort.conf;\n"
        return (f"{user}daemon off;\npid {self.folder}/pid;\nerror_log {self.folder}/main.log crit;\n"
                f"events {{ worker_connections 1024; }}\nhttp {{\n{http}}}\n")

    def stop(self) -> None:
        """End it."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(10)

    def connect(
        self, host: str, source: str = "127.0.0.1", protocols: tuple[str, ...] = ("http/1.1",)
    ) -> ssl.SSLSocket:
        """A TLS connection to `host`, from one of the machine's many loopback addresses."""
        self._trust.set_alpn_protocols(list(protocols))
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=20, source_address=(source, 0))
        return self._trust.wrap_socket(plain, server_hostname=host)

    def call(
        self, host: str, method: str, path: str, data: Any = None, headers: Mapping[str, str] | None = None,
        source: str = "127.0.0.1",
    ) -> Reply:
        """One request to `host`."""
        line = http.client.HTTPConnection(host)
        line.sock = self.connect(host, source)
        sent = {"Content-Type": "application/json", **(headers or {})}
        try:
            content = data if data is None or isinstance(data, bytes) else json.dumps(data)
            line.request(method, path, content, sent)
            answer = line.getresponse()
            return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            line.close()


@pytest.fixture(scope="module")
def server(door: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Poort as it stands behind nginx, once for each door."""
    url = servers.sqlite(tmp_path_factory.mktemp("nginx-poort"))
    with Server(url, door=door, POORT_PROXIES=1, POORT_PUBLIC_URL=f"https://{POORT}") as running:
        running.publish(DEFINITION)
        yield running


@pytest.fixture(scope="module")
def nginx(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """nginx in front of it, and the statistics behind the gate."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Statistics) as behind:
        threading.Thread(target=behind.serve_forever, daemon=True).start()
        running = Nginx(tmp_path_factory.mktemp("nginx"), server, behind.server_port)
        try:
            until(lambda: running.call(POORT, "GET", "/healthz").status == 200)
            yield running
        finally:
            running.stop()
            behind.shutdown()


def receipt(nginx: Nginx, action: str) -> str:
    """The receipt of a decision made through nginx."""
    return str(nginx.call(POORT, "POST", CONSENTS, body(action), ORIGIN).json()["receipt"])


class TestInFront:
    def test_it_speaks_http_2_and_passes_everything_on(self, nginx: Nginx) -> None:
        with nginx.connect(POORT, protocols=("h2", "http/1.1")) as line:
            assert line.selected_alpn_protocol() == "h2"
        script = nginx.call(POORT, "GET", "/banner/shop.js", headers={"Accept-Encoding": "br"})
        assert (script.status, script.headers["content-encoding"]) == (200, "br")
        assert script.headers["strict-transport-security"] == "max-age=31536000"
        stored = nginx.call(POORT, "POST", CONSENTS, body(), ORIGIN)
        assert stored.status == 201
        assert stored.headers["access-control-allow-origin"] == ORIGIN["Origin"]

    @pytest.mark.parametrize("host", [POORT, SITE])
    def test_no_older_tls_than_1_2(self, nginx: Nginx, host: str) -> None:
        with nginx.connect(host) as line:
            assert line.version() == "TLSv1.3"
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with socket.create_connection(("127.0.0.1", nginx.port)) as plain, pytest.raises(ssl.SSLError, match="VERSION"):
            old.wrap_socket(plain, server_hostname=host)

    def test_plain_http_is_sent_to_https(self, nginx: Nginx) -> None:
        answer = servers.call(nginx.plain, "GET", "/docs", headers={"Host": POORT})
        assert (answer.status, answer.headers["location"]) == (308, f"https://{POORT}/docs")

    def test_metrics_are_not_for_the_world(self, nginx: Nginx, server: Server) -> None:
        assert nginx.call(POORT, "GET", "/metrics").status == 404
        assert server.call("GET", "/metrics").status == 200

    @pytest.mark.parametrize("size", [16_385, 100_000])
    def test_a_large_body_is_refused_in_the_shape_of_every_error(self, nginx: Nginx, size: int) -> None:
        answer = nginx.call(POORT, "POST", CONSENTS, b" " * size, ORIGIN)
        assert (answer.status, answer.json()["error"]) == (413, "too_large")

    def test_too_many_are_refused_in_the_shape_of_every_error(self, nginx: Nginx) -> None:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(
                lambda _: nginx.call(POORT, "POST", CONSENTS, body(), ORIGIN, "127.0.0.9"), range(180)))
        assert {answer.status for answer in answers} == {201, 429}
        refused = next(answer for answer in answers if answer.status == 429)
        assert refused.json()["error"] == "too_many"
        assert int(refused.headers["retry-after"]) > 0
        assert nginx.call(POORT, "POST", CONSENTS, body(), ORIGIN, "127.0.0.10").status == 201

    def test_what_a_client_claims_of_its_address_is_not_believed(self, nginx: Nginx) -> None:
        claims = {**ORIGIN, "X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http"}
        assert nginx.call(POORT, "POST", CONSENTS, body(), claims).status == 201

    def test_its_log_knows_nobody(self, nginx: Nginx) -> None:
        marks = {"User-Agent": "canary-agent", "Referer": "https://canary.example/", "Cookie": "c=canary"}
        nginx.call(POORT, "GET", "/canary-path?q=canary-query", headers=marks)
        until(lambda: (nginx.folder / "poort.log").stat().st_size > 0)
        written = "".join((nginx.folder / name).read_text() for name in ("poort.log", "poort-error.log", "main.log"))
        assert '"status":404' in written
        assert "canary" not in written
        assert "127.0.0" not in written


def test_slow_clients_do_not_keep_out_honest_ones(nginx: Nginx) -> None:
    slow = []
    for number in range(100):
        line = nginx.connect(POORT, f"127.0.1.{number + 1}")
        line.sendall(f"POST {CONSENTS} HTTP/1.1\r\nHost: {POORT}\r\n".encode())
        if number % 2:
            line.sendall(b"Content-Type: text/plain\r\nContent-Length: 400\r\n\r\n{")
        slow.append(line)
    seconds = []
    for number in range(60):
        started = time.monotonic()
        assert nginx.call(POORT, "POST", CONSENTS, body(), ORIGIN, f"127.0.2.{number + 1}").status == 201
        seconds.append(time.monotonic() - started)
        for line in slow[number::60]:
            line.sendall(b"X")
    assert sorted(seconds)[30] < 1
    assert max(seconds) < 5
    for line in slow:
        line.close()


class TestGatedLocation:
    """`auth_request` by the visitor's cookie; any doubt is no."""

    def ask(self, nginx: Nginx, cookie: str | None = None, **headers: str) -> Reply:
        """Ask for what stands behind the gate."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return nginx.call(SITE, "GET", "/stats/count", headers={**sent, **({"Cookie": cookie} if cookie else {})})

    def test_a_granted_receipt_opens_it(self, nginx: Nginx) -> None:
        answer = self.ask(nginx, f"theme=dark; poort={receipt(nginx, 'accept_all')}; x=y")
        assert (answer.status, answer.body) == (200, b"counted")

    def test_without_a_receipt_it_is_closed(self, nginx: Nginx) -> None:
        answer = self.ask(nginx)
        assert (answer.status, answer.headers["poort-reason"]) == (403, "no_choice")
        assert answer.headers["cache-control"] == "no-store"

    @pytest.mark.parametrize("action", ["necessary_only", "withdraw"])
    def test_a_refusal_keeps_it_closed(self, nginx: Nginx, action: str) -> None:
        assert self.ask(nginx, f"poort={receipt(nginx, action)}").status == 403

    def test_a_forged_receipt_keeps_it_closed(self, nginx: Nginx) -> None:
        token = receipt(nginx, "accept_all")
        forged = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")
        answer = self.ask(nginx, f"poort={forged}")
        assert (answer.status, answer.headers["poort-reason"]) == (403, "bad_receipt")

    def test_of_two_receipts_the_stricter_one_counts(self, nginx: Nginx) -> None:
        yes, no = receipt(nginx, "accept_all"), receipt(nginx, "necessary_only")
        assert self.ask(nginx, f"poort={yes}; poort={no}").status == 403
        assert self.ask(nginx, f"poort={no}; poort={yes}").status == 403

    def test_the_browsers_privacy_signal_goes_along(self, nginx: Nginx, server: Server) -> None:
        token = receipt(nginx, "accept_all")
        direct = server.call("GET", "/v1/sites/shop/gate/meta", headers={"Cookie": f"poort={token}", "Sec-GPC": "1"})
        assert direct.headers["poort-reason"] == "gpc"
        # own-stats is analytics, which the signal does not close.
        assert self.ask(nginx, f"poort={token}", Sec_GPC="1").status == 200
        conf = (nginx.folder / "poort.conf").read_text()
        (nginx.folder / "poort.conf").write_text(conf.replace("/poort-gate/own-stats;", "/poort-gate/meta;"))
        nginx._process.send_signal(signal.SIGHUP)
        until(lambda: self.ask(nginx, f"poort={token}", Sec_GPC="1").headers.get("poort-reason") == "gpc")
        assert self.ask(nginx, f"poort={token}").status == 200
        (nginx.folder / "poort.conf").write_text(conf)
        nginx._process.send_signal(signal.SIGHUP)
        until(lambda: self.ask(nginx, f"poort={token}", Sec_GPC="1").status == 200)

    def test_the_gate_itself_can_not_be_asked_from_outside(self, nginx: Nginx) -> None:
        assert nginx.call(SITE, "GET", "/poort-gate/own-stats").status == 404

    def test_it_is_closed_when_poort_is_down_and_opens_when_it_is_back(self, nginx: Nginx, server: Server) -> None:
        cookie = f"poort={receipt(nginx, 'accept_all')}"
        server.stop()
        try:
            assert self.ask(nginx, cookie).status == 403
            away = nginx.call(POORT, "GET", "/banner/shop.js")
            assert (away.status, away.json()["error"]) == (503, "unavailable")
            assert int(away.headers["retry-after"]) > 0
        finally:
            server.start()
        until(lambda: self.ask(nginx, cookie).status == 200)


def test_every_setting_that_the_examples_name_exists() -> None:
    known = {setting.name for setting in SETTINGS} | {f"{setting.name}_FILE" for setting in SETTINGS if setting.secret}
    for file in (ROOT / "deploy").rglob("*.*"):
        named = set(re.findall(r"\bPOORT_[A-Z_]+\b", file.read_text()))
        assert named <= known, file
