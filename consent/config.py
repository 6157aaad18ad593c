"""The table of settings: every one has a name, a parser, a default and a sentence of help.

`load(environ)` reads them all from the environment, strictly: a bad value stops the start and names itself.
A setting marked secret is also read from the file that `NAME_FILE` names.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parseaddr
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from consent.addresses import is_local

INSTANCE = Path(__file__).resolve().parent.parent / "instance"

# What examples and templates put where a secret has to come: a start with it is a start without a secret.
STAND_INS = re.compile(r"change.?(me|this)|your.?(secret|key)|replace.?(me|this)|insecure|default|placeholder", re.I)
SHORTEST_SECRET = 22  # characters of base64: 128 bits


class ConfigError(Exception):
    """A setting that can not be used; the message is one sentence for the operator."""


def _text(value: str) -> str:
    return value.strip()


def _database(value: str) -> str:
    """SQLAlchemy address; `postgres://` and `postgresql://` both mean psycopg 3."""
    for scheme in ("postgres://", "postgresql://"):
        if value.startswith(scheme):
            value = "postgresql+psycopg://" + value.removeprefix(scheme)
    if not value.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise ValueError("must start with sqlite:/// or postgresql://")
    try:
        found = make_url(value)
    except (ValueError, ArgumentError):  # not quoted: it may hold a password
        raise ValueError("can not be read; it looks like postgresql://user:password@host:5432/name") from None
    if found.database in (None, "", ":memory:"):
        raise ValueError("must name a database; what is only in memory is lost")
    return value


def _keys(value: str) -> tuple[str, ...]:
    keys = tuple(key.strip() for key in value.replace("\n", ",").split(",") if key.strip())
    if not keys:
        raise ValueError("holds no key")
    for key in keys:
        if len(key) < SHORTEST_SECRET:
            raise ValueError(f"holds a key that is too short; use at least {SHORTEST_SECRET} random characters")
        if STAND_INS.search(key):
            raise ValueError(
                "holds a stand-in where a secret has to be; make one, for example with `openssl rand -hex 32`"
            )
    return keys


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not value.strip().isdecimal() or not low <= int(value) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(value)

    return parse


def _choice(*allowed: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value.strip().lower() not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return value.strip().lower()

    return parse


def _switch(value: str) -> bool:
    return _choice("on", "off")(value) == "on"


def _address(value: str) -> str:
    parts = urlsplit(value.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise ValueError("must be an address such as https://consent.shop.example")
    return f"{parts.scheme}://{parts.netloc}"


def _token(value: str) -> str:
    if len(value.strip()) < 16:
        raise ValueError("must have at least 16 characters")
    return value.strip()


class MailServer(NamedTuple):
    """The SMTP server that mails go to. `tls` from the first byte, `starttls` from the greeting on."""

    host: str
    port: int
    user: str
    password: str
    tls: bool
    starttls: bool


def _mail_server(value: str) -> MailServer:
    """No message quotes the value: it may hold a password."""
    try:
        parts = urlsplit(value.strip())
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    unknown = parts.path not in ("", "/") or parts.query not in ("", "starttls") or parts.fragment
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or unknown:
        raise ValueError("must look like smtp://user:password@host:587?starttls or smtps://user:password@host:465")
    return _checked_server(parts, parts.hostname, port)


def _checked_server(parts: SplitResult, host: str, port: int | None) -> MailServer:
    tls, starttls = parts.scheme == "smtps", parts.query == "starttls"
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(user) != bool(password):
        raise ValueError("needs a user and a password, or neither")
    if tls and starttls:
        raise ValueError("is encrypted from the start with smtps://; leave ?starttls out")
    if password and not tls and not starttls and not (host == "localhost" or is_local(host)):
        raise ValueError("would send the password in the clear; use smtps:// or add ?starttls")
    return MailServer(host, port or (465 if tls else 587 if starttls else 25), user, password, tls, starttls)


def _sender(value: str) -> str:
    sender = value.strip()
    address = parseaddr(sender)[1]
    if not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", address) or not sender.isprintable():
        raise ValueError("must be an e-mail address such as poort@shop.example, or Poort <poort@shop.example>")
    return sender


def _folder(value: str) -> str:
    if not value.strip().startswith("/"):
        raise ValueError("must be the whole path of a folder, such as /var/backups/poort")
    return value.strip()


@dataclass(frozen=True)
class Setting:
    """One row of the table; `default` None means that the setting has to be given."""

    name: str
    parse: Callable[[str], Any]
    default: str | None
    help: str
    secret: bool = False

    @property
    def key(self) -> str:
        """The name inside Settings: POORT_DATABASE_URL is `database_url`."""
        return self.name.removeprefix("POORT_").lower()


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "POORT_DATABASE_URL",
        _database,
        f"sqlite:///{INSTANCE / 'poort.sqlite3'}",
        "Where everything is stored: a SQLite file or a PostgreSQL database (postgresql://user:password@host/name).",
    ),
    Setting(
        "POORT_SECRET_KEYS",
        _keys,
        None,
        "Keys that sign receipts and sessions, comma-separated, newest first. The first signs, all verify. "
        f"At least {SHORTEST_SECRET} random characters each.",
        secret=True,
    ),
    Setting(
        "POORT_PUBLIC_URL",
        _address,
        "",
        "The address at which browsers reach Poort, for the snippet and for secure cookies. "
        "Default: http://127.0.0.1 with PORT.",
    ),
    Setting(
        "POORT_PROXIES",
        _whole(0, 9),
        "0",
        "How many proxies stand in front and set X-Forwarded-For and X-Forwarded-Proto. 0 trusts neither header.",
    ),
    Setting(
        "POORT_RECORD_LIMIT",
        _whole(1, 1_000_000),
        "300",
        "Decisions and shown banners accepted per minute from one visitor's address; past it 429. "
        "Addresses are kept in memory only. Callers on the machine itself are not limited.",
    ),
    Setting(
        "POORT_FLOOD",
        _whole(0, 1_000_000),
        "200",
        "Decisions, or shown banners, from one network (/24 or /48) in ten minutes, in one worker, past which they are "
        "counted as `suspect`, when they are more than 5 % of the site's as well. 0: nothing is a flood.",
    ),
    Setting(
        "POORT_SHOWN_RATE",
        _whole(1, 1_000_000),
        "500",
        "Shown banners per second in one worker that are all counted; of those past it one in ten, as ten. "
        "Decisions always are.",
    ),
    Setting(
        "POORT_QUEUE",
        _whole(1, 100_000),
        "2000",
        "Decisions that may wait for the disk in one worker; past it 503 with Retry-After.",
    ),
    Setting(
        "POORT_LOGIN_LIMIT",
        _whole(1, 10_000),
        "10",
        "Attempts per minute from one address to sign in, to give a code or to ask for a link, and failures for one "
        "account; past it 429.",
    ),
    Setting(
        "POORT_SIGN_UP",
        _switch,
        "off",
        "on: whoever has an e-mail address can make an account and an organisation. Off, by invitation or by "
        "`flask user create` alone.",
    ),
    Setting(
        "POORT_API_LIMIT", _whole(1, 100_000), "600", "Calls per minute with one API key under /v1/admin; past it 429."
    ),
    Setting(
        "POORT_DEMO",
        _switch,
        "off",
        "on: / explains Poort, and /demo/ is a shop with stand-ins for trackers. `make run` turns it on.",
    ),
    Setting(
        "POORT_METRICS_TOKEN",
        _token,
        "",
        "A token that may read /metrics from elsewhere (Authorization: Bearer ...), at least 16 characters. "
        "Without it only the machine itself may.",
        secret=True,
    ),
    Setting(
        "POORT_WEBHOOK_PRIVATE",
        _switch,
        "off",
        "on: webhooks may go to addresses of this machine and of private networks too. Off, to public addresses alone.",
    ),
    Setting(
        "POORT_SCAN_BROWSER",
        _text,
        "",
        "The program of the browser that looks at sites, as a path or a name. Default: the Chromium or Chrome that is "
        "installed.",
    ),
    Setting(
        "POORT_SCAN_PRIVATE",
        _switch,
        "off",
        "on: scans may go to addresses of this machine and of private networks too, on any port; for an install of "
        "which all owners may see what is there. Off, to public addresses alone.",
    ),
    Setting(
        "POORT_SCAN_UNSANDBOXED",
        _switch,
        "off",
        "on: the browser looks at sites without its sandbox where the system gives it none. "
        "Off, it does not look then.",
    ),
    Setting(
        "POORT_MAIL_URL",
        _mail_server,
        "",
        "The SMTP server for mails to owners: smtp://user:password@host:587?starttls or "
        "smtps://user:password@host:465. Without it mails wait.",
        secret=True,
    ),
    Setting(
        "POORT_MAIL_FROM",
        _sender,
        "",
        "Whom mails come from, such as Poort <poort@shop.example>. Needed with POORT_MAIL_URL.",
    ),
    Setting(
        "POORT_JOBS",
        _switch,
        "off",
        "on: the server itself does the jobs, in one process beside its workers; for an install on one machine. "
        "Off: a timer or `flask jobs run --loop` does them.",
    ),
    Setting(
        "POORT_BACKUP_DIR",
        _folder,
        "",
        "The folder of the backups and of the list of erasures; best on another disk. With POORT_BACKUP_KEYS a backup "
        "is made every day.",
    ),
    Setting(
        "POORT_BACKUP_KEYS",
        _keys,
        "",
        "Keys that encrypt backups, comma-separated, newest first. The first encrypts, all decrypt. Keep a copy where "
        "no backup is: without them a backup is worth nothing.",
        secret=True,
    ),
    Setting(
        "POORT_BACKUP_KEEP",
        _whole(1, 395),
        "30",
        "Days that a backup is kept; what a visitor had erased is in older ones until they are deleted.",
    ),
    Setting(
        "POORT_LOG_LEVEL",
        _choice("debug", "info", "warning", "error"),
        "info",
        "How much is logged: debug, info, warning or error.",
    ),
    Setting(
        "POORT_ACCESS_LOG",
        _switch,
        "off",
        "on: a JSON line for every answer with its route, status and time; no address, no path, nobody.",
    ),
    Setting(
        "POORT_REQUEST_SECONDS",
        _whole(1, 600),
        "10",
        "Seconds that the head of a request may take to arrive, and then its body, at the ASGI door; past it 408.",
    ),
    Setting("PORT", _whole(1, 65535), "8000", "The port on 127.0.0.1 that the server binds."),
    Setting("WEB_CONCURRENCY", _whole(1, 64), "2", "Worker processes."),
    Setting(
        "POORT_THREADS",
        _whole(1, 256),
        "16",
        "Threads in each worker: for every request of the WSGI door, and for the pages of people behind the ASGI door.",
    ),
    Setting(
        "POORT_CONNECTIONS",
        _whole(1, 100_000),
        "4000",
        "Connections that a worker of the ASGI door keeps open at once; past it 503.",
    ),
    Setting(
        "POORT_GRACE",
        _whole(1, 600),
        "30",
        "Seconds that a worker has to finish what it is doing at a reload (HUP) or a stop (TERM).",
    ),
    Setting(
        "POORT_KEEPALIVE",
        _whole(1, 600),
        "75",
        "Seconds that an unused connection stays open; longer than the proxy in front keeps its own.",
    ),
)


@dataclass(frozen=True)
class Settings:
    """The settings, parsed. Field names are the settings' names in lower case without `POORT_`."""

    database_url: str
    secret_keys: tuple[str, ...]
    public_url: str
    proxies: int
    record_limit: int
    flood: int
    shown_rate: int
    queue: int
    login_limit: int
    sign_up: bool
    api_limit: int
    demo: bool
    metrics_token: str
    webhook_private: bool
    scan_browser: str
    scan_private: bool
    scan_unsandboxed: bool
    mail_url: MailServer | None
    mail_from: str
    jobs: bool
    backup_dir: str
    backup_keys: tuple[str, ...]
    backup_keep: int
    log_level: str
    access_log: bool
    request_seconds: int
    port: int
    web_concurrency: int
    threads: int
    connections: int
    grace: int
    keepalive: int


