-- Ways of looking at `events`, for people. All of them keep tenant, run, conversation and turn, so they can be joined.
-- TRY_CAST: one event with a number written as something else must not take the whole view away.

-- What was understood of a spoken turn, and by what.
CREATE OR REPLACE VIEW transcripts AS
SELECT
    tenant, run, conversation, turn, number, "user", time,
    payload->>'text' AS text,
    TRY_CAST(payload->>'audio_s' AS DOUBLE) AS audio_s,
    TRY_CAST(payload->>'confidence' AS DOUBLE) AS confidence,
    payload->>'empty_because' AS empty_because,
    payload->>'$.recogniser.backend' AS backend,
    payload->>'$.recogniser.model' AS model,
    queue_ms, work_ms
FROM events
WHERE type = 'TranscriptReady';

-- One row an intent, `intent` counting from 0 within the turn.
CREATE OR REPLACE VIEW intents AS
SELECT
    e.tenant, e.run, e.conversation, e.turn, e.number, e."user", e.time,
    i.key::INTEGER AS intent,
    i.value->>'label' AS label,
    TRY_CAST(i.value->>'confidence' AS DOUBLE) AS confidence,
    i.value->>'decided_by' AS decided_by,
    i.value->>'text' AS text,
    i.value->'slots' AS slots,
    e.queue_ms, e.work_ms
FROM events AS e, json_each(e.payload, '$.intents') AS i
WHERE e.type = 'IntentClassified';

-- One row a skill that has acted or refused.
CREATE OR REPLACE VIEW tasks AS
SELECT
    tenant, run, conversation, turn, number, "user", time,
    TRY_CAST(payload->>'intent' AS BIGINT) AS intent,
    payload->>'$.outcome.skill' AS skill,
    TRY_CAST(payload->>'$.outcome.success' AS BOOLEAN) AS success,
    payload->>'$.outcome.message' AS message,
    payload->'$.outcome.data' AS data
FROM events
WHERE type = 'TaskCompleted';

-- The reply of a turn: the candidate that was chosen, and how it was made.
CREATE OR REPLACE VIEW replies AS
SELECT
    c.tenant, c.run, c.conversation, c.turn, c.number, c."user", c.time,
    coalesce(nullif(c.payload->>'asked', ''), g.payload->>'asked') AS asked,
    c.payload->>'text' AS text,
    TRY_CAST(c.payload->>'sentences' AS BIGINT) AS sentences,
    TRY_CAST(c.payload->>'chosen' AS BIGINT) AS chosen,
    json_array_length(g.payload, '$.candidates') AS candidates,
    c.payload->>'scored_on' AS scored_on,
    g.payload->>'$.engine.backend' AS backend,
    g.payload->>'$.engine.model' AS model,
    TRY_CAST(g.payload->>'$.engine.fallback' AS BOOLEAN) AS fallback
FROM (SELECT * FROM events WHERE type = 'ReplyChosen') AS c
LEFT JOIN (SELECT tenant, run, turn, payload FROM events WHERE type = 'ReplyGenerated') AS g
    USING (tenant, run, turn);

-- What people thought of a turn (`turn` is the one that it is about).
CREATE OR REPLACE VIEW feedback AS
SELECT
    tenant, run, conversation, TRY_CAST(payload->>'about' AS UUID) AS turn, "user", time,
    payload->>'rating' AS rating,
    payload->>'correction' AS correction,
    payload->>'comment' AS comment,
    payload->>'intent' AS intent,                                     -- what it should have been taken for
    TRY_CAST(payload->>'preferred' AS BIGINT) AS preferred,           -- the candidate to choose, from 0
    TRY_CAST(payload->>'reward' AS DOUBLE) AS reward,                 -- -1 to 1
    TRY_CAST(payload->>'compared_with' AS UUID) AS compared_with      -- the turn that the reward compares with
FROM events
WHERE type = 'FeedbackRecorded';

-- One row a turn: what was said, what came of it, how long it took. `status` is 'open' until the turn has ended.
CREATE OR REPLACE VIEW turns AS
WITH opened AS (
    SELECT
        tenant, run, conversation, turn, number, "user", time AS opened_at, deadline, time_zone, speech,
        CASE type WHEN 'SpeechTurnOpened' THEN 'speech' ELSE 'text' END AS kind,
        payload->>'text' AS typed
    FROM events
    WHERE type IN ('TextTurnOpened', 'SpeechTurnOpened')
), ended AS (
    SELECT
        tenant, run, turn, time AS ended_at,
        CASE type WHEN 'TurnCompleted' THEN 'completed' WHEN 'TurnFailed' THEN 'failed' ELSE 'interrupted' END AS status,
        coalesce(payload->>'reply', payload->>'spoken') AS reply,
        payload->>'code' AS code,
        coalesce(payload->>'message', payload->>'reason') AS message,
        TRY_CAST(payload->>'audio_s' AS DOUBLE) AS audio_s
    FROM events
    WHERE type IN ('TurnCompleted', 'TurnFailed', 'TurnInterrupted')
), said AS (
    SELECT tenant, run, turn, any_value(payload->>'text') AS text
    FROM events WHERE type = 'TranscriptReady' GROUP BY ALL
), wanted AS (
    SELECT tenant, run, turn, any_value(payload->>'$.intents[*].label') AS intents
    FROM events WHERE type = 'IntentClassified' GROUP BY ALL
), done AS (
    SELECT
        tenant, run, turn,
        list(payload->>'$.outcome.skill' ORDER BY stream, stream_seq) AS tasks,
        count(*) FILTER (WHERE NOT TRY_CAST(payload->>'$.outcome.success' AS BOOLEAN)) AS tasks_refused
    FROM events WHERE type = 'TaskCompleted' GROUP BY ALL
), heard AS (
    SELECT tenant, run, turn, min(time) AS first_sound_at
    FROM events WHERE type = 'SpeechReady' GROUP BY ALL
)
SELECT
    o.tenant, o.run, o.conversation, o.turn, o.number, o."user", o.kind, o.opened_at,
    coalesce(o.typed, s.text) AS text,
    coalesce(w.intents, []) AS intents,
    coalesce(d.tasks, []) AS tasks,
    coalesce(d.tasks_refused, 0) AS tasks_refused,
    e.reply,
    coalesce(e.status, 'open') AS status,
    e.code, e.message, e.audio_s,
    epoch_us(h.first_sound_at - o.opened_at) / 1e3 AS first_sound_ms,
    epoch_us(e.ended_at - o.opened_at) / 1e3 AS total_ms,
    e.ended_at, o.deadline, o.time_zone, o.speech
FROM opened AS o
LEFT JOIN ended AS e USING (tenant, run, turn)
LEFT JOIN said AS s USING (tenant, run, turn)
LEFT JOIN wanted AS w USING (tenant, run, turn)
LEFT JOIN done AS d USING (tenant, run, turn)
LEFT JOIN heard AS h USING (tenant, run, turn);
