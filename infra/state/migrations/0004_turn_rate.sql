-- How many turns somebody has had lately; those that were refused for that do not count, else nobody would get in again.

ALTER TABLE turns ADD COLUMN refused INTEGER NOT NULL DEFAULT 0;
CREATE INDEX turns_taken ON turns (tenant, run, "user", accepted_at) WHERE refused = 0;
