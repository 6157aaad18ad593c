"""A real SMTP server on loopback that takes mails, as an owner's own does."""

import email
import email.policy
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from types import TracebackType
from typing import Any, NamedTuple

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from tests.servers import free_port

Verdict = Callable[[str], str]
PASSWORD = b"pass/word"


class Letter(NamedTuple):
    """One mail that was taken: from whom, for whom, and its bytes."""

    sender: str
    recipients: list[str]
    content: bytes
    user: str
    encrypted: bool

    @property
    def message(self) -> EmailMessage:
        """As a mail program reads it."""
        return email.message_from_bytes(self.content, policy=email.policy.default)

    @property
    def text(self) -> str:
        return str(self.message.get_content()).replace("\r\n", "\n")


def fine(_: str) -> str:
    return "250 OK"


class PostOffice:
    """Takes mails from `with` until its end. `verdict` answers each RCPT; `at_data` and `at_quit` are called then.

    With a context it speaks TLS from the start, or after STARTTLS, and wants a password.
    """

    def __init__(
        self, verdict: Verdict = fine, context: ssl.SSLContext | None = None, starttls: bool = False, port: int = 0,
        at_data: Callable[[], None] = lambda: None, at_quit: Callable[[], None] = lambda: None,
    ) -> None:
        self.port = port or free_port()
        self.letters: list[Letter] = []
        self.connections = 0
        self._verdict, self._at_data, self._at_quit = verdict, at_data, at_quit
        # aiosmtpd knows of TLS only when it began it itself, on STARTTLS.
        tls = {"tls_context": context} if starttls else {"ssl_context": context, "auth_require_tls": False}
        wants: dict[str, Any] = {"authenticator": self._authenticate, **tls} if context else {}
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, **wants)

    def _authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, login: Any) -> AuthResult:
        return AuthResult(success=login.password == PASSWORD, handled=False, auth_data=login.login)

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        """Called by aiosmtpd."""
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        """Called by aiosmtpd."""
        verdict = self._verdict(address)
        if verdict.startswith("250"):
            envelope.rcpt_tos.append(address)
        return verdict

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Called by aiosmtpd."""
        self._at_data()
        user = (session.auth_data or b"").decode()
        self.letters.append(Letter(
            envelope.mail_from, list(envelope.rcpt_tos), envelope.original_content, user, session.ssl is not None))
        return "250 taken"

    async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:
        """Called by aiosmtpd."""
        self._at_quit()
        return "221 bye"

    def __enter__(self) -> "PostOffice":
        self._controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._controller.stop()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"
