"""docs/durable.md under real servers: the site's own sets the receipt's cookie anew, for the time that is left."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pytest

from consent.receipts import Keyring
from consent.sdk import Gate
from tests import gated
from tests.servers import ROOT, Missing, free_port, until

DAY = 86_400
PAGE = (ROOT / "docs" / "durable.md").read_text()
NGINX_MAX_AGE = 180 * DAY
TRUSTING = ("php", "nginx")  # have no key, and look at the shape alone


def blocks(language: str) -> list[str]:
    """The examples of the page in a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)


@contextmanager
def running(command: list[str | Path], port: int) -> Iterator[int]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: _listens(port))
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def _listens(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port)):
        return True


def program(name: str, package: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise Missing(f"The tests need {name}: apt-get install {package}.")
    return found


def php(folder: Path) -> AbstractContextManager[int]:
    """PHP's own server with the page's file where the page says."""
    there = folder / "poort" / "keep"
    there.mkdir(parents=True)
    (there / "index.php").write_text(blocks("php")[0])
    port = free_port()
    return running([program("php", "php-cli"), "-n", "-S", f"127.0.0.1:{port}", "-t", folder], port)


def nginx(folder: Path) -> AbstractContextManager[int]:
    """nginx with both blocks of the page."""
    port = free_port()
    maps, location = blocks("nginx")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    user = "user root;\n" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user}daemon off;\npid {folder}/pid;\nerror_log {folder}/log crit;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{paths}{maps}\nserver {{ listen 127.0.0.1:{port};\n{location}}}\n}}\n")
    return running([program("nginx", "nginx"), "-p", folder, "-c", folder / "nginx.conf"], port)


WAYS: dict[str, Callable[[Path], AbstractContextManager[int]]] = {
    "flask": lambda folder: gated.served("durable_site"),
    "asgi": lambda folder: gated.served("durable_async_site", "-k", "asgi"),
    "php": php,
    "nginx": nginx,
}


class Site:
    """A site's own server; `set_cookies` asks its address with a `Cookie` header."""

    def __init__(self, way: str, port: int) -> None:
        self.way, self.port = way, port

    def set_cookies(self, cookie: str) -> list[str]:
        """Every Set-Cookie of the answer, which is a 204 that nobody keeps."""
        line = f"Cookie: {cookie}\r\n" if cookie else ""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            head = f"POST {gated.KEEP} HTTP/1.1\r\nHost: www.shop.example\r\n{line}Content-Length: 0\r\n"
            connection.sendall(f"{head}Connection: close\r\n\r\n".encode())
            answer = b"".join(iter(partial(connection.recv, 65_536), b"")).decode()
        head, _, rest = answer.partition("\r\n\r\n")
        assert " 204 " in head.splitlines()[0]
        assert rest == ""
        assert re.search(r"(?im)^cache-control: no-store\r?$", head)
        return re.findall(r"(?im)^set-cookie: ([^\r\n]*)", head)


@pytest.fixture(scope="module", params=WAYS)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with WAYS[request.param](tmp_path_factory.mktemp(request.param)) as port:
        yield Site(request.param, port)


ANSWERS = {
    "a grant": gated.receipt("analytics", "marketing"),
    "a refusal": gated.receipt(action="necessary_only", expires=int(time.time()) + 170 * DAY),
    "a withdrawal": gated.receipt(action="withdraw", expires=int(time.time()) + 30 * DAY),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_the_same_cookie_for_the_time_that_is_left(site: Site, answer: str) -> None:
    """F5, F1: exactly this header; never longer than the receipt, where the server can read it."""
    token = ANSWERS[answer]
    before = time.time()
    (line,) = site.set_cookies(f"basket=1; poort={token}; _ga=2")
    found = re.fullmatch(
        r"poort=(\S+); Max-Age=(\d+); Path=/; Domain=shop\.example; Secure; SameSite=Lax", line)
    assert found, line
    assert found[1] == token
    left = gated.RING.read(token).expires - int(before)
    if site.way == "nginx":
        assert int(found[2]) == NGINX_MAX_AGE
    else:
        assert left - 20 < int(found[2]) <= left


STRANGER = Keyring(["another-key-0123456789-0123456789-x"])
WORTHLESS = {
    "none": "",
    "others": "basket=1; notpoort=2",
    "empty": "poort=",
    "a word": "poort=true",
    "half": f"poort={ANSWERS['a grant'].split('.')[0]}",
    "with a line's end": "poort=abc%0d%0aSet-Cookie: x=1",
    "two": f"poort={ANSWERS['a grant']}; poort={ANSWERS['a refusal']}",
    "no JSON": f"poort={'A' * 120}.{'B' * 43}",
    "of another site": f"poort={gated.receipt(site='other')}",
    "ended": f"poort={gated.receipt(expires=int(time.time()) - 5)}",
    "forged": f"poort={STRANGER.issue(gated.RING.read(ANSWERS['a grant']))}",
}
BY_SHAPE = {"php": {"forged"}, "nginx": {"no JSON", "of another site", "ended", "forged"}}


@pytest.mark.parametrize("kind", WORTHLESS)
def test_what_is_worthless_is_not_kept(site: Site, kind: str) -> None:
    """Who has no key keeps what looks like a receipt; the gate judges it all the same."""
    lines = site.set_cookies(WORTHLESS[kind])
    assert len(lines) == (kind in BY_SHAPE.get(site.way, ()))
    assert not any("HttpOnly" in line for line in lines)


@pytest.mark.parametrize(("domain", "said"), [("shop.example", "; Domain=shop.example"), (None, "")])
def test_the_domain_is_the_site_s(domain: str | None, said: str) -> None:
    gate = Gate("shop", [gated.KEY], {**gated.VERSION, "cookie_domain": domain})
    token = gated.receipt(expires=2_000)
    assert gate.keep(f"poort={token}", now=1_900.5) == (
        f"poort={token}; Max-Age=100; Path=/{said}; Secure; SameSite=Lax")
    assert gate.keep(f"poort={token}", now=2_000) is None


def test_without_a_known_domain_nothing_is_set() -> None:
    """A cookie of the host would stand beside the one of the domain."""
    token = gated.receipt()
    assert Gate("shop", [gated.KEY]).keep(f"poort={token}") is None
    assert Gate("shop", [gated.KEY], gated.gate._known.version).keep(f"poort={token}") is None  # type: ignore[union-attr]
