-- title: Failures
-- says: what went wrong, where, and how often
SELECT type, stage, code, error, any_value(message) AS example, count(*) AS times, max(time) AS last
FROM failures
WHERE coalesce(run, $run) = $run AND time >= $since::TIMESTAMPTZ AND time < $until::TIMESTAMPTZ
  AND ($conversation IS NULL OR conversation = $conversation::UUID)
GROUP BY type, stage, code, error
ORDER BY times DESC, last DESC
LIMIT 100
