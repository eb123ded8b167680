-- title: Slow stages, for whom, since when
-- says: each stage's 95th percentile by day and user, the slowest first, and since when it was half as slow at least
-- Reads events and not the view `latency`, so that only events of the time asked for are grouped (half the time).
WITH handlings AS (
    SELECT tenant, run, turn, stage, max(queue_ms) AS queue_ms, max(work_ms) AS work_ms
    FROM events
    WHERE cause IS NOT NULL AND work_ms IS NOT NULL AND type <> 'invalid'
      AND run = $run AND time >= $since::TIMESTAMPTZ AND time < $until::TIMESTAMPTZ
      AND ($conversation IS NULL OR conversation = $conversation::UUID)
    GROUP BY tenant, run, turn, stage, cause
), asked AS (
    SELECT tenant, run, turn, "user", (time AT TIME ZONE $zone)::DATE AS day
    FROM events
    WHERE type IN ('TextTurnOpened', 'SpeechTurnOpened')
      AND run = $run AND time >= $since::TIMESTAMPTZ AND time < $until::TIMESTAMPTZ
      AND ($conversation IS NULL OR conversation = $conversation::UUID)
), by_day AS (
    SELECT
        stage, "user", day, count(*) AS handled,
        round(quantile_cont(queue_ms, 0.95), 1) AS waited,
        round(quantile_cont(work_ms, 0.95), 1) AS worked
    FROM handlings JOIN asked USING (tenant, run, turn)
    GROUP BY ALL
)
SELECT
    stage, "user",
    arg_max(day, took)::VARCHAR AS worst_day,
    arg_max(waited, took) AS queue_p95_ms,
    arg_max(worked, took) AS work_p95_ms,
    (min(day) FILTER (WHERE 2 * took >= worst))::VARCHAR AS first_day,
    sum(handled)::BIGINT AS handled
FROM (SELECT *, waited + worked AS took, max(waited + worked) OVER (PARTITION BY stage, "user") AS worst FROM by_day)
GROUP BY stage, "user"
ORDER BY max(took) DESC, stage, "user"
LIMIT 50
