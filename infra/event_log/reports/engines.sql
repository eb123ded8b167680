-- title: Engines
-- says: which engine made the replies, how often it was not the first choice and why (five reasons), and its tokens
WITH made AS (
    SELECT
        backend, model, fallback,
        left(reason, 200) AS reason, -- free text: there is no end of different ones
        prompt_tokens, completion_tokens, work_ms
    FROM engines
    WHERE run = $run AND time >= $since::TIMESTAMPTZ AND time < $until::TIMESTAMPTZ
      AND ($conversation IS NULL OR conversation = $conversation::UUID)
), common AS (
    SELECT backend, model, fallback, reason
    FROM made
    GROUP BY backend, model, fallback, reason
    QUALIFY row_number() OVER (PARTITION BY backend, model, fallback ORDER BY count(*) DESC, reason) <= 5
)
SELECT
    m.backend, m.model, m.fallback,
    CASE WHEN m.reason IS NULL OR c.reason IS NOT NULL THEN m.reason ELSE 'other reasons' END AS reason,
    count(DISTINCT m.reason) AS reasons,
    count(*) AS replies,
    sum(m.prompt_tokens)::BIGINT AS prompt_tokens,
    sum(m.completion_tokens)::BIGINT AS completion_tokens,
    round(sum(m.completion_tokens) / nullif(sum(m.work_ms), 0) * 1e3, 1) AS completion_tokens_per_s,
    round(quantile_cont(m.work_ms, 0.5), 1) AS work_p50_ms
FROM made AS m
LEFT JOIN common AS c
    ON m.backend IS NOT DISTINCT FROM c.backend AND m.model IS NOT DISTINCT FROM c.model
    AND m.fallback IS NOT DISTINCT FROM c.fallback AND m.reason = c.reason
GROUP BY m.backend, m.model, m.fallback, 4
ORDER BY replies DESC, m.backend, m.model, m.fallback, 4
