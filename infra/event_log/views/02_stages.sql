-- One row for each event that a stage handled: how long it had waited, and how long the stage worked on it in all.
-- A handling may say several events; each of them tells the work up to then, so the last tells all of it.
-- The keeper opens a turn and ends it in two handlings, which have one cause: the turn's submission.
CREATE OR REPLACE VIEW latency AS
SELECT
    tenant, run, conversation, turn, stage, cause,
    max(queue_ms) AS queue_ms,
    max(work_ms) AS work_ms,
    min(work_ms) AS first_said_ms,
    max(attempt) AS attempt,
    count(*) AS said,
    max(time) AS time
FROM events
WHERE cause IS NOT NULL AND work_ms IS NOT NULL AND type <> 'invalid'
GROUP BY tenant, run, conversation, turn, stage, cause, type IN ('TextTurnOpened', 'SpeechTurnOpened');

-- One row a reply: which engine made it, whether it was the first choice, what it cost in tokens, from which prompt.
CREATE OR REPLACE VIEW engines AS
SELECT
    tenant, run, conversation, turn, number, time,
    payload->>'$.engine.backend' AS backend,
    payload->>'$.engine.model' AS model,
    TRY_CAST(payload->>'$.engine.fallback' AS BOOLEAN) AS fallback,
    payload->>'$.engine.reason' AS reason,
    TRY_CAST(payload->>'$.tokens.prompt' AS BIGINT) AS prompt_tokens,
    TRY_CAST(payload->>'$.tokens.completion' AS BIGINT) AS completion_tokens,
    json_array_length(payload, '$.candidates') AS candidates,
    payload->>'$.prompt.name' AS prompt,
    payload->>'$.prompt.sha256' AS prompt_sha256,
    queue_ms, work_ms
FROM events
WHERE type = 'ReplyGenerated';

-- What went wrong: turns that failed, stages that gave up, messages that could not be read.
CREATE OR REPLACE VIEW failures AS
SELECT
    tenant, run, conversation, turn, coalesce(time, recorded_at) AS time, type,
    coalesce(payload->>'failed_stage', payload->>'stage', stage) AS stage,
    payload->>'code' AS code,
    payload->>'error' AS error,
    payload->>'message' AS message,
    payload->>'field' AS field,
    payload->>'value' AS value,
    payload->>'expected' AS expected
FROM events
WHERE type IN ('TurnFailed', 'StageFailed', 'invalid');
