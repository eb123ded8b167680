-- title: Engines
-- says: which engine made the replies, how often it was not the first choice and why, and its tokens
SELECT
    backend, model, fallback, reason,
    count(*) AS replies,
    sum(prompt_tokens)::BIGINT AS prompt_tokens,
    sum(completion_tokens)::BIGINT AS completion_tokens,
    round(sum(completion_tokens) / nullif(sum(work_ms), 0) * 1e3, 1) AS completion_tokens_per_s,
    round(quantile_cont(work_ms, 0.5), 1) AS work_p50_ms
FROM engines
WHERE run = $run AND time >= $since::TIMESTAMPTZ AND time < $until::TIMESTAMPTZ
  AND ($conversation IS NULL OR conversation = $conversation::UUID)
GROUP BY ALL
ORDER BY replies DESC, backend, model
