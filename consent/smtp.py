"""A mail over SMTP, through Flask-Mailman: encrypted where the address says so, and with an end to patience."""

import smtplib
import socket
import ssl
import threading
from contextlib import suppress
from datetime import datetime
from email.utils import format_datetime, parseaddr
from typing import Any

from flask import Flask
from flask_mailman import EmailMessage, Mail
from flask_mailman.backends.smtp import EmailBackend
from flask_mailman.message import utf8_charset_qp

from consent.config import MailServer
from consent.endpoints import why

# Every failure of smtplib is an OSError; flask_mailman and the mail package refuse what is no header with a ValueError.
FAILURES = (OSError, ValueError)

TIMEOUT = 10.0  # seconds for each answer of the server
DEADLINE = 30.0  # seconds for a mail, from the connection to its end: a server that drips does not hold the jobs


class Conversation(smtplib.SMTP):
    """One that ends after DEADLINE, and trusts no certificate that it can not check."""

    def connect(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        """Called by smtplib, which leaves open what it could not connect whole."""
        try:
            return super().connect(*args, **kwargs)
        except BaseException:
            self.close()
            raise

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """Called by smtplib. The copy of the socket ends it at any time, whatever TLS wraps the first in."""
        line: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc]  # not in the stubs
        self._late = threading.Event()
        self._spare = line.dup()
        self._timer = threading.Timer(DEADLINE, _end, (self._spare, self._late))
        self._timer.daemon = True
        self._timer.start()
        return line

    def getreply(self) -> tuple[int, bytes]:
        """Called by smtplib, which takes what came before the end for an answer, and time that ran out for a break."""
        try:
            found = super().getreply()
        except smtplib.SMTPServerDisconnected as error:
            if isinstance(error.__context__, TimeoutError):
                raise TimeoutError from error
            raise
        finally:
            if self._late.is_set():
                self.close()
                raise TimeoutError
        return found

    def starttls(self, *, context: ssl.SSLContext | None = None) -> tuple[int, bytes]:  # type: ignore[override]  # as it is called
        """Called by Flask-Mailman without a context, by which smtplib would check nothing."""
        return super().starttls(context=context or ssl.create_default_context())

    def close(self) -> None:
        """Called at the end, and by smtplib when anything goes wrong."""
        super().close()
        timer, spare = self.__dict__.pop("_timer", None), self.__dict__.pop("_spare", None)
        if timer is not None and spare is not None:
            timer.cancel()
            spare.close()


class EncryptedConversation(smtplib.SMTP_SSL, Conversation):
    """The same with TLS from the first byte."""


def _end(line: socket.socket, late: threading.Event) -> None:
    late.set()
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)


class Backend(EmailBackend):  # type: ignore[misc]  # Flask-Mailman has no annotations
    """Flask-Mailman's own with our conversations."""

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        """Called by Flask-Mailman."""
        return EncryptedConversation if self.use_ssl else Conversation


def register(app: Flask, server: MailServer | None) -> None:
    """Set Flask-Mailman up. It connects when a mail is sent, never before."""
    if server is not None:
        app.config.update(
            MAIL_SERVER=server.host, MAIL_PORT=server.port, MAIL_USE_SSL=server.tls, MAIL_USE_TLS=server.starttls,
            MAIL_USERNAME=server.user or None, MAIL_PASSWORD=server.password or None,
        )
    app.config.update(MAIL_TIMEOUT=TIMEOUT, MAIL_BACKEND=Backend)
    Mail(app)


class Unreachable(Exception):
    """No mail can be given to the server now; the message says in a few words why, and names nobody."""


class Refused(Exception):
    """This mail was not taken; the message is the server's code, or says in a few words why."""


def send(to: str, subject: str, text: str, id: str, at: datetime, sender: str) -> None:
    """Give one mail to the server; returns once the server has it. Raises Unreachable or Refused.

    `id` is the left side of its Message-ID: who gets the same mail twice sees one.
    """
    mail = _message(to, subject, text, f"<{id}@{parseaddr(sender)[1].rpartition('@')[2]}>", at, sender)
    line = mail.get_connection()
    try:
        _open(line)
        line.send_messages([mail])
    except FAILURES as error:
        raise Refused(_answer(error)) from None
    finally:
        with suppress(OSError):  # it has the mail, whatever becomes of the goodbye
            line.close()


def _open(line: Backend) -> None:
    try:
        line.open()
    except OSError as error:
        raise Unreachable(_answer(error)) from None


def _message(to: str, subject: str, text: str, id: str, at: datetime, sender: str) -> EmailMessage:
    headers = {"Message-ID": id, "Date": format_datetime(at), "Auto-Submitted": "auto-generated"}
    mail = EmailMessage(subject, text, sender, [to], headers=headers)
    mail.encoding = utf8_charset_qp  # any server passes it on as it is
    return mail


def _answer(error: Exception) -> str:
    """The code alone: what servers say beside it names the recipient."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return str(next(iter(error.recipients.values()))[0])
    if isinstance(error, smtplib.SMTPResponseException):
        return str(error.smtp_code)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "the server does not offer what POORT_MAIL_URL asks for"
    return why(error) if isinstance(error, OSError) else "the mail can not be written"
