"""Jobs over many rows, a batch at a time: no transaction holds the lock for long, no job keeps the others waiting."""

import time
from collections.abc import Callable

from sqlalchemy import ColumnElement, Table, delete, select, tuple_
from sqlalchemy.engine import Connection

MOST = 500  # rows in a transaction: 5,000 held the lock for 1.5 s, and decisions waited
GO = 10.0  # seconds of a job, then others have their turn


class More(str):
    """What a job says that stopped before its end: it wants to go on at the next look."""

    __slots__ = ()


class Go:
    """The time that a job has in one go."""

    def __init__(self) -> None:
        self._until = time.monotonic() + GO

    @property
    def is_over(self) -> bool:
        """Whether it is time to stop."""
        return time.monotonic() > self._until

    def said(self, text: str) -> str:
        """What the job says in the end, or when its time is over."""
        return More(f"{text}; goes on") if self.is_over else text

    def until_done(self, batch: Callable[[], int]) -> int:
        """Call `batch` until it finds nothing or the time is over; the sum of what it returned."""
        done = 0
        while not self.is_over and (found := batch()):
            done += found
        return done


def delete_some(connection: Connection, table: Table, condition: ColumnElement[bool], most: int = MOST) -> int:
    """Delete some of the rows that the condition is true of; how many."""
    key = list(table.primary_key.columns)
    some = select(*key).where(condition).limit(most)
    return int(connection.execute(delete(table).where(tuple_(*key).in_(some))).rowcount)
