-- +goose NO TRANSACTION
-- +goose Up

-- Tables of events may be large: indexes are built beside writers, and each statement may
-- be repeated where an earlier run did not come to its end. A server that does not know the
-- columns works on: what it stores has their defaults.

-- about names the thing, for people ("customer cus_1"). person is the id of the person
-- that the event is about. Both are ids; '' is none, or stored by an older server.
-- reduce_time is when the body was reduced to ids; NULL: it is as it came.
ALTER TABLE inbox_events
    ADD COLUMN IF NOT EXISTS about       text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS person      text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS reduce_time timestamptz;

GRANT UPDATE ON inbox_events TO teamtask_runtime;

-- Deliveries of one consumer and one subject merge: one fetch settles all that came before
-- it. party is whose turn it is, an organization, a customer or a person. '' merges with
-- none. queued: a job that has not begun will apply this one, and what joins it has no job
-- of its own. fetch_time and fetch_bound are when the last attempt began, and the newest
-- event that there was then. waits: the delivery has to wait for something else.
ALTER TABLE inbox_deliveries
    ADD COLUMN IF NOT EXISTS party       text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS subject     text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS priority    smallint         NOT NULL DEFAULT 3,
    ADD COLUMN IF NOT EXISTS queued      boolean          NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS waits       boolean          NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS fetch_time  timestamptz,
    ADD COLUMN IF NOT EXISTS fetch_bound bigint;

-- CREATE INDEX CONCURRENTLY waits for the transactions that are under way and stops
-- nobody, so that it may wait for long.
SET lock_timeout = '10min';

DROP INDEX CONCURRENTLY IF EXISTS inbox_events_person;
CREATE INDEX CONCURRENTLY inbox_events_person ON inbox_events (person, id) WHERE person <> '';

DROP INDEX CONCURRENTLY IF EXISTS inbox_events_whole;
CREATE INDEX CONCURRENTLY inbox_events_whole ON inbox_events (id) WHERE reduce_time IS NULL;

DROP INDEX CONCURRENTLY IF EXISTS inbox_deliveries_pending;
CREATE INDEX CONCURRENTLY inbox_deliveries_pending ON inbox_deliveries (consumer, party, subject, event_id) WHERE state = 'pending';

DROP INDEX CONCURRENTLY IF EXISTS inbox_deliveries_queued;
CREATE INDEX CONCURRENTLY inbox_deliveries_queued ON inbox_deliveries (consumer, party, subject) WHERE state = 'pending' AND queued;

RESET lock_timeout;
