-- title: Intents
-- says: what people wanted, how sure the classifier was, and who decided
SELECT
    label,
    count(*) AS intents,
    round(avg(confidence), 3) AS confidence_avg,
    count(*) FILTER (WHERE decided_by = 'head') AS by_head,
    count(*) FILTER (WHERE decided_by = 'engine') AS by_engine,
    count(*) FILTER (WHERE decided_by = 'fallback') AS by_fallback
FROM intents
WHERE run = $run AND time >= $since::TIMESTAMPTZ AND time < $until::TIMESTAMPTZ
  AND ($conversation IS NULL OR conversation = $conversation::UUID)
GROUP BY label
ORDER BY intents DESC, label
