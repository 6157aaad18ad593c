"""Decisions stored per second, validated and durable, on SQLite and PostgreSQL: `python -m bench.record`."""

import time
from contextlib import ExitStack

from bench.contest import HELLO, arguments, both_databases, compete, hello, settings, shop, show
from bench.load import Load, Round
from tests.load import counted, recounted, stored


def main() -> None:
    """Post decisions of ever other visitors; afterwards count the rows, and the daily counts against them."""
    chosen = arguments("Measure recording.")
    with ExitStack() as stack:
        urls = stack.enter_context(both_databases())
        ports = {name: stack.enter_context(shop(url, **settings(chosen))).port for name, url in urls.items()}
        yardstick = stack.enter_context(hello(**settings(chosen)))
        loads = {HELLO: Load(yardstick.port, "/")}
        loads |= {name: Load(port, "/v1/sites/shop/consents", posts=True) for name, port in ports.items()}
        rounds = compete(loads, chosen)
        show(rounds)
        time.sleep(1)
        for name, url in urls.items():
            check(name, url, rounds[name])


def check(name: str, url: str, rounds: list[Round]) -> None:
    """Every acknowledged decision is a row; those under way when a round ended may be rows too."""
    rows = stored(url)
    acknowledged = sum(one.requests - one.refused for one in rounds)
    ids = {row["id"] for row in rows}
    same = "equal" if counted(url) == recounted(rows) else "DIFFER FROM"
    print(f"{name}: {len(rows):,} rows, {len(ids):,} ids; {acknowledged:,} acknowledged in the counted rounds; "
          f"the daily counts {same} the rows")
    if len(ids) != len(rows) or acknowledged > len(rows):
        raise SystemExit(f"{name}: WRONG: something acknowledged is not stored once")


if __name__ == "__main__":
    main()
