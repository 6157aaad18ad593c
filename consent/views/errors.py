"""One renderer for every error: a page for people in a browser, the contract's JSON for everybody else."""

from typing import Any

from flask import Flask, Response, render_template, request
from flask_babel import gettext
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from consent.answers import Answer, error
from consent.hot import answer_of
from consent.marks import mark
from consent.records import Refused
from consent.sites import NotFound
from consent.tombstones import Unwritten
from consent.versions import Unavailable

_SENTENCES = {
    404: "There is nothing here.",
    405: "This address is not called like that.",
    413: "The body is too large.",
    429: "Too many; try again in a minute.",
}

# What a page says: a title and a sentence. Nothing of the request is repeated.
_PAGES = {
    400: (mark("This request is not right"), mark("Something in it can not be used. Go back and try again.")),
    403: (mark("This is not yours to open"), mark("You are signed in, but this needs another role.")),
    404: (mark("There is nothing here"), mark("The page does not exist, or it belongs to somebody else.")),
    429: (mark("That was too often"), mark("Wait a minute and try again.")),
    503: (mark("Not available for a moment"), mark("The database can not be reached. Try again in a moment.")),
}
_OTHER = (mark("That did not work"), mark("The request can not be answered. Go back and try again."))
_STALE = (mark("This form is too old"), mark("It was open for too long, or your browser refused its cookie. "
                                             "Go back, load the page again and send it once more."))


def response(answer: Answer) -> Response:
    """An Answer as Flask sends it."""
    return Response(answer.body, answer.status, answer.headers)


def register(app: Flask) -> None:
    """Render what verbs raise."""

    @app.errorhandler(Refused)
    def refused(fault: Refused) -> Response:
        return _answer(answer_of(fault))

    @app.errorhandler(NotFound)
    def not_found(fault: NotFound) -> Response:
        return _answer(error(404, "not_found", str(fault)))

    @app.errorhandler(Unwritten)
    def not_erased(_: Unwritten) -> Response:
        return _answer(error(503, "unavailable", "The erasure can not be kept for good now; nothing was erased. "
                             "Try again in a moment.", None, ("Retry-After", "60")))

    @app.errorhandler(Unavailable)
    @app.errorhandler(SQLAlchemyError)
    def unavailable(fault: Any) -> Response:
        app.logger.error("database", extra={"fault": type(fault).__name__})
        return _answer(error(503, "unavailable", "The database can not be reached; try again in a moment.",
                             None, ("Retry-After", "2")))

    @app.errorhandler(HTTPException)
    def http(fault: HTTPException) -> Any:
        status = fault.code or 500
        if status < 400:
            return fault.get_response()
        code = fault.name.lower().replace(" ", "_")
        sentence = _SENTENCES.get(status, "The request can not be answered.")
        kept = [header for header in fault.get_headers() if header[0] in ("Retry-After", "Allow")]
        return _answer(error(status, code, sentence, None, *kept), isinstance(fault, CSRFError))


def _answer(answer: Answer, stale: bool = False) -> Response:
    """The answer, or a page that says the same."""
    if not _in_a_browser():
        return response(answer)
    title, sentence = _STALE if stale else _PAGES.get(answer.status, _OTHER)
    page = render_template("error.html", title=gettext(title), sentence=gettext(sentence))
    kept = [header for header in answer.headers if header[0] != "Content-Type"]
    return Response(page, answer.status, kept, content_type="text/html; charset=utf-8")


def _in_a_browser() -> bool:
    if request.path.startswith(("/v1/", "/banner/")):
        return False
    return request.accept_mimetypes.best_match(("application/json", "text/html")) == "text/html"
