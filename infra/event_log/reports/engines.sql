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
), told AS (
    SELECT m.*, m.reason IS NOT NULL AND c.reason IS NULL AS uncommon
    FROM made AS m
    LEFT JOIN common AS c
        ON m.backend IS NOT DISTINCT FROM c.backend AND m.model IS NOT DISTINCT FROM c.model
        AND m.fallback IS NOT DISTINCT FROM c.fallback AND m.reason = c.reason
)
SELECT
    backend, model, fallback,
    CASE WHEN uncommon THEN 'other reasons: ' || count(DISTINCT reason) ELSE any_value(reason) END AS reason,
    count(DISTINCT reason) AS reasons,
    count(*) AS replies,
    sum(prompt_tokens)::BIGINT AS prompt_tokens,
    sum(completion_tokens)::BIGINT AS completion_tokens,
    round(sum(completion_tokens) / nullif(sum(work_ms), 0) * 1e3, 1) AS completion_tokens_per_s,
    round(quantile_cont(work_ms, 0.5), 1) AS work_p50_ms
FROM told
GROUP BY backend, model, fallback, uncommon, CASE WHEN uncommon THEN NULL ELSE reason END
ORDER BY replies DESC, backend, model, fallback, any_value(reason)
