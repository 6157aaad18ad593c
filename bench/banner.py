"""How soon the banner is there on a slow phone, beside orejime's: `python -m bench.banner`.

Both pages come from one server and are asked for in turns by a Chromium that is held to a phone's network and to a
quarter of this machine's processor. Also: the longest task, how far the page moved, and what a returning visitor runs.
"""

import argparse
import json
import statistics
import threading
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import brotli
from playwright.sync_api import Browser, Page, sync_playwright

from bench.peers import npm
from bench.size import EIGHT, site
from consent import banners
from tests.browser.conftest import chromium

PHONE = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 94_000}  # 1.6 Mbit/s
SLOWER = 4
TEXT = "<h1>Winkel</h1>" + "<p>Een alinea van een gewone pagina, om iets te lezen te hebben.</p>" * 200
HEAD = '<!doctype html><html lang="nl"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
PURPOSES = [{"id": name, "title": name, "description": "Meet bezoeken.", "cookies": [f"_{name}"]} for name in EIGHT]
CONFIG = json.dumps({"privacyPolicyUrl": "/privacy", "purposes": PURPOSES})
OREJIME = f"<script>window.orejimeConfig = {CONFIG}</script>"

# When something of that selector is first painted: a frame in which it has a size, and the next.
WATCH = """
window.seen = null; window.longest = 0; window.moved = 0;
new PerformanceObserver(list => list.getEntries().forEach(one => { longest = Math.max(longest, one.duration); }))
  .observe({type: "longtask", buffered: true});
new PerformanceObserver(list => list.getEntries().forEach(one => { moved += one.value; }))
  .observe({type: "layout-shift", buffered: true});
(function look() {
  const node = document.querySelector("#poort-banner, .orejime-Banner, .orejime-Notice, [class*=orejime-Banner]");
  if (node && node.getBoundingClientRect().height) requestAnimationFrame(() => { seen = performance.now(); });
  else requestAnimationFrame(look);
})();
"""


def files() -> dict[str, tuple[str, bytes]]:
    """What the server has: two pages, and what they load."""
    orejime = npm.installed(Path(__file__).parent / "peers" / "orejime") / "node_modules" / "orejime" / "dist"
    poort = banners.script_for(site(["nl", "en"]))
    script, style = (orejime / "orejime-standard-nl.js").read_bytes(), (orejime / "orejime-standard.css").read_bytes()
    tags = '<link href="/orejime.css" rel="stylesheet"><script src="/orejime.js" defer></script>'
    return {
        "/poort": ("text/html", f'{HEAD}<script async src="/banner/shop.js"></script></head>{TEXT}'.encode()),
        "/orejime": ("text/html", f"{HEAD}{OREJIME}{tags}</head>{TEXT}".encode()),
        "/banner/shop.js": ("text/javascript; charset=utf-8", poort),
        "/orejime.js": ("text/javascript", script),
        "/orejime.css": ("text/css", style),
    }


@contextmanager
def served(content: dict[str, tuple[str, bytes]]) -> Iterator[str]:
    """A server of these, compressed as well as brotli can; its address."""
    small = {path: (kind, brotli.compress(body, quality=11)) for path, (kind, body) in content.items()}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            kind, body = small.get(self.path, ("text/plain", brotli.compress(b"")))
            self.send_response(200)
            for name, value in (("Content-Type", kind), ("Content-Encoding", "br"), ("Content-Length", str(len(body))),
                                ("Cache-Control", "no-store")):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def visit(browser: Browser, address: str) -> tuple[float, float, float]:
    """A new visitor's milliseconds to the banner, longest task, and how far the page moved."""
    context = browser.new_context(viewport={"width": 360, "height": 740}, is_mobile=True, device_scale_factor=2)
    page = context.new_page()
    page.add_init_script(WATCH)
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", PHONE)
    session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    page.goto(address)
    page.wait_for_function("window.seen", timeout=20_000)
    page.wait_for_timeout(500)
    found = page.evaluate("[seen, longest, moved]")
    context.close()
    return found[0], found[1], found[2]


def receipt() -> str:
    """A grant as the page sees it: it can not look at a signature."""
    now = int(time.time())
    body = {"s": "shop", "r": str(uuid.uuid4()), "p": str(uuid.uuid4()), "v": 1, "a": "accept_all",
            "c": ["functional", "analytics", "marketing"], "x": [], "g": [], "gpc": False, "t": now, "e": now + 10**7}
    return urlsafe_b64encode(json.dumps(body).encode()).decode().rstrip("=") + ".x.y"


def ran(page: Page, address: str) -> str:
    """The parts of the banner script that ran in a returning visitor's page, by the browser's own count."""
    session = page.context.new_cdp_session(page)
    for command, options in (("Profiler.enable", {}), ("Debugger.enable", {}),
                             ("Profiler.startPreciseCoverage", {"callCount": True, "detailed": True})):
        session.send(command, options)
    page.goto(address)
    page.locator("[data-poort=reopen]").wait_for()
    page.wait_for_timeout(500)
    scripts = session.send("Profiler.takePreciseCoverage")["result"]
    (found,) = [one for one in scripts if one["url"].endswith("/banner/shop.js")]
    ranges = [one for function in found["functions"] for one in function["ranges"]]
    return _covered(banners.script_for(site(["nl", "en"])).decode(), ranges)


def _covered(text: str, ranges: list[dict[str, int]]) -> str:
    """The text without what was never run; an inner range overrides the one around it."""
    counts = [0] * len(text)
    for one in sorted(ranges, key=lambda one: (one["startOffset"], -one["endOffset"])):
        start, end = one["startOffset"], min(one["endOffset"], len(text))
        counts[start:end] = [one["count"]] * (end - start)
    return "".join(letter for letter, count in zip(text, counts, strict=True) if count)


def returning(browser: Browser, origin: str) -> None:
    """Print what a returning visitor runs."""
    token = receipt()
    context = browser.new_context()
    context.add_cookies([{"name": "poort", "value": token, "url": origin}])
    memory = json.dumps({"site": "shop", "receipt": token, "skew": 0})
    context.add_init_script(f"localStorage.setItem('poort', {json.dumps(memory)})")
    text = ran(context.new_page(), f"{origin}/poort")
    code = text[:text.index('{site:"')]
    context.close()
    sizes = [len(brotli.compress(part.encode(), quality=11)) for part in (code, text)]
    print(f"a returning visitor runs {sizes[0]:,} bytes (brotli) of code; {sizes[1]:,} with site and style sheet")


def main() -> None:
    """Print the medians of both, and what a returning visitor runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    found: dict[str, list[tuple[float, float, float]]] = {"poort": [], "orejime": []}
    with served(files()) as origin, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for _ in range(rounds):
            for name, visits in found.items():
                visits.append(visit(browser, f"{origin}/{name}"))
        for name, visits in found.items():
            shown, longest, moved = (statistics.median(column) for column in zip(*visits, strict=True))
            print(f"{name:8} banner after {shown:,.0f} ms, longest task {longest:,.0f} ms, page moved by {moved:.3f}")
        returning(browser, origin)
        browser.close()


if __name__ == "__main__":
    main()
