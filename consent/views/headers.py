"""Security headers of every page.

A blueprint that needs another policy sets the header itself (`policy(...)` in its after_request); it is kept.
"""

from flask import Flask, Response

from consent.config import Settings

_POLICY = {
    "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self' data:",
    "connect-src": "'self'", "form-action": "'self'", "frame-ancestors": "'none'", "base-uri": "'none'",
}


def policy(**changes: str) -> str:
    """The Content-Security-Policy of Poort's pages, with directives changed: policy(script_src="'self' https://...")."""
    rules = {**_POLICY, **{name.replace("_", "-"): value for name, value in changes.items()}}
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def register(app: Flask, settings: Settings) -> None:
    """Add the headers to all that Flask answers."""
    https = settings.public_url.startswith("https://")

    @app.after_request
    def protect(response: Response) -> Response:
        headers = response.headers
        headers.setdefault("X-Content-Type-Options", "nosniff")
        if https:
            headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        if response.mimetype == "text/html":
            headers.setdefault("Content-Security-Policy", policy())
            headers.setdefault("Referrer-Policy", "same-origin")
            headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        return response


def keep_nowhere(response: Response) -> Response:
    """For the after_request of signed-in pages: no cache keeps them."""
    response.headers["Cache-Control"] = "no-store, private"
    return response
