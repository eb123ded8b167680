-- title: Overview
-- says: how many turns there were, how they ended, how long they took, and what people thought of them
-- `refused` are those of the failed ones that were never opened; they took no time that could be measured. Who sent one
-- that could not be read stands there as 'unknown', and is not counted among the users.
WITH asked AS (
    SELECT * FROM turns
    WHERE run = $run
      AND coalesce(opened_at, ended_at) >= $since::TIMESTAMPTZ AND coalesce(opened_at, ended_at) < $until::TIMESTAMPTZ
      AND ($conversation IS NULL OR conversation = $conversation::UUID)
), judged AS (
    SELECT count(*) FILTER (WHERE rating = 'up') AS up, count(*) FILTER (WHERE rating = 'down') AS down
    FROM feedback WHERE turn IN (SELECT turn FROM asked)
)
SELECT
    count(*) AS turns,
    count(DISTINCT conversation) AS conversations,
    count(DISTINCT "user") FILTER (WHERE opened_at IS NOT NULL OR "user" <> 'unknown') AS users,
    count(*) FILTER (WHERE kind = 'speech') AS spoken,
    count(*) FILTER (WHERE status = 'completed') AS completed,
    count(*) FILTER (WHERE status = 'failed') AS failed,
    count(*) FILTER (WHERE status = 'failed' AND opened_at IS NULL) AS refused,
    count(*) FILTER (WHERE status = 'interrupted') AS interrupted,
    count(*) FILTER (WHERE status = 'open') AS open,
    round(quantile_cont(total_ms, 0.5)) AS p50_ms,
    round(quantile_cont(total_ms, 0.95)) AS p95_ms,
    (SELECT up FROM judged) AS up,
    (SELECT down FROM judged) AS down
FROM asked
HAVING count(*) > 0
