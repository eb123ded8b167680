-- title: Slow stages, for whom, since when
-- says: since when a day's median is twice that of the days before, if it ever was otherwise
-- Reads events and not the view `latency`, so that only events of the time asked for are grouped (half the time).
-- The keeper's opening and end of a turn count as one handling with the longer times: to part them took twice the time.
-- Compares medians of days, which one outlier does not move; `before_ms` is the median of the days before the stretch.
-- `first_day` is NULL when it never was otherwise, `last_day` while it goes on. Those that go on come first.
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
        median(coalesce(queue_ms, 0) + work_ms) AS p50_ms,
        quantile_cont(coalesce(queue_ms, 0) + work_ms, 0.95) AS p95_ms,
        round(quantile_cont(queue_ms, 0.95), 1) AS queue_p95_ms,
        round(quantile_cont(work_ms, 0.95), 1) AS work_p95_ms
    FROM handlings JOIN asked USING (tenant, run, turn)
    GROUP BY ALL
), compared AS (
    SELECT
        stage, "user", day, p50_ms,
        quantile_disc(p50_ms, 0.5) OVER earlier AS before_ms,
        greatest(50, 2 * quantile_disc(p50_ms, 0.5) OVER earlier) AS slow_ms,
        lag(p50_ms) OVER earlier AS day_before_ms
    FROM by_day
    WINDOW earlier AS (PARTITION BY stage, "user" ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
), followed AS (
    SELECT
        c.stage, c."user", c.day AS first_day, c.before_ms, d.day, d.p50_ms, d.handled,
        bool_and(d.p50_ms >= c.slow_ms) OVER (PARTITION BY c.stage, c."user", c.day ORDER BY d.day) AS slow
    FROM compared AS c JOIN by_day AS d ON d.stage = c.stage AND d."user" = c."user" AND d.day >= c.day
    WHERE c.p50_ms >= c.slow_ms AND c.day_before_ms < c.slow_ms
), stretches AS (
    SELECT
        stage, "user", first_day, before_ms, bool_and(slow) AS goes_on,
        max(day) FILTER (WHERE slow) AS last_day,
        median(p50_ms) FILTER (WHERE slow) AS p50_ms
    FROM followed
    GROUP BY stage, "user", first_day, before_ms
    HAVING sum(handled) FILTER (WHERE slow) >= 3
), newest AS (
    SELECT stage, "user", max_by(stretches, first_day) AS stretch FROM stretches GROUP BY stage, "user"
), worst AS (
    SELECT
        stage, "user", max_by(by_day, (p50_ms, p95_ms)) AS worst, median(p50_ms) AS usual_ms,
        max(p95_ms) AS p95_ms, sum(handled)::BIGINT AS handled
    FROM by_day
    GROUP BY stage, "user"
)
SELECT
    stage, "user",
    stretch.first_day::VARCHAR AS first_day,
    CASE WHEN NOT stretch.goes_on THEN stretch.last_day END::VARCHAR AS last_day,
    round(stretch.before_ms, 1) AS before_ms,
    round(coalesce(stretch.p50_ms, usual_ms), 1) AS p50_ms,
    worst.day::VARCHAR AS worst_day,
    worst.queue_p95_ms AS queue_p95_ms,
    worst.work_p95_ms AS work_p95_ms,
    handled
FROM worst LEFT JOIN newest USING (stage, "user")
WHERE p95_ms >= 50
ORDER BY stretch IS NOT NULL AND stretch.goes_on DESC, stretch IS NULL, p50_ms DESC, stage, "user"
LIMIT 50
