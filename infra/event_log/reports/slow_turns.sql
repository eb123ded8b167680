-- title: Slowest turns
-- says: the turns that took longest; `parley trace TURN` draws one
SELECT round(total_ms) AS total_ms, round(first_sound_ms) AS first_sound_ms, status, intents, text, turn
FROM turns
WHERE run = $run AND opened_at >= $since::TIMESTAMPTZ AND opened_at < $until::TIMESTAMPTZ AND total_ms IS NOT NULL
  AND ($conversation IS NULL OR conversation = $conversation::UUID)
ORDER BY turns.total_ms DESC, turn
LIMIT 10
