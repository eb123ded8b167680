-- title: Feedback
-- says: what people thought of replies, by the first intent of the turn
WITH given AS (
    SELECT *
    FROM feedback
    WHERE run = $run AND time >= $since::TIMESTAMPTZ AND time < $until::TIMESTAMPTZ
      AND ($conversation IS NULL OR conversation = $conversation::UUID)
), wanted AS (
    SELECT tenant, run, turn, any_value(payload->>'$.intents[0].label') AS label
    FROM events
    WHERE type = 'IntentClassified' AND turn IN (SELECT turn FROM given)
    GROUP BY ALL
)
SELECT
    coalesce(label, '') AS label,
    count(*) AS given,
    count(*) FILTER (WHERE rating = 'up') AS up,
    count(*) FILTER (WHERE rating = 'down') AS down,
    count(*) FILTER (WHERE correction IS NOT NULL) AS corrected,
    count(*) FILTER (WHERE intent IS NOT NULL) AS relabelled,
    count(*) FILTER (WHERE preferred IS NOT NULL) AS preferred,
    count(*) FILTER (WHERE compared_with IS NOT NULL) AS compared,
    round(avg(reward), 2) AS reward_avg
FROM given LEFT JOIN wanted USING (tenant, run, turn)
GROUP BY label
ORDER BY given DESC, label
