-- One row a run besides the live one: what was repeated, from which stage on, with which settings changed.
CREATE OR REPLACE VIEW runs AS
SELECT
    run,
    any_value(payload->>'of') AS of,
    any_value(payload->>'start') AS start,
    any_value(payload->'changed') AS changed,
    count(*) AS turns,
    min(recorded_at) AS started_at,
    max(recorded_at) AS last_at
FROM events
WHERE type = 'TurnReplayed'
GROUP BY run;
