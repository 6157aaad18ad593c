"""What records counted that are gone, so that the counts can be made again from the records that are left.

Records that went before this are not to be counted again either: what was counted and has no record any more is taken
for theirs. A migration that has landed is never edited: so nothing here is imported from the application.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

COUNTERS = ("shown", "accept_all", "necessary_only", "custom", "functional", "analytics", "marketing")
CATEGORIES = COUNTERS[4:]
KEY = "site, day, bot, metric, value"

# By dialect: the day in UTC of a moment, a choice, the elements of what a restriction took off (day, bot, metric, value
# and n; those of parts of the traffic have a name in the place of `bot`), and an element's parts.
WORDS = {
    "sqlite": {
        "utc": "date(recorded_at / 1000000, 'unixepoch')",
        "choice": "json_extract(choices, '$.{}')",
        "each": "json_each(restriction.tallies)",
        "is_total": "json_type(value, '$[1]') IN ('true', 'false')",
        "parts": "json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), "
                 "json_extract(value, '$[3]'), json_extract(value, '$[4]')",
    },
    "postgresql": {
        "utc": "(to_timestamp(recorded_at / 1000000) AT TIME ZONE 'UTC')::date",
        "choice": "(choices->>'{}')::boolean",
        "each": "json_array_elements(restriction.tallies)",
        "is_total": "json_typeof(value->1) = 'boolean'",
        "parts": "(value->>0)::date, (value->>1)::boolean, value->>2, value->>3, (value->>4)::bigint",
    },
}

FILL = """
INSERT INTO gone_count ({key}, n)
SELECT {key}, sum(n) FROM (
    SELECT {key}, n FROM daily_count
    WHERE metric IN ('answered', 'granted', 'changed', 'imported', 'withdrawn', 'recovered')
    UNION ALL
    SELECT site, coalesce(counted_on, {utc}), bot,
           CASE WHEN source = 'recovered' THEN 'recovered' WHEN action = 'withdraw' THEN 'withdrawn'
                WHEN source = 'import' THEN 'imported' WHEN source = 'banner' THEN 'answered' ELSE 'changed' END,
           CASE WHEN action = 'withdraw' AND source <> 'recovered' THEN '' ELSE action END, -count(*)
    FROM record GROUP BY 1, 2, 3, 4, 5
    {granted}
    UNION ALL
    SELECT site, {parts} FROM restriction, {each} WHERE {is_total}
) AS counted GROUP BY {key} HAVING sum(n) > 0
"""
GRANTED = """
    UNION ALL
    SELECT site, coalesce(counted_on, {utc}), bot, 'granted', '{name}', -count(*) FROM record
    WHERE source = 'banner' AND action <> 'withdraw' AND {choice} GROUP BY 1, 2, 3
"""


def upgrade() -> None:
    op.create_table(
        "gone_count",
        sa.Column("site", sa.String(63), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("bot", sa.Boolean(), nullable=False),
        sa.Column("metric", sa.String(16), nullable=False),
        sa.Column("value", sa.String(64), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("site", "day", "bot", "metric", "value", name="pk_gone_count"),
    )
    op.create_table(
        "gone_slice",
        sa.Column("site", sa.String(63), nullable=False),
        sa.Column("dimension", sa.String(16), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("bucket", sa.String(80), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in COUNTERS),
        sa.PrimaryKeyConstraint("site", "dimension", "day", "bucket", name="pk_gone_slice"),
    )
    words = WORDS[op.get_bind().dialect.name]
    granted = "".join(
        GRANTED.format(utc=words["utc"], name=name, choice=words["choice"].format(name)) for name in CATEGORIES)
    op.execute(FILL.format(key=KEY, granted=granted, **words))


def downgrade() -> None:
    op.drop_table("gone_slice")
    op.drop_table("gone_count")
