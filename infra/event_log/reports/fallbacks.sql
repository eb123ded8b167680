-- title: Fallbacks
-- says: how often something else answered than the first choice, and the reason given most
WITH asked AS (
    SELECT
        count(*) FILTER (WHERE type = 'ReplyGenerated') AS reply,
        count(*) FILTER (WHERE type = 'ReplyGenerated' AND payload->>'$.ranked_by.backend' IS NOT NULL) AS ranking,
        sum(json_array_length(payload, '$.intents')) FILTER (WHERE type = 'IntentClassified') AS intent
    FROM events
    WHERE type IN ('ReplyGenerated', 'IntentClassified')
      AND run = $run AND time >= $since::TIMESTAMPTZ AND time < $until::TIMESTAMPTZ
      AND ($conversation IS NULL OR conversation = $conversation::UUID)
), counted AS (
    SELECT 'reply' AS what, reply AS times FROM asked
    UNION ALL SELECT 'intent', intent FROM asked
    UNION ALL SELECT 'ranking', ranking FROM asked
), stood_in AS (
    SELECT what, count(*) AS times, mode(reason) AS reason
    FROM fallbacks
    WHERE run = $run AND time >= $since::TIMESTAMPTZ AND time < $until::TIMESTAMPTZ
      AND ($conversation IS NULL OR conversation = $conversation::UUID)
    GROUP BY what
)
SELECT
    what, c.times::BIGINT AS asked, coalesce(stood_in.times, 0) AS fallbacks,
    round(100.0 * coalesce(stood_in.times, 0) / c.times, 1) AS percent,
    stood_in.reason
FROM counted AS c LEFT JOIN stood_in USING (what)
WHERE c.times > 0
ORDER BY fallbacks DESC, what
