-- title: Turns
-- says: what was said, what came of it, and how long it took
SELECT
    number, kind, text, intents, tasks, reply, status, code,
    round(first_sound_ms) AS first_sound_ms,
    round(total_ms) AS total_ms,
    conversation, turn
FROM turns
WHERE run = $run
  AND coalesce(opened_at, ended_at) >= $since::TIMESTAMPTZ AND coalesce(opened_at, ended_at) < $until::TIMESTAMPTZ
  AND ($conversation IS NULL OR conversation = $conversation::UUID)
ORDER BY coalesce(opened_at, ended_at) DESC, number DESC
LIMIT 1000
