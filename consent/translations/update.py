"""python -m consent.translations.update: bring nl/LC_MESSAGES up to date with the texts in the code and compile it.

English is what the code says. Afterwards translate the entries of messages.po that are empty, and run it again.
flask_security.po holds what Flask-Security says here and its own Dutch says otherwise or not at all.
"""

import io
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

HERE = Path(__file__).resolve().parent
DUTCH = HERE / "nl" / "LC_MESSAGES"
DOMAINS = ("messages", "flask_security")

_SAME = datetime(2026, 11, 22, tzinfo=UTC)
_METHODS = [("templates/**.html", "jinja2"), ("**.py", "python")]
_KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "mark": None}


def said() -> Catalog:
    """Every text in the code and the templates that is to be translated."""
    catalog = Catalog(locale="nl", project="Poort", charset="utf-8")
    for _, _, text, _, _ in extract_from_dir(str(HERE.parent), _METHODS, keywords=_KEYWORDS):
        catalog.add(text)
    return catalog


def translated(domain: str) -> Catalog:
    """The Dutch of a domain."""
    return read_po(io.BytesIO((DUTCH / f"{domain}.po").read_bytes()), locale="nl", domain=domain)


def compiled(domain: str) -> bytes:
    """The Dutch of a domain as gettext reads it."""
    out = io.BytesIO()
    write_mo(out, translated(domain))
    return out.getvalue()


def update() -> None:
    """Write messages.po, sorted so that two who add a text rarely meet, and both compiled files."""
    catalog = translated("messages")
    catalog.update(said(), no_fuzzy_matching=True)
    catalog.header_comment = "# The Dutch of Poort's pages; see consent/translations/update.py."
    catalog.creation_date = catalog.revision_date = _SAME  # otherwise every update changes both files
    out = io.BytesIO()
    write_po(out, catalog, sort_output=True, ignore_obsolete=True, no_location=True, width=118)
    (DUTCH / "messages.po").write_bytes(out.getvalue())
    for domain in DOMAINS:
        (DUTCH / f"{domain}.mo").write_bytes(compiled(domain))


if __name__ == "__main__":
    update()
