-- +goose Up

-- What was done in a tenant, and what was tried and refused: one line a call. Lines
-- are written and read, never changed, and removed after 400 days by expire_audit
-- alone.
--
-- An id is a version 7 UUID of the line's time, so that pages, which go by id, and
-- times, which filters go by, are in the same order and one index serves both.
CREATE TABLE audit_events (
    tenant_id    text COLLATE "C" NOT NULL,
    id           uuid             NOT NULL DEFAULT (lpad(to_hex(floor(extract(epoch FROM now()) * 1000)::bigint), 12, '0')
                                      || '-7' || substr(gen_random_uuid()::text, 16))::uuid,
    time         timestamptz      NOT NULL DEFAULT now(),
    actor        text COLLATE "C" NOT NULL,
    impersonator text COLLATE "C" NOT NULL,
    method       text COLLATE "C" NOT NULL,
    target       text COLLATE "C" NOT NULL,
    outcome      text COLLATE "C" NOT NULL,
    reason       text COLLATE "C" NOT NULL,
    request_id   text COLLATE "C" NOT NULL,
    details      jsonb            NOT NULL,
    CONSTRAINT audit_events_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT audit_events_details_object CHECK (jsonb_typeof(details) = 'object')
);

CREATE INDEX audit_events_actor ON audit_events (tenant_id, actor, id);
CREATE INDEX audit_events_method ON audit_events (tenant_id, method, id);
CREATE INDEX audit_events_outcome ON audit_events (tenant_id, outcome, id) WHERE outcome <> 'ok';
CREATE INDEX audit_events_time ON audit_events USING brin (time); -- for expire_audit; lines come in the order of their time

CALL confine('audit_events', 'SELECT, INSERT');

-- expire_audit removes up to so many lines, of any tenant, all older than 400 days, and
-- answers how many it removed. It runs as teamtask_expiry, which nobody logs in as and
-- which row security shows no younger line: that role can do no more than the function.
GRANT SELECT, DELETE ON audit_events TO teamtask_expiry;
CREATE POLICY expiry ON audit_events TO teamtask_expiry
    USING (time < now() - interval '400 days');

-- +goose StatementBegin
CREATE FUNCTION expire_audit(at_most integer) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    WITH expired AS (
        DELETE FROM public.audit_events e
         USING (SELECT tenant_id, id
                  FROM public.audit_events
                 WHERE time < now() - interval '400 days'
                 LIMIT at_most) AS old
         WHERE e.tenant_id = old.tenant_id AND e.id = old.id
        RETURNING e.id
    )
    SELECT count(*) FROM expired
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION expire_audit(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expire_audit(integer) TO teamtask_runtime;
-- A new owner must be able to make what it is to own; only while it is handed over.
GRANT USAGE, CREATE ON SCHEMA public TO teamtask_expiry;
ALTER FUNCTION expire_audit(integer) OWNER TO teamtask_expiry;
REVOKE CREATE ON SCHEMA public FROM teamtask_expiry;

-- witness marks the transaction as one that has changed something: from here to its end
-- the setting app.changed is 'on', and the audit line that travels behind the statement
-- is written. A transaction id says less: it is also given out for a lock, and for a
-- change that gave way to another one.
-- It runs for every row that is written, so it pins no search_path, which would cost more
-- than all the rest of it, and names its one function in full.
-- +goose StatementBegin
CREATE FUNCTION witness() RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
    said text;
BEGIN
    said := pg_catalog.set_config('app.changed', 'on', true);
    RETURN NULL;
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION witness() FROM PUBLIC;

-- Every table whose change is what a call is about has the trigger. task_requests has
-- not: a request id that is swept, locked or remembered is no change by itself.
CREATE TRIGGER witness AFTER INSERT OR UPDATE OR DELETE ON tasks
    FOR EACH ROW EXECUTE FUNCTION witness();