def _given(setting: Setting, environ: Mapping[str, str]) -> str | None:
    if environ.get(setting.name, "").strip():
        return environ[setting.name]
    file = environ.get(f"{setting.name}_FILE", "").strip() if setting.secret else ""
    if not file:
        return None
    try:
        return Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{setting.name}_FILE can not be read: {error.strerror}.") from error
    except ValueError as error:
        raise ConfigError(f"{setting.name}_FILE is not a text file.") from error


def parse(setting: Setting, environ: Mapping[str, str]) -> Any:
    """The value of one setting; raises ConfigError with a sentence that names it."""
    value = _given(setting, environ)
    if value is None and setting.default is None:
        raise ConfigError(f"{setting.name} is missing. {setting.help}")
    if value is None and not setting.default:
        return ""
    try:
        return setting.parse(value if value is not None else str(setting.default))
    except ValueError as error:
        raise ConfigError(f"{setting.name} {error}.") from error


def load(environ: Mapping[str, str]) -> Settings:
    """Every setting from `environ`; raises ConfigError for the first that can not be used."""
    values = {setting.key: parse(setting, environ) for setting in SETTINGS}
    values["public_url"] = values["public_url"] or f"http://127.0.0.1:{values['port']}"
    values["mail_url"] = values["mail_url"] or None
    if values["mail_url"] and not values["mail_from"]:
        raise ConfigError("POORT_MAIL_FROM is missing; mails need an address that they come from.")
    values["backup_keys"] = values["backup_keys"] or ()
    if set(values["backup_keys"]) & set(values["secret_keys"]):  # who has the one has not yet the other
        raise ConfigError("POORT_BACKUP_KEYS holds a key of POORT_SECRET_KEYS; a backup needs keys of its own.")
    return Settings(**values)
