-- Closed days move into Parquet files. `events` is a view from here on: what has moved, and what has not.
ALTER TABLE events RENAME TO recent_events;

-- Every file of the archive, also those that are no more. Written in the transaction that takes its rows out of
-- `recent_events`, so that each event stands in exactly one of both.
CREATE TABLE archived_files (
    path VARCHAR NOT NULL,             -- below the archive's folder: day=2026-11-14/000000000001-000000000932.parquet
    day DATE NOT NULL,                 -- in UTC, of recorded_at
    state VARCHAR NOT NULL,            -- 'writing', 'archived', 'unreadable', 'removing', 'removed'
    why VARCHAR NOT NULL,              -- it is unreadable, or was removed; else empty
    since TIMESTAMPTZ NOT NULL,        -- it has been in this state
    first_log_seq BIGINT NOT NULL,
    last_log_seq BIGINT NOT NULL,
    rows BIGINT NOT NULL,
    bytes BIGINT NOT NULL,             -- of the file
    sha256 VARCHAR NOT NULL,           -- of the file
    first_turn UUID,
    last_turn UUID,
    streams STRUCT(stream INTEGER, first BIGINT, last BIGINT)[] NOT NULL  -- the span of stream_seq of each stream
);

-- The rows of all files in state 'archived'; made anew with each change of them (infra/event_log/archive.py).
CREATE VIEW archived_events AS FROM recent_events WHERE false;
