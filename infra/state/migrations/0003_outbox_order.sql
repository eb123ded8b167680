-- The order in which messages were written, which is the order in which they are published: clocks jump.

ALTER TABLE outbox ADD COLUMN place INTEGER NOT NULL DEFAULT 0;
CREATE INDEX outbox_by_place ON outbox (place);
DROP INDEX outbox_pending;
CREATE INDEX outbox_pending ON outbox (place, created_at) WHERE published_at IS NULL;
