-- title: Latency by stage
-- says: how long events waited for a stage (queue) and how long it worked on them, in milliseconds
-- Reads events and not the view `latency`, so that only events of the time asked for are grouped (half the time).
WITH handlings AS (
    SELECT tenant, run, turn, stage, max(queue_ms) AS queue_ms, max(work_ms) AS work_ms, max(attempt) AS attempt
    FROM events
    WHERE cause IS NOT NULL AND work_ms IS NOT NULL AND type <> 'invalid'
      AND run = $run AND time >= $since::TIMESTAMPTZ AND time < $until::TIMESTAMPTZ
      AND ($conversation IS NULL OR conversation = $conversation::UUID)
    GROUP BY tenant, run, turn, stage, cause, type IN ('TextTurnOpened', 'SpeechTurnOpened')
), measured AS (
    SELECT
        stage,
        count(*) AS handled,
        quantile_cont(queue_ms, [0.5, 0.95, 0.99]) AS waited,
        quantile_cont(work_ms, [0.5, 0.95, 0.99]) AS worked,
        sum(work_ms) AS work_ms,
        count(*) FILTER (WHERE attempt > 1) AS retried
    FROM handlings
    GROUP BY stage
)
SELECT
    stage, handled,
    round(waited[1], 1) AS queue_p50_ms,
    round(waited[2], 1) AS queue_p95_ms,
    round(worked[1], 1) AS work_p50_ms,
    round(worked[2], 1) AS work_p95_ms,
    round(waited[3], 1) AS queue_p99_ms,
    round(worked[3], 1) AS work_p99_ms,
    round(work_ms / 1e3, 1) AS work_s,
    retried
FROM measured
ORDER BY work_p50_ms DESC, stage
