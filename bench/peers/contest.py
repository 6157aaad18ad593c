"""c15t's part of the table. It has two servers with a database each, one of them for the consents that are recorded.

It looks consents up without an index, so that its check is the slower the more there are. What is left of it then is
asked at the end.
"""

from contextlib import ExitStack

from bench.contest import Entry
from bench.load import Round
from bench.peers.c15t import SUBJECTS, c15t, installed
from tests.servers import Postgres


class Contender:
    """Two servers of c15t, and what to ask of them beside the same of Poort."""

    def __init__(self, stack: ExitStack, cluster: Postgres, only: set[str], processes: int) -> None:
        print(f"c15t is in {installed()}")
        reading, self._writing = (stack.enter_context(c15t(cluster.empty(), processes)) for _ in range(2))
        named = {"script": ("init", reading.loads["first call"]), "gate": ("check", reading.loads["check"]),
                 "record": ("record, PostgreSQL", self._writing.loads["record"])}
        self.entries = [Entry(f"c15t: {name}", load) for key, (name, load) in named.items() if key in only]

    def check(self, rounds: dict[str, list[Round]]) -> None:
        """Every acknowledged consent is a row, of a subject of its own."""
        rows, known = self._writing.recorded()
        acknowledged = sum(one.requests - one.refused for one in rounds["c15t: record, PostgreSQL"])
        print(f"c15t: {rows:,} rows of {known:,} subjects; {acknowledged:,} acknowledged in the counted rounds")
        if rows != known or rows < acknowledged + SUBJECTS:
            raise SystemExit("c15t: WRONG: something acknowledged is not stored once")
        crowded = self._writing.loads["check"].run(5)
        print(f"c15t: check with these rows in its tables: {crowded.rate:,.0f} requests/s")
