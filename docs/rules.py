"""Makes docs/rules.md from the rules of the publish check: `python -m docs.rules`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from consent.linter import Rule, all_rules

PAGE: Final = Path(__file__).parent / "rules.md"

HEAD: Final = """# The rules of the publish check

Before a draft is published, Poort holds it against the rules below: what the law and the regulators ask, as far as \
a site's definition can break it. The console shows what is found, and so do [`flask site \
check`](reference.md#commands), `flask site apply` and `flask site publish`.

- A **hard** finding breaks what the law demands. It is not published, by no way.
- A **soft** finding is against a regulator's advice, or looks like a fault that only you can judge. The console \
and the API ask for a reason, and the version keeps it; visitors do not see it. On the command line it is a \
warning, and `--reason 'F5=The two are separate sites.'` keeps a reason.
- What Poort **keeps** by itself no definition can break.

The check reads the definition alone. What really loads on your pages, it can not see. It is an engineer's reading \
of the law, and no legal advice. In an owner's own CI:

```
flask site check site.json --strict
```

It ends with status 0 when nothing was found, 1 for a hard finding (with `--strict` also for a soft one without a \
`--reason`), 2 for what can not be read; `--format json` is for programs.

This page is made from `consent/rules.toml`; `python -m docs.rules` writes it anew.
"""


def page() -> str:
    """The whole page."""
    rules = list(all_rules().values())
    rows = [f"| [{rule.id}](#{rule.id.lower()}) | {rule.name['en']} | {_kinds(rule)} |" for rule in rules]
    table = ["| rule | what it asks | findings |", "|---|---|---|", *rows]
    return "\n".join([HEAD, *table, "", *(line for rule in rules for line in _section(rule))])


def _kinds(rule: Rule) -> str:
    kinds = {"hard" if case["hard"] else "soft" for case in rule.cases.values()}
    return ", ".join(sorted(kinds)) or "kept by Poort"


def _section(rule: Rule) -> Iterator[str]:
    yield f'<a id="{rule.id.lower()}"></a>'
    yield ""
    yield f"## {rule.id}: {rule.name['en']}"
    yield rule.why["en"]
    yield f"*{rule.source}*"
    yield ""
    if rule.kept:
        yield f"Kept by Poort: {rule.kept['en']}"
        yield ""
    for case in rule.cases.values():
        said = {name: case[name]["en"].replace("{{", "{").replace("}}", "}") for name in ("what", "mend")}
        yield f"- **{'hard' if case['hard'] else 'soft'}**: {said['what']} {said['mend']}"
    yield ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
