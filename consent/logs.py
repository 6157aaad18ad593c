"""JSON log lines without personal data: one object a line on stderr, gunicorn's own lines included.

Two walls (G1, threat 10). The first: our code logs events and numbers, never a request. The second stands here, for
what libraries write: gunicorn puts addresses and URLs into its warnings, exceptions quote what they choke on. So
exceptions are shown as types and places in the code, without their message and without local variables, and every text
is searched for what looks like an address, an e-mail address, a URL with a query, an id or a token.
"""

import ipaddress
import logging
import re
import sys
from collections.abc import MutableMapping
from pathlib import Path
from traceback import FrameSummary, extract_tb
from types import TracebackType
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

ROOT = str(Path(__file__).resolve().parent.parent) + "/"
FRAMES = 30

# What gunicorn's master says of itself.
_OF_THE_MASTER = re.compile(r"SIG[A-Z0-9]+|Master|Worker failed to boot\.|App failed to load\.")

ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None]

_PRIVATE = (
    (re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+"), "[e-mail]"),
    (re.compile(r"(https?://[^\s?#\"']*)[?#][^\s\"']*"), r"\1[query]"),
    (re.compile(r"(?<![\w.])/[^\s?\"']*\?[^\s\"']+"), "[path]"),
    (re.compile(r"[\w-]{20,}\.[\w-]{20,}"), "[token]"),
    (re.compile(r"\b[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}\b"), "[id]"),
    (re.compile(r"Mozilla/\d.*"), "[user agent]"),
)


_LIKE_AN_ADDRESS = re.compile(r"[0-9a-fA-F:.]*[:.][0-9a-fA-F:.]*")


def redacted(text: str) -> str:
    """The text without what looks like somebody's."""
    for pattern, instead in _PRIVATE:
        text = pattern.sub(instead, text)
    return _LIKE_AN_ADDRESS.sub(lambda found: "[address]" if _is_address(found[0]) else found[0], text)


def _is_address(text: str) -> bool:
    """Whether it is an IP address, perhaps with a port, other than the machine's own."""
    for part in (text.strip("."), text.rpartition(":")[0]):
        try:
            return not ipaddress.ip_address(part).is_loopback
        except ValueError:
            continue
    return False


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The second wall, for every text of a line but the time and the frames, which are ours."""
    for name, value in event.items():
        if isinstance(value, str) and name != "time":
            event[name] = redacted(value)
        elif not isinstance(value, bool | int | float | str) and value is not None and name != "error":
            event[name] = type(value).__name__
    return event


def described(error: BaseException) -> str:
    """What went wrong, without what it went wrong with.

    Only a driver's "can not be reached", "is locked" or "is full" is told: those sentences hold no values. Others quote
    the row or the text that they refuse.
    """
    if isinstance(error, OperationalError | InterfaceError) and error.orig is not None:
        return f"{type(error).__name__}: {redacted(str(error.orig).splitlines()[0][:200])}"
    if isinstance(error, DBAPIError):
        return f"{type(error).__name__}: {type(error.orig).__name__}"
    if isinstance(error, OSError) and error.strerror:
        return f"{type(error).__name__}: {error.strerror}"
    return type(error).__name__


def _place(frame: FrameSummary) -> str:
    return f"{frame.filename.removeprefix(ROOT)}:{frame.lineno} {frame.name}"


def traceback(error: BaseException) -> list[dict[str, Any]]:
    """The chain of exceptions, the first cause last: each with the places in the code it went through."""
    chain: list[dict[str, Any]] = []
    found: BaseException | None = error
    while found is not None and len(chain) < 10:
        places = [_place(frame) for frame in extract_tb(found.__traceback__)[-FRAMES:]]
        chain.append({"type": described(found), "at": places})
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
    return chain


def show_error(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """`exc_info` as a list without data."""
    info = event.pop("exc_info", None)
    error = info if isinstance(info, BaseException) else (sys.exc_info() if info is True else info or (None, None))[1]
    if error is not None:
        event["error"] = traceback(error)
    return event


def _is_plain(arg: Any) -> bool:
    return isinstance(arg, int) or (isinstance(arg, str) and _OF_THE_MASTER.fullmatch(arg) is not None)


class Discreet(logging.Filter):
    """gunicorn's lines about a request, without the request: its warnings hold the caller's address and the URL."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Start and stop lines (INFO) pass; of the others only the words of the template and numbers."""
        if record.name.startswith("gunicorn") and record.levelno != logging.INFO:
            record.msg, record.args = self._words(record), ()
        return True

    def _words(self, record: logging.LogRecord) -> str:
        args = record.args if isinstance(record.args, tuple) else ()
        try:
            text = str(record.msg) % tuple(arg if _is_plain(arg) else "[...]" for arg in args)
        except (TypeError, ValueError):
            text = str(record.msg)
        return text.splitlines()[0].split("=")[0] if text else ""


def formatter() -> logging.Formatter:
    """One JSON object a line: time, level, logger, event, and what the caller gave as `extra`."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            show_error, redact, structlog.processors.JSONRenderer(),
        ],
    )


def configuration(level: str) -> dict[str, Any]:
    """For logging.config.dictConfig and gunicorn's `logconfig_dict`: everything to stderr, in JSON."""
    lines = {"handlers": ["stderr"], "propagate": False}
    return {
        "version": 1, "disable_existing_loggers": False,
        "formatters": {"json": {"()": formatter}},
        "filters": {"discreet": {"()": Discreet}},
        "handlers": {"stderr": {
            "class": "logging.StreamHandler", "formatter": "json", "filters": ["discreet"], "stream": "ext://sys.stderr"}},
        "root": {"level": level.upper(), "handlers": ["stderr"]},
        "loggers": {
            "gunicorn.error": {**lines, "level": level.upper()},
            # The access log stays off: each of its lines would be about a person.
            "gunicorn.access": {**lines, "level": "CRITICAL"},
            "alembic": {**lines, "level": "WARNING"},  # tells of its plug-ins at every start
        },
    }
