"""What records that are gone had counted: so that the counts can be made again from the records that are left.

Records go by erasure and by retention, their counts stay (G5). What they counted is added here in the commit that takes
them away, by site and day, whoever they were of. It tells nothing that the database does not tell without it: it is the
daily counts, less what the records count that are still there; and both of these are kept.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Table
from sqlalchemy.engine import Connection

from consent import counts
from consent.db import add_up, db

# With the columns of the counts, whatever these become.
GONE_COUNT: Table = counts.DailyCount.__table__.to_metadata(db.metadata, name="gone_count")
GONE_SLICE: Table = counts.DailySlice.__table__.to_metadata(db.metadata, name="gone_slice")


def keep(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add what these records counted, whole rows of them; in the transaction that deletes them."""
    totals, slices = counts.rows(Counter(one for row in rows for one in counts.of_record(row)))
    add_up(connection, GONE_COUNT, totals)
    add_up(connection, GONE_SLICE, slices)
