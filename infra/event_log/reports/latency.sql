-- title: Latency by stage
-- says: how long events waited for a stage (queue) and how long it worked on them, in milliseconds
SELECT
    stage,
    count(*) AS handled,
    round(quantile_cont(queue_ms, 0.5), 1) AS queue_p50_ms,
    round(quantile_cont(queue_ms, 0.95), 1) AS queue_p95_ms,
    round(quantile_cont(work_ms, 0.5), 1) AS work_p50_ms,
    round(quantile_cont(work_ms, 0.95), 1) AS work_p95_ms,
    round(sum(work_ms) / 1e3, 1) AS work_s,
    count(*) FILTER (WHERE attempt > 1) AS retried
FROM latency
WHERE run = $run AND time >= $since::TIMESTAMPTZ
  AND ($conversation IS NULL OR conversation = $conversation::UUID)
GROUP BY stage
ORDER BY work_p50_ms DESC, stage
