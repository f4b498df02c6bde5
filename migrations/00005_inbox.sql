-- +goose Up

-- Signed events from outside, as they came: each once, whoever sends it how often.
-- They belong to no tenant: what an event is about is known only when it is applied.
-- A row is never changed, and is removed 90 days after it came.
CREATE TABLE inbox_events (
    id           bigint           GENERATED ALWAYS AS IDENTITY,
    provider     text COLLATE "C" NOT NULL,
    external_id  text COLLATE "C" NOT NULL,
    kind         text COLLATE "C" NOT NULL, -- empty: signed, but not to be read
    instance     text COLLATE "C" NOT NULL,
    body         bytea            NOT NULL,
    receive_time timestamptz      NOT NULL,
    CONSTRAINT inbox_events_pkey PRIMARY KEY (id),
    CONSTRAINT inbox_events_once UNIQUE (provider, external_id)
);

CREATE INDEX inbox_events_age ON inbox_events (receive_time);

REVOKE ALL ON inbox_events FROM PUBLIC;
GRANT SELECT, INSERT, DELETE ON inbox_events TO teamtask_runtime;

-- What has become of an event with each consumer that wants it. done is set in the
-- transaction of the effect.
CREATE TABLE inbox_deliveries (
    event_id    bigint           NOT NULL,
    consumer    text COLLATE "C" NOT NULL,
    state       text COLLATE "C" NOT NULL DEFAULT 'pending',
    attempts    integer          NOT NULL DEFAULT 0, -- that failed, since it was last set to pending
    last_error  text             NOT NULL DEFAULT '',
    replays     integer          NOT NULL DEFAULT 0,
    wait_time   timestamptz      NOT NULL DEFAULT now(), -- when it was last set to pending
    update_time timestamptz      NOT NULL DEFAULT now(),
    CONSTRAINT inbox_deliveries_pkey PRIMARY KEY (event_id, consumer),
    CONSTRAINT inbox_deliveries_event FOREIGN KEY (event_id) REFERENCES inbox_events (id) ON DELETE CASCADE,
    CONSTRAINT inbox_deliveries_state CHECK (state IN ('pending', 'done', 'failed'))
);

CREATE INDEX inbox_deliveries_open ON inbox_deliveries (state, wait_time) WHERE state <> 'done';

REVOKE ALL ON inbox_deliveries FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE ON inbox_deliveries TO teamtask_runtime;
