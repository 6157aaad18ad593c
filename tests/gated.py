"""A site behind the gate, for real gunicorns: `tests.gated:flask_site`, `tests.gated:async_site`, and `durable_` ones.

PAGES are served alike by both. The version is made by hand: two trackers for each thing that can go wrong.
"""

import gzip
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from flask import Flask, Response, render_template_string, request

from consent.middleware import AsyncGateMiddleware, init_app
from consent.receipts import Keyring, Receipt
from consent.sdk import Gate, Policy
from tests.servers import COMMANDS, PATIENCE, ROOT, call, free_port

KEY = "a-key-of-the-gated-site-0123456789-abcdef"
RING = Keyring([KEY])
R, P = "6f1c2f0e-58f3-4d5c-9f6a-0a1b2c3d4e5f", "0a1b2c3d-58f3-4d5c-9f6a-6f1c2f0e4e5f"


def _tracker(id: str, category: str, **more: Any) -> dict[str, Any]:
    row = {"id": id, "category": category, "since": 1, "exempt": False, "hosts": [], "paths": [], "cookies": []}
    return {**row, **more}


VERSION: dict[str, Any] = {
    "site": "shop",
    "version": 3,
    "cookie_domain": "shop.example",
    "categories": [{"id": name, "since": 1} for name in ("necessary", "functional", "analytics", "marketing")],
    "trackers": [
        _tracker(
            "ga4", "analytics",
            hosts=["*.google-analytics.com", "stats.g.doubleclick.net"],
            paths=["www.googletagmanager.com/gtag/js?id=G-"],
            cookies=[{"name": "_ga"}, {"name": "_ga_*"}, {"name": "FPID", "server": True}, {"name": "_gac_*"}],
        ),
        _tracker(
            "gads", "marketing",
            hosts=["www.googleadservices.com", "pagead2.googlesyndication.com"],
            paths=["www.googletagmanager.com/gtag/js?id=AW-", "www.google.com/pagead/"],
            cookies=[{"name": "_gcl_au"}, {"name": "_gac_*"}, {"name": "Conversion", "domain": "googleadservices.com"}],
        ),
        _tracker("dclk", "marketing", hosts=["*.doubleclick.net"]),
        _tracker("hotjar", "analytics", hosts=["*.hotjar.com"], cookies=[{"name": "_hjSession_*"}]),
        _tracker(
            "meta", "marketing", hosts=["connect.facebook.net"], paths=["www.facebook.com/tr"],
            cookies=[{"name": "_fbp"}, {"name": "fr", "domain": "facebook.com"}],
        ),
        _tracker("gmaps", "functional", hosts=["maps.googleapis.com"], paths=["www.google.com/maps/"]),
        _tracker("own", "analytics", exempt=True, hosts=["stats.shop.example"], cookies=[{"name": "_own_*"}]),
    ],
}  # fmt: skip


def receipt(*granted: str, **changes: Any) -> str:
    """A signed receipt of a visitor who allowed these categories."""
    now = int(time.time())
    made = Receipt("shop", R, P, 3, "custom", frozenset(granted), frozenset(), frozenset(), False, now, now + 86_400)
    return RING.issue(made._replace(**changes))


class Made(NamedTuple):
    """What the site answers by itself."""

    body: tuple[bytes, ...]
    kind: str = "text/html; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    streamed: bool = False


PIXELS = (
    b'<!doctype html><p>Caf\xc3\xa9 \x00\xff</p><NoScript\n class="a>b"><IMG Height=1 SRC="https://www.facebook.com/tr'
    b"?id=1&amp;ev='PageView'\"/><img src='//ok.example/p.gif'><iframe src=https://12.fls.doubleclick.net/activityi;a=1>"
    b"<p>frame</p></iframe><b>no script</b></NOSCRIPT ><p>end</p>"
)
CLEANED = (
    b'<!doctype html><p>Caf\xc3\xa9 \x00\xff</p><NoScript\n class="a>b"><img src=\'//ok.example/p.gif\'>'
    b"<b>no script</b></NOSCRIPT ><p>end</p>"
)
TAG = (("ETag", '"page-1"'), ("Last-Modified", "Sun, 01 Nov 2026 00:00:00 GMT"))

