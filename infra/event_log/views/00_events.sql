-- Every event that the log has, wherever it lies; the columns are described in migrations/0001_events.sql.
CREATE OR REPLACE VIEW events AS
FROM archived_events
UNION ALL BY NAME
FROM recent_events;

-- One row a day (UTC, of recording) and place: 'recent' is the DuckDB file, the others are states of archived files.
CREATE OR REPLACE VIEW days AS
SELECT day, place, files, rows, bytes, first_log_seq, last_log_seq, why
FROM (
    SELECT
        (recorded_at AT TIME ZONE 'UTC')::DATE AS day, 'recent' AS place, 0::BIGINT AS files, count(*) AS rows,
        NULL::BIGINT AS bytes, min(log_seq) AS first_log_seq, max(log_seq) AS last_log_seq, '' AS why
    FROM recent_events
    GROUP BY ALL
    UNION ALL
    SELECT
        day, CASE state WHEN 'removing' THEN 'removed' ELSE state END AS place, count(*) AS files,
        sum(rows)::BIGINT AS rows, sum(bytes)::BIGINT AS bytes, min(first_log_seq) AS first_log_seq,
        max(last_log_seq) AS last_log_seq, any_value(why) AS why
    FROM archived_files
    WHERE state <> 'writing'
    GROUP BY ALL
)
ORDER BY day, first_log_seq;
