"""Views for a BI tool on PostgreSQL: days, parts of the traffic, and what each tracker sees. docs/reports.md has them.

A migration that has landed is never edited: so nothing here is imported from the application.
"""

from alembic import op

revision = "0014"
down_revision = "0013"

ANSWERS = "('accept_all', 'necessary_only', 'custom')"

# What was answered was shown, by site and day, as in the reports.
DAY = f"""
CREATE VIEW report_day AS
SELECT site, day, greatest(shown, answered) AS shown, answered, greatest(shown - answered, 0) AS ignored, accept_all,
       necessary_only, custom, functional, analytics, marketing, again, visits, changed, withdrawn, expired, failed,
       bots_shown, bots_answered, suspect_shown, suspect_answered
FROM (
    SELECT site, day,
           coalesce(sum(n) FILTER (WHERE NOT bot AND metric = 'shown'), 0)::bigint AS shown,
           coalesce(sum(n) FILTER (WHERE NOT bot AND metric = 'answered'), 0)::bigint AS answered,
           coalesce(sum(n) FILTER (WHERE NOT bot AND metric = 'answered' AND value = 'accept_all'), 0)::bigint
               AS accept_all,
           coalesce(sum(n) FILTER (WHERE NOT bot AND metric = 'answered' AND value = 'necessary_only'), 0)::bigint
               AS necessary_only,
           coalesce(sum(n) FILTER (WHERE NOT bot AND metric = 'answered' AND value = 'custom'), 0)::bigint AS custom,
           coalesce(sum(n) FILTER (WHERE NOT bot AND metric = 'granted' AND value = 'functional'), 0)::bigint
               AS functional,
           coalesce(sum(n) FILTER (WHERE NOT bot AND metric = 'granted' AND value = 'analytics'), 0)::bigint
               AS analytics,
           coalesce(sum(n) FILTER (WHERE NOT bot AND metric = 'granted' AND value = 'marketing'), 0)::bigint
               AS marketing,
           coalesce(sum(n) FILTER (WHERE NOT bot AND metric = 'again'), 0)::bigint AS again,
           coalesce(sum(n) FILTER (WHERE NOT bot AND metric = 'visit'), 0)::bigint AS visits,
           coalesce(sum(n) FILTER (WHERE NOT bot AND metric = 'changed'), 0)::bigint AS changed,
           coalesce(sum(n) FILTER (WHERE NOT bot AND metric = 'withdrawn'), 0)::bigint AS withdrawn,
           coalesce(sum(n) FILTER (WHERE NOT bot AND metric = 'expired'), 0)::bigint AS expired,
           coalesce(sum(n) FILTER (WHERE metric = 'failed'), 0)::bigint AS failed,
           coalesce(sum(n) FILTER (WHERE bot AND metric = 'shown'), 0)::bigint AS bots_shown,
           coalesce(sum(n) FILTER (WHERE bot AND metric = 'answered'), 0)::bigint AS bots_answered,
           coalesce(sum(n) FILTER (WHERE metric = 'suspect' AND value = 'shown'), 0)::bigint AS suspect_shown,
           coalesce(sum(n) FILTER (WHERE metric = 'suspect' AND value IN {ANSWERS}), 0)::bigint AS suspect_answered
    FROM daily_count GROUP BY site, day
) AS counted
"""

# A part of a day that is smaller than ten is under one name with the other small ones.
PART = """
CREATE VIEW report_part AS
SELECT site, day, dimension, bucket, sum(shown)::bigint AS shown, sum(accept_all)::bigint AS accept_all,
       sum(necessary_only)::bigint AS necessary_only, sum(custom)::bigint AS custom,
       sum(functional)::bigint AS functional, sum(analytics)::bigint AS analytics, sum(marketing)::bigint AS marketing
FROM (
    SELECT site, day, dimension, CASE WHEN greatest(shown, accept_all + necessary_only + custom) < 10
               THEN 'fewer than ten' ELSE bucket END AS bucket,
           greatest(shown, accept_all + necessary_only + custom) AS shown, accept_all, necessary_only, custom,
           functional, analytics, marketing
    FROM daily_slice
    WHERE dimension IN ('device', 'browser', 'system', 'language', 'page_group', 'version', 'gpc', 'variant', 'took',
                        'source')
) AS counted GROUP BY site, day, dimension, bucket
"""

# Showings with a version that has the tracker, and those whose answer let it load. An exempt one always may.
TRACKER = """
CREATE VIEW report_tracker AS
SELECT shown.site, shown.day, tracker ->> 'id' AS tracker, tracker ->> 'category' AS category,
       sum(greatest(shown.shown, shown.accept_all + shown.necessary_only + shown.custom))::bigint AS shown,
       sum(CASE WHEN tracker ->> 'category' = 'necessary' OR (tracker ->> 'exempt')::boolean
           THEN greatest(shown.shown, shown.accept_all + shown.necessary_only + shown.custom)
           ELSE granted.n + coalesce(plus.custom - plus.n, 0) - coalesce(minus.n, 0) END)::bigint AS allowed
FROM daily_slice AS shown
JOIN version ON version.site = shown.site AND version.number::text = shown.bucket
CROSS JOIN LATERAL json_array_elements(version.snapshot::json -> 'trackers') AS tracker
CROSS JOIN LATERAL (SELECT CASE tracker ->> 'category' WHEN 'functional' THEN shown.functional
    WHEN 'analytics' THEN shown.analytics WHEN 'marketing' THEN shown.marketing ELSE 0 END AS n) AS granted
LEFT JOIN LATERAL (SELECT own.custom, CASE tracker ->> 'category' WHEN 'functional' THEN own.functional
    WHEN 'analytics' THEN own.analytics ELSE own.marketing END AS n FROM daily_slice AS own
    WHERE own.site = shown.site AND own.day = shown.day AND own.dimension = 'on'
    AND own.bucket = shown.bucket || ':' || (tracker ->> 'id')) AS plus ON true
LEFT JOIN LATERAL (SELECT CASE tracker ->> 'category' WHEN 'functional' THEN own.functional
    WHEN 'analytics' THEN own.analytics ELSE own.marketing END AS n FROM daily_slice AS own
    WHERE own.site = shown.site AND own.day = shown.day AND own.dimension = 'off'
    AND own.bucket = shown.bucket || ':' || (tracker ->> 'id')) AS minus ON true
WHERE shown.dimension = 'version'
GROUP BY shown.site, shown.day, tracker ->> 'id', tracker ->> 'category'
"""


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for view in (DAY, PART, TRACKER):
            op.execute(view)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for view in ("report_tracker", "report_part", "report_day"):
            op.execute(f"DROP VIEW {view}")