PAGES = {
    "/pixels": Made((PIXELS,)),
    "/streamed": Made(tuple(PIXELS[at : at + 3] for at in range(0, len(PIXELS), 3)), streamed=True),
    "/unclosed": Made((b"<p>a</p><noscript><img src='https://www.facebook.com/tr?id=1><p>b",)),
    "/quote": Made((b'<noscript><img src="https://www.facebook.com/tr></noscript><p class="x">rest</p>',)),
    "/tagged": Made((PIXELS,), headers=(*TAG, ("Vary", "Accept-Language, cookie"))),
    "/nothing": Made((b"<p>Nothing here</p><noscript>Turn it on</noscript>",), headers=TAG),
    "/latin": Made(("<p>Prijs: 5 \u00a3</p>".encode("latin-1") + PIXELS,), "text/html; charset=iso-8859-1"),
    "/wide": Made((PIXELS.decode("latin-1").encode("utf-16"),), "text/html; charset=utf-16"),
    "/text": Made((PIXELS,), "text/plain; charset=utf-8", TAG),
    "/gzip": Made((gzip.compress(PIXELS, mtime=0),), headers=(("Content-Encoding", "gzip"),)),
    "/cookies": Made((b"<p>Hi</p>",), headers=(("Set-Cookie", "basket=1; Path=/"), ("Set-Cookie", "_fbp=app; Path=/"))),
}

gate = Gate("shop", [KEY], VERSION, url="https://consent.shop.example")
if url := os.environ.get("GATED_BY"):
    gate = Gate.from_url(url, os.environ.get("GATED_SITE", "shop"), [os.environ["GATED_KEY"]], every=0.2)
KEEP = "/poort/keep"
POLICY = Policy(base={"img-src": ["'self'", "data:"], "frame-ancestors": ["'none'"]})
TEMPLATE = """<p>{{ gate.allows("hotjar").reason }}</p>{% if gate.allows("hotjar") %}<script src="//static.hotjar.com">
</script>{% endif %}{% if nonce %}<i nonce="{{ gate.nonce }}"></i>{% endif %}"""


def flask_site_with(policy: Policy | None, keep: str | None = None) -> Flask:
    """The site as a Flask application."""
    app = Flask(__name__)
    app.add_url_rule("/template", view_func=lambda: render_template_string(TEMPLATE), endpoint="template")
    app.add_url_rule("/nonce", view_func=lambda: render_template_string(TEMPLATE, nonce=True), endpoint="nonce")
    app.add_url_rule("/pid", view_func=_told, endpoint="pid")
    app.add_url_rule("/broken", view_func=_fail, endpoint="broken")
    app.add_url_rule("/<path:path>", view_func=_page, endpoint="page")
    init_app(app, gate, policy, keep=keep)
    return app


def _fail() -> str:
    raise ZeroDivisionError


def _told() -> dict[str, Any]:
    visitor = request.environ["poort"]
    reasons = {tracker: decision.reason for tracker, decision in visitor.reasons().items()}
    encodings = request.headers.get("Accept-Encoding")
    told = {"pid": os.getpid(), "version": visitor.number, "reasons": reasons, "encodings": encodings}
    return {**told, "csp": visitor.csp()}


def _page(path: str) -> Response:
    made = PAGES[f"/{path}"]
    body: Any = iter(made.body) if made.streamed else b"".join(made.body)
    answer = Response(body, headers=list(made.headers), content_type=made.kind)
    if "ETag" in answer.headers:
        answer.make_conditional(request)
    return answer


flask_site = flask_site_with(None)
strict_site = flask_site_with(POLICY)
durable_site = flask_site_with(None, KEEP)


async def _pages(scope: Any, receive: Any, send: Any) -> None:
    """The same pages, by hand."""
    if scope["type"] == "lifespan":
        return
    assert scope["state"]["poort"] is scope["poort"]
    made = PAGES[scope["path"]]
    sent = dict(scope["headers"])
    headers = [("Content-Type", made.kind), *made.headers]
    tag = dict(made.headers).get("ETag", "none")
    fresh = tag.encode() in sent.get(b"if-none-match", b"") or (
        b"if-modified-since" in sent and b"if-none-match" not in sent and tag != "none")
    if not made.streamed and not fresh:
        headers.append(("Content-Length", str(len(b"".join(made.body)))))
    start = {"type": "http.response.start", "status": 304 if fresh else 200}
    await send({**start, "headers": [(name.lower().encode(), value.encode()) for name, value in headers]})
    body = () if fresh or scope["method"] == "HEAD" else made.body
    for piece in body:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})


async_site = AsyncGateMiddleware(_pages, gate)
strict_async_site = AsyncGateMiddleware(_pages, gate, POLICY)
durable_async_site = AsyncGateMiddleware(_pages, gate, keep=KEEP)


@contextmanager
def served(application: str, *options: str, **env: str) -> Iterator[int]:
    """The port at which gunicorn serves an application of this module."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        (Path(folder) / "conf.py").touch()  # not the one of Poort itself
        bound = ["-c", f"{folder}/conf.py", "-b", f"127.0.0.1:{port}", "--no-control-socket", "-t", "120"]
        command = [str(COMMANDS / "gunicorn"), *bound, *options, f"tests.gated:{application}"]
        with log.open("wb") as out:
            process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **env}, stdout=out, stderr=out)
        try:
            _wait_for(port, process, log)
            yield port
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            call(port, "GET", "/nothing", timeout=5)
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"the site did not come up:\n{log.read_text()}") from None
            time.sleep(0.05)
