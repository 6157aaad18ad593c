"""The yardsticks: the least that Flask can do, and the least that an ASGI application can do."""

from typing import Any

from flask import Flask

app = Flask(__name__)

HEADERS = [(b"content-type", b"text/plain"), (b"content-length", b"5")]


@app.get("/")
def hello() -> str:
    """Say hello."""
    return "hello"


async def fast(scope: Any, receive: Any, send: Any) -> None:
    """Say hello on an event loop."""
    if scope["type"] != "http":
        raise NotImplementedError  # so the server learns that there is nothing to start
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": b"hello"})
