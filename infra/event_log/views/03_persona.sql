-- How people like to be answered, a row for each facet that moved, newest values last (`turn` is where it was learned).
CREATE OR REPLACE VIEW persona AS
SELECT
    tenant, run, conversation, TRY_CAST(payload->>'about' AS UUID) AS turn, "user", time,
    facet,
    TRY_CAST(json_extract_string(payload, '$.before."' || facet || '"') AS DOUBLE) AS before,   -- 0 to 1; may be unknown
    TRY_CAST(json_extract_string(payload, '$.facets."' || facet || '"') AS DOUBLE) AS value,    -- 0 to 1
    payload->>'reason' AS reason
FROM (SELECT *, unnest(json_keys(payload, '$.facets')) AS facet FROM events WHERE type = 'PersonaUpdated');
