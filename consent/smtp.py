"""A mail over SMTP, through Flask-Mailman: encrypted where the address says so, and with an end to patience."""

import smtplib
import socket
import ssl
import threading
from contextlib import suppress
from datetime import datetime
from email.message import Message
from email.mime.base import MIMEBase
from email.mime.image import MIMEImage
from email.mime.multipart import MIMEMultipart
from email.utils import format_datetime, parseaddr
from typing import Any, NamedTuple, cast

from flask import Flask
from flask_mailman import EmailMessage, EmailMultiAlternatives, Mail
from flask_mailman.backends.smtp import EmailBackend
from flask_mailman.message import utf8_charset_qp

from consent.config import MailServer
from consent.endpoints import why
from consent.mails import PICTURE

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


class Letter(NamedTuple):
    """One mail. `id` is the left side of its Message-ID: who gets the same mail twice sees one. `picture` is a PNG
    that the HTML shows as `cid:` and mails.PICTURE; `leave` the address where one click ends such mails.
    """

    to: str
    subject: str
    text: str
    id: str
    at: datetime
    html: str | None = None
    picture: bytes | None = None
    leave: str | None = None


def send(letter: Letter, sender: str) -> None:
    """Give one mail to the server; returns once the server has it. Raises Unreachable or Refused."""
    mail = _message(letter, sender)
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


class TwoForms(EmailMultiAlternatives):  # type: ignore[misc]  # as above
    """Text and HTML, and the picture with the HTML alone: multipart/alternative with a multipart/related in it."""

    picture: bytes | None = None

    def _create_alternatives(self, text: MIMEBase) -> MIMEBase:
        """Called by Flask-Mailman, which knows attachments of the whole mail alone."""
        found: MIMEBase = super()._create_alternatives(text)
        if self.picture is None or not self.alternatives:
            return found
        whole, page = cast("list[Message]", found.get_payload())
        found.set_payload([whole, _related(page, self.picture)])
        return found


def _related(page: Message, picture: bytes) -> MIMEBase:
    shown = MIMEImage(picture, "png")
    shown.add_header("Content-ID", f"<{PICTURE}>")
    shown.add_header("Content-Disposition", "inline", filename="chart.png")
    related = MIMEMultipart("related", type="text/html")
    related.attach(page)
    related.attach(shown)
    return related


def _message(letter: Letter, sender: str) -> EmailMessage:
    mail = TwoForms(letter.subject, letter.text, sender, [letter.to], headers=_headers(letter, sender))
    mail.encoding = utf8_charset_qp  # any server passes it on as it is
    if letter.html is not None:
        mail.attach_alternative(letter.html, "text/html")
        mail.picture = letter.picture
    return mail


def _headers(letter: Letter, sender: str) -> dict[str, str]:
    headers = {"Message-ID": f"<{letter.id}@{parseaddr(sender)[1].rpartition('@')[2]}>",
               "Date": format_datetime(letter.at), "Auto-Submitted": "auto-generated"}
    if letter.leave is not None:  # RFC 8058: the mail program's own button, without a page
        headers |= {"List-Unsubscribe": f"<{letter.leave}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    return headers


def _answer(error: Exception) -> str:
    """The code alone: what servers say beside it names the recipient."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return str(next(iter(error.recipients.values()))[0])
    if isinstance(error, smtplib.SMTPResponseException):
        return str(error.smtp_code)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "the server does not offer what POORT_MAIL_URL asks for"
    return why(error) if isinstance(error, OSError) else "the mail can not be written"
