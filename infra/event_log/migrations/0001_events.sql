-- Every fact that the stream held, once. No primary key: a unique index would grow for ever and be held in memory;
-- that each row stands once is the writer's work (infra/event_log/appending.py).
CREATE TABLE events (
    log_seq BIGINT NOT NULL,           -- place in the log, from 1, in the order of recording, across streams
    stream INTEGER NOT NULL,           -- which stream: streams.stream
    stream_seq BIGINT NOT NULL,        -- place in the stream: (stream, stream_seq) is the order of what happened
    id VARCHAR,                        -- NULL when the payload could not be read
    type VARCHAR NOT NULL,             -- the fact's name, or 'invalid'
    tenant VARCHAR,
    run VARCHAR,
    conversation UUID,
    turn UUID,
    number BIGINT,                     -- the turn's place in its conversation
    "user" VARCHAR,
    cause VARCHAR,                     -- the id of the event because of which this one was said
    stage VARCHAR,                     -- who said it
    time TIMESTAMPTZ,                  -- when it was said
    deadline TIMESTAMPTZ,
    time_zone VARCHAR,                 -- the user's
    speech BOOLEAN,                    -- the reply was wanted as sound too
    schema_version VARCHAR,
    queue_ms DOUBLE,                   -- how long the cause had waited for the stage
    work_ms DOUBLE,                    -- how long the stage had worked on the cause when it said this
    attempt INTEGER,                   -- at which try, from 1
    traceparent VARCHAR,               -- W3C trace context of the hop
    payload JSON NOT NULL,             -- the fact; of an invalid message: what was wrong, and the message
    rest JSON,                         -- meta fields of later minor versions, headers that could not be read
    recorded_at TIMESTAMPTZ NOT NULL
);

-- How far the log has got, written in the transaction that writes the events. One row for each stream there ever was.
CREATE TABLE streams (
    stream INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    created TIMESTAMPTZ NOT NULL,      -- the stream's own creation time: made anew, it counts from 1 again
    position BIGINT NOT NULL,          -- the highest sequence number seen
    updated_at TIMESTAMPTZ NOT NULL
);
