-- More about replies: what they were chosen from, what they cost, and when somebody stood in.

-- One row a candidate of a reply, `candidate` counting from 0, with the scores by which it was chosen where it had rivals.
CREATE OR REPLACE VIEW candidates AS
WITH scored AS (
    SELECT
        e.tenant, e.run, e.turn,
        TRY_CAST(e.payload->>'chosen' AS INTEGER) AS chosen,
        e.payload->'scores' AS scores
    FROM events AS e
    WHERE e.type = 'ReplyChosen'
), told AS (
    SELECT
        c.tenant, c.run, c.turn,
        TRY_CAST(s.value->>'candidate' AS INTEGER) AS candidate,
        TRY_CAST(s.value->>'total' AS DOUBLE) AS score,
        TRY_CAST(s.value->>'relevance' AS DOUBLE) AS relevance,
        TRY_CAST(s.value->>'repetition' AS DOUBLE) AS repetition,
        TRY_CAST(s.value->>'length' AS DOUBLE) AS length,
        TRY_CAST(s.value->>'sound' AS DOUBLE) AS sound
    FROM scored AS c, json_each(c.scores) AS s
)
SELECT
    e.tenant, e.run, e.conversation, e.turn, e.number, e."user", e.time,
    i.key::INTEGER AS candidate,
    i.value->>'text' AS text,
    i.value->>'finish' AS finish,
    i.key::INTEGER = c.chosen AS chosen,
    t.score, t.relevance, t.repetition, t.length, t.sound
FROM events AS e, json_each(e.payload, '$.candidates') AS i
LEFT JOIN scored AS c ON c.tenant = e.tenant AND c.run = e.run AND c.turn = e.turn
LEFT JOIN told AS t ON t.tenant = e.tenant AND t.run = e.run AND t.turn = e.turn AND t.candidate = i.key::INTEGER
WHERE e.type = 'ReplyGenerated';

-- One row a reply that an engine was asked for, with the tokens as it counted them. Only replies tell their tokens:
-- what engines were asked besides (intents, slots, ranking) is not in it. Rules, which answer without a model, count
-- what they say too; that is no token.
CREATE OR REPLACE VIEW tokens AS
SELECT
    tenant, run, conversation, turn, number, "user", time,
    payload->>'$.engine.backend' AS backend,
    payload->>'$.engine.model' AS model,
    TRY_CAST(payload->>'$.tokens.prompt' AS BIGINT) AS prompt_tokens,
    TRY_CAST(payload->>'$.tokens.completion' AS BIGINT) AS completion_tokens,
    work_ms
FROM events
WHERE type = 'ReplyGenerated' AND payload->>'$.engine.backend' NOT IN ('contextual', 'fixed', 'none')
  AND (payload->>'$.tokens.prompt' <> '0' OR payload->>'$.tokens.completion' <> '0');

-- One row each time that something else answered than the first choice: `what` is reply, intent or ranking.
CREATE OR REPLACE VIEW fallbacks AS
SELECT
    tenant, run, conversation, turn, number, "user", time,
    'reply' AS what,
    payload->>'$.engine.backend' AS backend,
    payload->>'$.engine.model' AS model,
    payload->>'$.engine.reason' AS reason
FROM events
WHERE type = 'ReplyGenerated' AND payload->>'$.engine.fallback' = 'true'
UNION ALL
SELECT
    tenant, run, conversation, turn, number, "user", time,
    'ranking' AS what,
    payload->>'$.ranked_by.backend' AS backend,
    payload->>'$.ranked_by.model' AS model,
    payload->>'$.ranked_by.reason' AS reason
FROM events
WHERE type = 'ReplyGenerated' AND payload->>'$.ranked_by.fallback' = 'true'
UNION ALL
SELECT
    e.tenant, e.run, e.conversation, e.turn, e.number, e."user", e.time,
    'intent' AS what,
    NULL AS backend, NULL AS model,
    NULL AS reason
FROM events AS e, json_each(e.payload, '$.intents') AS i
WHERE e.type = 'IntentClassified' AND i.value->>'decided_by' = 'fallback';

-- One row a turn that the router has decided: whether the person was asked back, and what. A turn in which nothing was
-- said (silence, noise) has `nothing_heard` instead.
CREATE OR REPLACE VIEW decisions AS
SELECT
    tenant, run, conversation, turn,
    any_value(number) AS number,
    any_value("user") AS "user",
    max(time) AS time,
    coalesce(bool_or(type = 'IntentClassified' AND payload->>'empty_because' IS NOT NULL), false) AS nothing_heard,
    coalesce(bool_or(type = 'ReplyRequested' AND payload->>'clarification' IS NOT NULL), false)
        AND NOT nothing_heard AS clarified,
    any_value(payload->>'clarification') FILTER (WHERE type = 'ReplyRequested') AS question
FROM events
WHERE type IN ('IntentClassified', 'ReplyRequested')
GROUP BY tenant, run, conversation, turn
HAVING bool_or(type = 'ReplyRequested');
