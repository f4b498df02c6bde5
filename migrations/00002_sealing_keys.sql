-- +goose Up

-- Keys that every server of an installation shares, one for each purpose, written
-- once by `migrate up`. They belong to no tenant.
CREATE TABLE sealing_keys (
    purpose     text        NOT NULL,
    key         bytea       NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT sealing_keys_pkey PRIMARY KEY (purpose),
    CONSTRAINT sealing_keys_key_length CHECK (octet_length(key) = 32)
);

REVOKE ALL ON sealing_keys FROM PUBLIC;
GRANT SELECT ON sealing_keys TO teamtask_runtime;
