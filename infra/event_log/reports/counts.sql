-- title: Events
-- says: how many events of each type there are, and the last of each
SELECT type, count(*) AS events, count(DISTINCT turn) AS turns, max(time) AS last
FROM events
WHERE coalesce(run, $run) = $run AND coalesce(time, recorded_at) >= $since::TIMESTAMPTZ AND coalesce(time, recorded_at) < $until::TIMESTAMPTZ
  AND ($conversation IS NULL OR conversation = $conversation::UUID)
GROUP BY type
ORDER BY events DESC, type
