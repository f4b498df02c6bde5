-- +goose Up

-- People who are members and cannot sign in any more: 'banned', or 'deprovisioned' by a
-- directory. They are given no seat. It holds ids alone, and is read wherever a person is a
-- member. Written with the person's own row.
CREATE TABLE directory_barred (
    user_id text COLLATE "C" NOT NULL,
    why     text COLLATE "C" NOT NULL,
    CONSTRAINT directory_barred_pkey PRIMARY KEY (user_id)
);

REVOKE ALL ON directory_barred FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON directory_barred TO teamtask_runtime;

-- user_id is whose the invitation is, '' where that is not known: the person who accepted it,
-- or a member with its address. accept_time is when it was first seen to be accepted.
ALTER TABLE invitations ADD COLUMN user_id text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE invitations ADD COLUMN accept_time timestamptz;
