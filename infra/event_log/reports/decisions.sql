-- title: Decisions
-- says: how many turns were acted on without a question, and in how many the person was asked back
SELECT
    count(*) AS turns,
    count(*) FILTER (WHERE NOT clarified AND NOT nothing_heard) AS automatic,
    count(*) FILTER (WHERE clarified) AS clarified,
    count(*) FILTER (WHERE nothing_heard) AS nothing_heard,
    round(100.0 * count(*) FILTER (WHERE clarified) / nullif(count(*) FILTER (WHERE NOT nothing_heard), 0), 1)
        AS clarified_percent
FROM decisions
WHERE run = $run AND time >= $since::TIMESTAMPTZ AND time < $until::TIMESTAMPTZ
  AND ($conversation IS NULL OR conversation = $conversation::UUID)
HAVING count(*) > 0
