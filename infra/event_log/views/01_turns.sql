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
-- A turn that ended before it was opened, being refused or stopped while it waited, has no `opened_at`, and of what its
-- opening would tell (kind, text, times) only what its end tells too. It is known by its end's having no deadline, which
-- the keeper gives when it opens a turn; ends whose openings the log has no longer are therefore not taken for such.
-- One pass over the events: a pass for each kind would read a log that lies in Parquet as many times. CASE and not FILTER
-- around JSON, which is then looked into only where it is wanted.
CREATE OR REPLACE VIEW turns AS
SELECT
    tenant, run, conversation, turn,
    any_value(CASE WHEN begins THEN number END) AS number,
    any_value(CASE WHEN begins THEN "user" END) AS "user",
    any_value(CASE type WHEN 'SpeechTurnOpened' THEN 'speech' WHEN 'TextTurnOpened' THEN 'text' END) AS kind,
    min(CASE WHEN opens THEN time END) AS opened_at,
    coalesce(
        any_value(CASE WHEN type = 'TextTurnOpened' THEN payload->>'text' END),
        any_value(CASE WHEN type = 'TranscriptReady' THEN payload->>'text' END)
    ) AS text,
    coalesce(any_value(CASE WHEN type = 'IntentClassified' THEN payload->>'$.intents[*].label' END), []) AS intents,
    coalesce(
        list(CASE WHEN type = 'TaskCompleted' THEN payload->>'$.outcome.skill' END ORDER BY stream, stream_seq)
            FILTER (WHERE type = 'TaskCompleted'),
        []
    ) AS tasks,
    count(*) FILTER (
        WHERE CASE WHEN type = 'TaskCompleted' THEN NOT TRY_CAST(payload->>'$.outcome.success' AS BOOLEAN) END
    ) AS tasks_refused,
    any_value(CASE WHEN ends THEN coalesce(payload->>'reply', payload->>'spoken') END) AS reply,
    coalesce(
        any_value(
            CASE type WHEN 'TurnCompleted' THEN 'completed' WHEN 'TurnFailed' THEN 'failed'
                WHEN 'TurnInterrupted' THEN 'interrupted' END
        ),
        'open'
    ) AS status,
    any_value(CASE WHEN ends THEN payload->>'code' END) AS code,
    any_value(CASE WHEN ends THEN coalesce(payload->>'message', payload->>'reason') END) AS message,
    any_value(CASE WHEN ends THEN TRY_CAST(payload->>'audio_s' AS DOUBLE) END) AS audio_s,
    epoch_us(min(CASE WHEN type = 'SpeechReady' THEN time END) - min(CASE WHEN opens THEN time END)) / 1e3
        AS first_sound_ms,
    epoch_us(min(CASE WHEN ends THEN time END) - min(CASE WHEN opens THEN time END)) / 1e3 AS total_ms,
    min(CASE WHEN ends THEN time END) AS ended_at,
    any_value(CASE WHEN opens THEN deadline END) AS deadline,
    any_value(CASE WHEN begins THEN time_zone END) AS time_zone,
    any_value(CASE WHEN begins THEN speech END) AS speech
FROM (
    SELECT
        tenant, run, conversation, turn, number, "user", type, time, payload, deadline, time_zone, speech, stream,
        stream_seq, type IN ('TextTurnOpened', 'SpeechTurnOpened') AS opens,
        type IN ('TurnCompleted', 'TurnFailed', 'TurnInterrupted') AS ends,
        opens OR (type IN ('TurnFailed', 'TurnInterrupted') AND deadline IS NULL) AS begins
    FROM events
    WHERE type IN ('TextTurnOpened', 'SpeechTurnOpened', 'TranscriptReady', 'IntentClassified', 'TaskCompleted',
        'SpeechReady', 'TurnCompleted', 'TurnFailed', 'TurnInterrupted')
)
GROUP BY tenant, run, conversation, turn
HAVING count(*) FILTER (WHERE begins) > 0;
