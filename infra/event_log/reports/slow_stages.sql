-- title: Slow stages, for whom, since when
-- says: each stage's 95th percentile by day and user, the slowest first; first_day is since when it was half as slow at least
WITH by_day AS (
    SELECT
        l.stage, t."user", l.time::DATE AS day, count(*) AS handled,
        round(quantile_cont(l.queue_ms, 0.95), 1) AS waited,
        round(quantile_cont(l.work_ms, 0.95), 1) AS worked
    FROM latency AS l JOIN turns AS t USING (tenant, run, turn)
    WHERE l.run = $run AND l.time >= $since::TIMESTAMPTZ
      AND ($conversation IS NULL OR l.conversation = $conversation::UUID)
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
