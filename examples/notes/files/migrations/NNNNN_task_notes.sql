-- +goose Up

-- A note belongs to its tenant and is on a task of the same tenant. It goes with the task.
CREATE TABLE task_notes (
    tenant_id   text COLLATE "C" NOT NULL,
    id          uuid             NOT NULL,
    task_id     uuid             NOT NULL,
    text        text             NOT NULL,
    created_by  text COLLATE "C" NOT NULL,
    create_time timestamptz      NOT NULL DEFAULT now(),
    CONSTRAINT task_notes_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT task_notes_task FOREIGN KEY (tenant_id, task_id) REFERENCES tasks ON DELETE CASCADE,
    CONSTRAINT task_notes_text_length CHECK (char_length(text) BETWEEN 1 AND 2000)
);

-- The foreign key looks for the notes of a task that is deleted.
CREATE INDEX task_notes_task ON task_notes (tenant_id, task_id);

CREATE TRIGGER witness AFTER INSERT OR UPDATE OR DELETE ON task_notes
    FOR EACH ROW EXECUTE FUNCTION witness();

CALL confine('task_notes');
