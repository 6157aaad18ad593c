"""`flask site check FILE|KEY`: what of a definition breaks a rule; for an owner, and for the owner's own CI.

Exit status 1 for a hard finding, with --strict for a soft one too; 2 for what can not be read.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
from flask.cli import with_appcontext
from sqlalchemy.exc import SQLAlchemyError

from consent import linter, records, sites
from consent.linter import Finding
from consent.shapes import LANGUAGES

Checked = tuple[str, list[Finding]]  # a site's key, and what was found

WORDS: Final = {
    "nl": {"hard": "HARD", "soft": "zacht", "why": "Waarom", "mend": "Herstel", "none": "niets gevonden"},
    "en": {"hard": "HARD", "soft": "soft", "why": "Why", "mend": "Mend", "none": "nothing found"},
}


class Unreadable(click.ClickException):
    """What can not be checked, which is neither right nor wrong."""

    exit_code = 2


class Reason(click.ParamType[tuple[str, str]]):
    """`F5=...` for all findings of a rule, `F5:cookie_domain=...` for one of them."""

    name = "RULE=TEXT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """The rule, perhaps with a path, and the reason."""
        if isinstance(value, tuple):
            return value
        key, _, text = str(value).partition("=")
        if len(text) > linter.LONGEST_REASON:
            self.fail(f"a reason has {linter.LONGEST_REASON} characters at most.", param, ctx)
        if not text.strip() or key.partition(":")[0] not in linter.all_rules():
            self.fail(f"{value!r} is no rule and a reason, such as F5=\"The two are separate sites.\".", param, ctx)
        return key, text.strip()


reason_option = click.option(
    "--reason", "given", type=Reason(), multiple=True,
    help="Why a soft finding is right as it is, kept in the version; may be given more than once.",
)


def matched(findings: Iterable[Finding], given: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The reasons by the finding that each explains; what names a path goes before what names a rule alone."""
    by_key = dict(given)
    found = {finding.key: by_key.get(finding.key, by_key.get(finding.rule)) for finding in findings}
    return {key: text for key, text in found.items() if text is not None}


def warn(key: str, findings: Iterable[Finding], given: Sequence[tuple[str, str]] = ()) -> None:
    """Say on stderr what was found and not explained, a line each."""
    findings = list(findings)
    explained = matched(findings, given)
    for finding in findings:
        if finding.hard or finding.key not in explained:
            click.echo(f"Warning: {key}: {line(finding)}", err=True)


def line(finding: Finding, language: str = "en") -> str:
    """A finding in one line."""
    said = f"{finding.path}: {finding.what[language]} {finding.mend[language]} ({finding.rule})"
    return said.replace("\n", "\\n").replace("\r", "\\r")


def refusal(key: str, blocked: linter.Blocked) -> click.ClickException:
    """What breaks a rule is not published, in one line."""
    return click.ClickException(f"{key} can not be published: " + "; ".join(map(line, blocked.findings)))


@click.command("check")
@click.argument("target", metavar="FILE|KEY")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--strict", is_flag=True, help="Fail on a soft finding without a reason, too.")
@click.option("--language", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Of the table.")
@reason_option
@with_appcontext
def check_command(target: str, form: str, strict: bool, language: str, given: Sequence[tuple[str, str]]) -> None:
    """Check FILE, a site definition or a list of them, or the draft of the site KEY, against the rules of the law.

    Writes nothing; a FILE needs no database. Status 1 for what breaks a rule, 2 for what can not be read.
    """
    checked = [(key, _unexplained(findings, given)) for key, findings in _checked(target)]
    if form == "json":
        click.echo(json.dumps({"sites": [_as_json(*each) for each in checked]}, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(text for each in checked for text in _table(*each, language)))
    if any(_fails(finding, strict) for _, findings in checked for finding in findings):
        raise click.exceptions.Exit(1)


def _unexplained(findings: Sequence[Finding], given: Sequence[tuple[str, str]]) -> list[Finding]:
    explained = matched(findings, given)
    return [finding for finding in findings if finding.hard or finding.key not in explained]


def _fails(finding: Finding, strict: bool) -> bool:
    """What the definition gives a reason for itself is said, and passes."""
    return finding.hard or (strict and finding.reason is None)


def _checked(target: str) -> list[Checked]:
    file = Path(target)
    if file.is_file() or not sites.KEY.fullmatch(target):
        return [_check(file, definition) for definition in _definitions(file)]
    try:
        return [(target, linter.check(sites.site_for_key(target).draft))]
    except sites.NotFound as error:
        raise Unreadable(f"There is no file and no site {target!r}.") from error
    except SQLAlchemyError as error:
        raise Unreadable(f"The database can not be asked for the site {target!r}.") from error


def _definitions(file: Path) -> list[Any]:
    try:
        data = records.parse_json(file.read_bytes())
    except OSError as error:
        raise Unreadable(f"{file} can not be read: {error.strerror}.") from error
    except records.Refused as error:
        raise Unreadable(f"{file.name} is not JSON: {error.message.partition('; ')[2] or error.message}") from error
    definitions = data if isinstance(data, list) else [data]
    if not definitions:
        raise Unreadable(f"{file.name} holds no definition.")
    return definitions


def _check(file: Path, definition: Any) -> Checked:
    """A definition that is refused for a rule alone is checked all the same: it breaks that rule."""
    key = str(definition.get("key", "")) if isinstance(definition, dict) else ""
    try:
        return key, linter.check(sites.parse_definition(definition))
    except sites.DefinitionError as error:
        found, others = linter.refused(error.faults)
    if others:
        told = "; ".join(f"{path}: {fault}" for path, fault in others.items())
        raise Unreadable(f"{file.name} {key}: {told}".replace("\n", "\\n").replace("\r", "\\r"))
    return key, found


def _counts(findings: Sequence[Finding]) -> dict[str, int]:
    hard = sum(finding.hard for finding in findings)
    return {"hard": hard, "soft": len(findings) - hard}


def _as_json(key: str, findings: Sequence[Finding]) -> Mapping[str, Any]:
    return {"key": key, **_counts(findings), "findings": [finding.as_json() for finding in findings]}


def _table(key: str, findings: Sequence[Finding], language: str) -> Iterator[str]:
    words, counts = WORDS[language], _counts(findings)
    sums = ", ".join(f"{number} {words[kind]}" for kind, number in counts.items() if number)
    yield f"{key}: {sums or words['none']}"
    for finding in findings:
        yield f"  {words['hard' if finding.hard else 'soft']}  {finding.rule}  {finding.path}"
        yield f"        {finding.what[language]}"
        yield f"        {words['why']}: {finding.why[language]} ({finding.source})"
        yield f"        {words['mend']}: {finding.mend[language]}"
