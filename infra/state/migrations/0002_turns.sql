-- The turn keeper's books: each accepted turn, and what is known of its reply until it ends.

CREATE TABLE turns (
    tenant TEXT NOT NULL,
    run TEXT NOT NULL,
    turn TEXT NOT NULL,
    conversation TEXT NOT NULL,
    "user" TEXT NOT NULL,
    number INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('waiting', 'open', 'completed', 'failed', 'interrupted')),
    submission BLOB NOT NULL, -- the event that submitted it, as JSON
    speech INTEGER NOT NULL, -- 1 when the reply is wanted as sound
    accepted_at TEXT NOT NULL,
    deadline TEXT, -- from the moment it is opened
    asked TEXT, -- from here on: what ReplyChosen told
    reply TEXT,
    sentences INTEGER,
    PRIMARY KEY (tenant, run, turn)
) STRICT;
CREATE UNIQUE INDEX turns_in_order ON turns (tenant, run, conversation, number);
CREATE UNIQUE INDEX one_turn_open ON turns (tenant, run, conversation) WHERE status = 'open';
CREATE INDEX turns_to_end ON turns (deadline) WHERE status = 'open';
CREATE INDEX turns_by_age ON turns (accepted_at);

CREATE TABLE sentences (
    tenant TEXT NOT NULL,
    run TEXT NOT NULL,
    turn TEXT NOT NULL,
    place INTEGER NOT NULL, -- in the reply, from 0
    text TEXT NOT NULL,
    audio_ms INTEGER, -- NULL until it has been spoken
    PRIMARY KEY (tenant, run, turn, place),
    FOREIGN KEY (tenant, run, turn) REFERENCES turns (tenant, run, turn) ON DELETE CASCADE
) STRICT;
