"""Watches the traffic of one process: judges each call (quality.py) and has what it doubts later counted apart."""

from collections.abc import Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Any

from consent import quality, suspects
from consent.answers import Call
from consent.writer import BATCH, GroupCommit, Overloaded, Stored


class Watch:
    """What the hot calls ask about quality. `limit`: POORT_FLOOD."""

    def __init__(self, writer: GroupCommit, limit: int) -> None:
        self._writer = writer
        self._traffic = quality.Traffic(limit)

    def judge(self, call: Call, said: dict[str, Any], now: datetime) -> quality.Seen:
        """What to think of a decision or an event. Bots are apart already, and servers are no visitors."""
        if said["bot"] or said["source"] not in quality.FROM_BROWSERS:
            return quality.Seen(said["site"], None, False)
        return self._traffic.judge(said["site"], call.address, said["browser"], call.header("origin"), now.timestamp())

    def note(self, seen: quality.Seen, kind: str, things: Sequence[Any], now: float) -> None:
        """Remember what was counted: ids of records, or tuples of tallies. What is in doubt by now is counted apart."""
        for each, found in self._traffic.note(seen, kind, things, now).items():
            for start in range(0, len(found), BATCH):
                self._doubt(seen, each, found[start:start + BATCH])

    def _doubt(self, seen: quality.Seen, kind: str, part: list[Any]) -> None:
        def unless(done: "Future[Stored | None]") -> None:
            if done.exception() is not None:  # once more, with the network's next call
                self._traffic.put_back(seen, kind, part)

        try:
            if kind == quality.ANSWER:
                done = self._writer.doubt(seen.site, ids=part)
            else:
                done = self._writer.doubt(seen.site, changes=suspects.moved(map(list, part)))
            done.add_done_callback(unless)
        except Overloaded:
            self._traffic.put_back(seen, kind, part)
