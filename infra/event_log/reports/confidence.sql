-- title: Confidence
-- says: how sure the classifier was of its intents, in steps of a tenth, by who decided
SELECT
    least(floor(confidence * 10), 9) / 10 AS from_confidence,
    count(*) AS intents,
    count(*) FILTER (WHERE decided_by = 'head') AS by_head,
    count(*) FILTER (WHERE decided_by = 'engine') AS by_engine,
    count(*) FILTER (WHERE decided_by = 'fallback') AS by_fallback
FROM intents
WHERE confidence IS NOT NULL AND run = $run AND time >= $since::TIMESTAMPTZ AND time < $until::TIMESTAMPTZ
  AND ($conversation IS NULL OR conversation = $conversation::UUID)
GROUP BY from_confidence
ORDER BY from_confidence
