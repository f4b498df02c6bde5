-- +goose Up

-- A task has at most one note. It belongs to the tenant of the task and goes with the task.
CREATE TABLE task_notes (
    tenant_id   text COLLATE "C" NOT NULL,
    task_id     uuid             NOT NULL,
    text        text             NOT NULL,
    updated_by  text COLLATE "C" NOT NULL,
    update_time timestamptz      NOT NULL DEFAULT now(),
    CONSTRAINT task_notes_pkey PRIMARY KEY (tenant_id, task_id),
    CONSTRAINT task_notes_task FOREIGN KEY (tenant_id, task_id) REFERENCES tasks ON DELETE CASCADE,
    CONSTRAINT task_notes_text_length CHECK (char_length(text) BETWEEN 1 AND 2000)
);

CREATE TRIGGER witness AFTER INSERT OR UPDATE OR DELETE ON task_notes
    FOR EACH ROW EXECUTE FUNCTION witness();

CALL confine('task_notes');
