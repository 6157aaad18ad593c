"""One renderer for every error: the contract's JSON."""

from typing import Any

from flask import Flask, Response
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from consent.hot import Answer, error
from consent.records import Refused
from consent.sites import NotFound
from consent.versions import Unavailable

_SENTENCES = {
    404: "There is nothing here.",
    405: "This address is not called like that.",
    413: "The body is too large.",
    429: "Too many; try again in a minute.",
}


def response(answer: Answer) -> Response:
    """An Answer as Flask sends it."""
    return Response(answer.body, answer.status, answer.headers)


def register(app: Flask) -> None:
    """Render what verbs raise."""

    @app.errorhandler(Refused)
    def refused(fault: Refused) -> Response:
        return response(error(fault.status, fault.code, fault.message, fault.faults))

    @app.errorhandler(NotFound)
    def not_found(fault: NotFound) -> Response:
        return response(error(404, "not_found", str(fault)))

    @app.errorhandler(Unavailable)
    @app.errorhandler(SQLAlchemyError)
    def unavailable(fault: Any) -> Response:
        app.logger.error("database", extra={"fault": type(fault).__name__})
        return response(error(503, "unavailable", "The database can not be reached; try again in a moment.",
                              None, ("Retry-After", "2")))

    @app.errorhandler(HTTPException)
    def http(fault: HTTPException) -> Any:
        status = fault.code or 500
        if status < 400:
            return fault.get_response()
        code = fault.name.lower().replace(" ", "_")
        return response(error(status, code, _SENTENCES.get(status, "The request can not be answered.")))
