-- title: Days
-- says: turns, how they ended, how long they took, how often the person was asked back or an engine stood in, by day
-- A turn that ended before it was opened begins with its end, which has no deadline (views/01_turns.sql).
WITH begun AS (
    SELECT
        tenant, run, turn, time, time AT TIME ZONE $zone AS local,
        type IN ('TextTurnOpened', 'SpeechTurnOpened') AS opened
    FROM events
    WHERE (type IN ('TextTurnOpened', 'SpeechTurnOpened')
           OR (type IN ('TurnFailed', 'TurnInterrupted') AND deadline IS NULL))
      AND run = $run AND time >= $since::TIMESTAMPTZ AND time < $until::TIMESTAMPTZ
      AND ($conversation IS NULL OR conversation = $conversation::UUID)
), ended AS (
    SELECT tenant, run, turn, type, time AS ended_at
    FROM events
    WHERE type IN ('TurnCompleted', 'TurnFailed', 'TurnInterrupted') AND run = $run
      AND time >= $since::TIMESTAMPTZ
), took AS (
    SELECT
        local::DATE AS day, count(*) AS turns,
        count(*) FILTER (WHERE type = 'TurnCompleted') AS completed,
        count(*) FILTER (WHERE type = 'TurnFailed') AS failed,
        count(*) FILTER (WHERE type = 'TurnFailed' AND NOT opened) AS refused,
        count(*) FILTER (WHERE type = 'TurnInterrupted') AS interrupted,
        count(*) FILTER (WHERE type IS NULL) AS open,
        round(quantile_cont(CASE WHEN opened THEN epoch_us(ended_at - time) / 1e3 END, 0.5)) AS p50_ms,
        round(quantile_cont(CASE WHEN opened THEN epoch_us(ended_at - time) / 1e3 END, 0.95)) AS p95_ms
    FROM begun LEFT JOIN ended USING (tenant, run, turn)
    GROUP BY ALL
), decided AS (
    SELECT (time AT TIME ZONE $zone)::DATE AS day, count(*) FILTER (WHERE clarified) AS clarified
    FROM decisions
    WHERE run = $run AND time >= $since::TIMESTAMPTZ AND time < $until::TIMESTAMPTZ
      AND ($conversation IS NULL OR conversation = $conversation::UUID)
    GROUP BY ALL
), stood_in AS (
    SELECT
        (time AT TIME ZONE $zone)::DATE AS day,
        count(*) FILTER (WHERE payload->>'$.engine.fallback' = 'true') AS fallbacks
    FROM events
    WHERE type = 'ReplyGenerated'
      AND run = $run AND time >= $since::TIMESTAMPTZ AND time < $until::TIMESTAMPTZ
      AND ($conversation IS NULL OR conversation = $conversation::UUID)
    GROUP BY ALL
)
SELECT
    day::VARCHAR AS day, turns, completed, failed, refused, interrupted, open, p50_ms, p95_ms,
    coalesce(clarified, 0) AS clarified, coalesce(fallbacks, 0) AS fallbacks
FROM took LEFT JOIN decided USING (day) LEFT JOIN stood_in USING (day)
ORDER BY took.day DESC
LIMIT 400
