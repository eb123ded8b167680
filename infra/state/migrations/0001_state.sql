-- Every row of a person's belongs to (tenant, run, user); a replay is another run.
-- Moments are text of fixed width in UTC, so that text order is time order. Money is whole minor units.

CREATE TABLE inbox (
    event_id TEXT NOT NULL,
    step TEXT NOT NULL,
    tenant TEXT NOT NULL,
    "user" TEXT NOT NULL,
    handled_at TEXT NOT NULL,
    said BLOB NOT NULL, -- the events that were said, as published, one a line
    PRIMARY KEY (event_id, step)
) STRICT;
CREATE INDEX inbox_by_age ON inbox (handled_at);
CREATE INDEX inbox_by_user ON inbox (tenant, "user");

CREATE TABLE outbox (
    id TEXT NOT NULL PRIMARY KEY,
    subject TEXT NOT NULL,
    headers TEXT NOT NULL, -- a JSON object of strings
    payload BLOB NOT NULL,
    created_at TEXT NOT NULL,
    published_at TEXT
) STRICT;
CREATE INDEX outbox_pending ON outbox (created_at, id) WHERE published_at IS NULL;
CREATE INDEX outbox_by_age ON outbox (published_at) WHERE published_at IS NOT NULL;

CREATE TABLE history (
    tenant TEXT NOT NULL,
    run TEXT NOT NULL,
    "user" TEXT NOT NULL,
    conversation TEXT NOT NULL,
    turn TEXT NOT NULL,
    number INTEGER NOT NULL,
    user_text TEXT NOT NULL,
    reply TEXT NOT NULL,
    said_at TEXT NOT NULL,
    PRIMARY KEY (tenant, run, turn)
) STRICT;
CREATE INDEX history_of_conversation ON history (tenant, run, "user", conversation, number);
CREATE INDEX history_of_user ON history (tenant, run, "user", said_at, turn);

-- What was asked back and waits for its answer: at most one question a conversation.
CREATE TABLE questions (
    tenant TEXT NOT NULL,
    run TEXT NOT NULL,
    "user" TEXT NOT NULL,
    conversation TEXT NOT NULL,
    number INTEGER NOT NULL, -- of the turn that asked
    asked_at TEXT NOT NULL,
    intent TEXT NOT NULL, -- JSON: what is wanted, with the slots known so far
    awaits TEXT NOT NULL, -- which slot the answer fills
    question TEXT NOT NULL,
    choices TEXT NOT NULL, -- JSON: ids of the rows to choose from
    PRIMARY KEY (tenant, run, "user", conversation)
) STRICT;

CREATE TABLE reminders (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    run TEXT NOT NULL,
    "user" TEXT NOT NULL,
    conversation TEXT NOT NULL,
    turn TEXT NOT NULL,
    number INTEGER NOT NULL,
    time_zone TEXT NOT NULL,
    speech INTEGER NOT NULL,
    title TEXT NOT NULL,
    due_at TEXT NOT NULL,
    moved INTEGER NOT NULL DEFAULT 0, -- how often it was given another time: an announcement's id holds it
    created_at TEXT NOT NULL,
    announced_at TEXT,
    cancelled_at TEXT
) STRICT;
CREATE INDEX reminders_open ON reminders (tenant, run, "user", due_at)
    WHERE announced_at IS NULL AND cancelled_at IS NULL;
CREATE INDEX reminders_due ON reminders (run, due_at) WHERE announced_at IS NULL AND cancelled_at IS NULL;

CREATE TABLE notes (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    run TEXT NOT NULL,
    "user" TEXT NOT NULL,
    text TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX notes_of_user ON notes (tenant, run, "user", created_at);

CREATE TABLE ledger (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    run TEXT NOT NULL,
    "user" TEXT NOT NULL,
    person TEXT NOT NULL, -- as it was said
    person_key TEXT NOT NULL, -- folded, by which entries of one person are found
    amount_minor INTEGER NOT NULL, -- positive: the person owes the user
    currency TEXT NOT NULL,
    purpose TEXT,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX ledger_of_person ON ledger (tenant, run, "user", person_key, currency);

CREATE TABLE expenses (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    run TEXT NOT NULL,
    "user" TEXT NOT NULL,
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    currency TEXT NOT NULL,
    purpose TEXT,
    spent_at TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX expenses_of_user ON expenses (tenant, run, "user", currency, spent_at);

CREATE TABLE appointments (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    run TEXT NOT NULL,
    "user" TEXT NOT NULL,
    title TEXT NOT NULL,
    starts_at TEXT NOT NULL,
    ends_at TEXT NOT NULL,
    all_day INTEGER NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX appointments_of_user ON appointments (tenant, run, "user", starts_at);

CREATE TABLE friends (
    tenant TEXT NOT NULL,
    run TEXT NOT NULL,
    "user" TEXT NOT NULL,
    name_key TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (tenant, run, "user", name_key)
) STRICT;
