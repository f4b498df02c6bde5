-- +goose NO TRANSACTION
-- +goose Up

-- This file may be run again after it was interrupted: the statements below do what is
-- still to be done.

-- The rows that were there before the triggers of the last file. A row that is locked is
-- left for the next round, and no more than one batch of rows is locked at once: nobody
-- waits long, and this waits for nobody.
-- +goose StatementBegin
DO $$
DECLARE
    batch  CONSTANT integer := 1000;
    place  record;
    m      record;
    looked integer;
    missed boolean;
BEGIN
    LOOP
        missed := false;
        SELECT '' AS tenant_id, '' AS user_id INTO place;
        LOOP
            looked := 0;
            FOR m IN
                SELECT tenant_id, user_id
                  FROM members
                 WHERE (tenant_id, user_id) > (place.tenant_id, place.user_id)
                 ORDER BY tenant_id, user_id
                 LIMIT batch
            LOOP
                looked := looked + 1;
                place := m;
                PERFORM FROM members
                  WHERE tenant_id = m.tenant_id AND user_id = m.user_id
                    FOR NO KEY UPDATE SKIP LOCKED;
                IF NOT FOUND THEN
                    missed := true;
                    CONTINUE;
                END IF;
                -- A statement of its own: it sees the seats that were given before the lock.
                UPDATE members u
                   SET email_first = left(email_key, 1),
                       holds_seat = EXISTS (SELECT FROM seats s WHERE s.tenant_id = m.tenant_id AND s.user_id = m.user_id)
                 WHERE tenant_id = m.tenant_id AND user_id = m.user_id
                   AND (email_first, holds_seat) IS DISTINCT FROM (left(email_key, 1),
                       EXISTS (SELECT FROM seats s WHERE s.tenant_id = m.tenant_id AND s.user_id = m.user_id));
            END LOOP;
            COMMIT;
            EXIT WHEN looked < batch;
        END LOOP;
        EXIT WHEN NOT missed;
        PERFORM pg_sleep(0.02);
    END LOOP;
END
$$;
-- +goose StatementEnd

-- CREATE INDEX CONCURRENTLY waits for the transactions that are under way and stops
-- nobody, so that it may wait for long.
SET lock_timeout = '10min';

-- One that was interrupted leaves an index that is not valid under its name, which IF NOT
-- EXISTS would take for the index. It is renamed, which locks nobody out, and dropped.
-- +goose StatementBegin
DO $$
DECLARE
    broken name;
BEGIN
    FOR broken IN
        SELECT c.relname
          FROM pg_index i
          JOIN pg_class c ON c.oid = i.indexrelid
         WHERE NOT i.indisvalid
           AND c.relnamespace = 'public'::regnamespace
           AND c.relname IN ('tasks_done', 'tasks_created_by_done',
                            'members_by_role', 'members_by_seat', 'members_by_email_first',
                            'audit_events_actor_refused', 'audit_events_method_refused')
    LOOP
        EXECUTE format('ALTER INDEX public.%I RENAME TO %I', broken, broken || '_broken');
    END LOOP;
END
$$;
-- +goose StatementEnd

DROP INDEX CONCURRENTLY IF EXISTS tasks_done_broken;
CREATE INDEX CONCURRENTLY IF NOT EXISTS tasks_done ON tasks (tenant_id, done, id);

DROP INDEX CONCURRENTLY IF EXISTS tasks_created_by_done_broken;
CREATE INDEX CONCURRENTLY IF NOT EXISTS tasks_created_by_done ON tasks (tenant_id, created_by, done, id);

DROP INDEX CONCURRENTLY IF EXISTS members_by_role_broken;
CREATE INDEX CONCURRENTLY IF NOT EXISTS members_by_role ON members (tenant_id, role, name_key, user_id) WHERE remove_time IS NULL;

DROP INDEX CONCURRENTLY IF EXISTS members_by_seat_broken;
CREATE INDEX CONCURRENTLY IF NOT EXISTS members_by_seat ON members (tenant_id, holds_seat, name_key, user_id) WHERE remove_time IS NULL;

DROP INDEX CONCURRENTLY IF EXISTS members_by_email_first_broken;
CREATE INDEX CONCURRENTLY IF NOT EXISTS members_by_email_first ON members (tenant_id, email_first, name_key, user_id) WHERE remove_time IS NULL;

DROP INDEX CONCURRENTLY IF EXISTS audit_events_actor_refused_broken;
CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_events_actor_refused ON audit_events (tenant_id, actor, outcome, id) WHERE outcome <> 'ok';

DROP INDEX CONCURRENTLY IF EXISTS audit_events_method_refused_broken;
CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_events_method_refused ON audit_events (tenant_id, method, outcome, id) WHERE outcome <> 'ok';

RESET lock_timeout;

DROP POLICY IF EXISTS backfill ON members;
DROP POLICY IF EXISTS backfill ON seats;
