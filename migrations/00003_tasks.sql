-- +goose Up

-- A task belongs to its tenant and to the person who created it. Ids are made by
-- the server, version 7 UUIDs, so that their order is the order of creation.
CREATE TABLE tasks (
    tenant_id   text COLLATE "C" NOT NULL,
    id          uuid             NOT NULL,
    name        text             NOT NULL,
    description text             NOT NULL,
    done        boolean          NOT NULL DEFAULT false,
    created_by  text COLLATE "C" NOT NULL,
    create_time timestamptz      NOT NULL DEFAULT now(),
    updated_by  text COLLATE "C" NOT NULL,
    update_time timestamptz      NOT NULL DEFAULT now(),
    revision    bigint           NOT NULL DEFAULT 1,
    CONSTRAINT tasks_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT tasks_name_length CHECK (char_length(name) BETWEEN 1 AND 200),
    CONSTRAINT tasks_description_length CHECK (char_length(description) <= 10000)
);

CREATE INDEX tasks_created_by ON tasks (tenant_id, created_by, id);

CALL confine('tasks');

-- The request ids of CreateTask, remembered for 24 hours. No foreign key to tasks:
-- a repeated request must not make a task again that was deleted meanwhile.
CREATE TABLE task_requests (
    tenant_id    text COLLATE "C" NOT NULL,
    user_id      text COLLATE "C" NOT NULL,
    request_id   text COLLATE "C" NOT NULL,
    request_hash bytea            NOT NULL,
    task_id      uuid             NOT NULL,
    create_time  timestamptz      NOT NULL DEFAULT now(),
    CONSTRAINT task_requests_pkey PRIMARY KEY (tenant_id, user_id, request_id)
);

CREATE INDEX task_requests_age ON task_requests (tenant_id, create_time);

CALL confine('task_requests');
