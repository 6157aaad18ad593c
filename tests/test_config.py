"""The settings table: strict parsing, one sentence that names the setting, secrets from files."""

from pathlib import Path
from typing import Any

import pysqlite3
import pytest

from consent.config import SETTINGS, ConfigError, load
from consent.db import refuse_unsound_sqlite, sqlite_is_sound

KEY = "0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c"

BAD = [
    ("POORT_SECRET_KEYS", "", "is missing"),
    ("POORT_SECRET_KEYS", " , ", "holds no key"),
    ("POORT_SECRET_KEYS", "short", "too short"),
    ("POORT_SECRET_KEYS", f"{KEY},short", "too short"),
    ("POORT_SECRET_KEYS", "change-me-change-me-change-me-change-me", "stand-in"),
    ("POORT_SECRET_KEYS", "your-secret-key-goes-here-0123456789", "stand-in"),
    ("POORT_DATABASE_URL", "mysql://x", "must start with"),
    ("POORT_PUBLIC_URL", "consent.shop.example", "an address"),
    ("POORT_PUBLIC_URL", "https://consent.shop.example/path", "an address"),
    ("POORT_PROXIES", "-1", "whole number"),
    ("POORT_PROXIES", "one", "whole number"),
    ("PORT", "99999", "whole number"),
    ("WEB_CONCURRENCY", "0", "whole number"),
    ("POORT_LOG_LEVEL", "loud", "must be one of"),
    ("POORT_DEMO", "maybe", "must be one of"),
    ("POORT_MAIL_URL", "mail.shop.example", "must look like"),
    ("POORT_MAIL_URL", "https://mail.shop.example", "must look like"),
    ("POORT_MAIL_URL", "smtp://mail.shop.example:99999", "must look like"),
    ("POORT_MAIL_URL", f"smtps://poort:{KEY}@mail.shop.example?tls=no", "must look like"),
    ("POORT_MAIL_URL", f"smtp://poort:{KEY}@mail.shop.example", "in the clear"),
    ("POORT_MAIL_URL", f"smtps://poort:{KEY}@mail.shop.example?starttls", "leave ?starttls out"),
    ("POORT_MAIL_URL", "smtps://poort@mail.shop.example", "a user and a password"),
    ("POORT_MAIL_FROM", "Poort", "an e-mail address"),
    ("POORT_MAIL_FROM", "poort@shop.example\nBcc: x@y.example", "an e-mail address"),
]


@pytest.mark.parametrize(("name", "value", "words"), BAD)
def test_a_bad_value_stops_the_start_and_names_itself(name: str, value: str, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load({"POORT_SECRET_KEYS": KEY, name: value})
    sentence = str(refused.value)
    assert sentence.startswith(name)
    assert words in sentence
    assert "\n" not in sentence
    assert KEY not in sentence, "a secret is never printed"


def test_the_least_that_is_needed_is_a_key() -> None:
    settings = load({"POORT_SECRET_KEYS": KEY})
    assert settings.secret_keys == (KEY,)
    assert settings.public_url == "http://127.0.0.1:8000"
    assert settings.database_url.startswith("sqlite:///")


def test_a_secret_can_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"{KEY}-new\n{KEY}-old\n")
    assert load({"POORT_SECRET_KEYS_FILE": str(file)}).secret_keys == (f"{KEY}-new", f"{KEY}-old")
    with pytest.raises(ConfigError, match="POORT_SECRET_KEYS_FILE can not be read"):
        load({"POORT_SECRET_KEYS_FILE": str(tmp_path / "none")})


@pytest.mark.parametrize(("url", "server"), [
    ("smtp://mail.shop.example", ("mail.shop.example", 25, "", "", False, False)),
    ("smtp://mail.shop.example?starttls", ("mail.shop.example", 587, "", "", False, True)),
    ("smtps://me%40shop:p%2Fw@mail.shop.example", ("mail.shop.example", 465, "me@shop", "p/w", True, False)),
    ("smtp://me:pw@127.0.0.1:1025", ("127.0.0.1", 1025, "me", "pw", False, False)),
])
def test_the_mail_server_is_an_address(url: str, server: tuple[Any, ...], tmp_path: Path) -> None:
    file = tmp_path / "mail"
    file.write_text(f"{url}\n")
    given = {"POORT_SECRET_KEYS": KEY, "POORT_MAIL_URL_FILE": str(file)}
    assert load({**given, "POORT_MAIL_FROM": "Poort <poort@shop.example>"}).mail_url == server
    with pytest.raises(ConfigError, match="POORT_MAIL_FROM is missing"):
        load(given)


def test_without_a_mail_server_there_is_none() -> None:
    assert load({"POORT_SECRET_KEYS": KEY}).mail_url is None


@pytest.mark.parametrize("given", ["postgres://u:p@h/d", "postgresql://u:p@h/d", "postgresql+psycopg://u:p@h/d"])
def test_postgresql_means_psycopg_3(given: str) -> None:
    settings = load({"POORT_SECRET_KEYS": KEY, "POORT_DATABASE_URL": given})
    assert settings.database_url == "postgresql+psycopg://u:p@h/d"


def test_every_setting_says_what_it_is() -> None:
    for setting in SETTINGS:
        assert len(setting.help.split()) >= 2
        assert setting.help.endswith(".")


@pytest.mark.parametrize(
    ("version", "sound"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 52, 0), True),
        ((3, 53, 4), True),
        ((4, 0, 0), True),
    ],
)
def test_a_sqlite_with_the_wal_reset_fault_is_refused(version: tuple[int, int, int], sound: bool) -> None:
    """reliability: an affected library lost acknowledged commits."""
    assert sqlite_is_sound(version) is sound
    if sound:
        refuse_unsound_sqlite(version)
    else:
        with pytest.raises(ConfigError, match="can corrupt a database in WAL mode"):
            refuse_unsound_sqlite(version)


def test_the_sqlite_that_is_installed_is_sound() -> None:
    assert sqlite_is_sound(pysqlite3.sqlite_version_info)
