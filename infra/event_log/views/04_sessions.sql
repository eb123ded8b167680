-- One row a session: turns of one conversation without a pause of more than 30 minutes. `session` counts from 1 within
-- the conversation. Turns that ended before they were opened are not counted: they are no part of a talk.
CREATE OR REPLACE VIEW sessions AS
WITH opened AS (
    SELECT
        tenant, run, conversation, turn, number, "user", time,
        type = 'SpeechTurnOpened' AS spoken,
        coalesce(
            time - lag(time) OVER (
                PARTITION BY tenant, run, conversation ORDER BY time, number, turn
            ) > INTERVAL 30 MINUTE,
            true
        ) AS first
    FROM events
    WHERE type IN ('TextTurnOpened', 'SpeechTurnOpened')
), placed AS (
    SELECT
        *,
        count(*) FILTER (WHERE first) OVER (
            PARTITION BY tenant, run, conversation ORDER BY time, number, turn
        ) AS session
    FROM opened
), ended AS (
    SELECT tenant, run, turn, type, time AS ended_at
    FROM events
    WHERE type IN ('TurnCompleted', 'TurnFailed', 'TurnInterrupted')
)
SELECT
    p.tenant, p.run, p.conversation, p.session,
    any_value(p."user") AS "user",
    min(p.time) AS began_at,
    max(coalesce(e.ended_at, p.time)) AS ended_at,
    count(*) AS turns,
    count(*) FILTER (WHERE p.spoken) AS spoken,
    count(*) FILTER (WHERE e.type = 'TurnCompleted') AS completed,
    count(*) FILTER (WHERE e.type = 'TurnFailed') AS failed,
    count(*) FILTER (WHERE e.type = 'TurnInterrupted') AS interrupted
FROM placed AS p
LEFT JOIN ended AS e USING (tenant, run, turn)
GROUP BY p.tenant, p.run, p.conversation, p.session;
