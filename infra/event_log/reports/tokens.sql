-- title: Tokens
-- says: what replies took of each model, as the engine counted; intents, slots and ranking are not counted
SELECT
    model, backend, count(*) AS replies,
    sum(prompt_tokens)::BIGINT AS prompt_tokens,
    sum(completion_tokens)::BIGINT AS completion_tokens
FROM tokens
WHERE run = $run AND time >= $since::TIMESTAMPTZ AND time < $until::TIMESTAMPTZ
  AND ($conversation IS NULL OR conversation = $conversation::UUID)
GROUP BY model, backend
ORDER BY sum(prompt_tokens + completion_tokens) DESC, model, backend
