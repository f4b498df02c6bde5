-- +goose Up

-- What lists of members are filtered by beside a role: whether the member holds a seat,
-- and the first character of the address as it is searched by. Both are kept by the
-- triggers below, so that servers that do not know the columns keep them too.
ALTER TABLE members
    ADD COLUMN holds_seat  boolean          NOT NULL DEFAULT false,
    ADD COLUMN email_first text COLLATE "C" NOT NULL DEFAULT '';

-- +goose StatementBegin
CREATE FUNCTION member_email_first() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.email_first := left(NEW.email_key, 1);
    RETURN NEW;
END
$$;
-- +goose StatementEnd

CREATE TRIGGER email_first BEFORE INSERT OR UPDATE OF email_key ON members
    FOR EACH ROW EXECUTE FUNCTION member_email_first();

-- member_holds_seat writes members one by one, as seat() writes standings. Every
-- transaction that writes members holds the lock of the license first, as this one does,
-- so that neither waits for the other.
-- +goose StatementBegin
CREATE FUNCTION member_holds_seat() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    c record;
BEGIN
    FOR c IN SELECT tenant_id, user_id FROM changed ORDER BY tenant_id, user_id LOOP
        UPDATE public.members
           SET holds_seat = TG_OP = 'INSERT'
         WHERE tenant_id = c.tenant_id AND user_id = c.user_id;
    END LOOP;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION member_email_first(), member_holds_seat() FROM PUBLIC;

CREATE TRIGGER holds_seat_given AFTER INSERT ON seats REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION member_holds_seat();
CREATE TRIGGER holds_seat_taken AFTER DELETE ON seats REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION member_holds_seat();

-- As before, and a change of what standings do not hold leaves them alone.
CREATE OR REPLACE TRIGGER stand AFTER INSERT OR UPDATE OF role, role_time, remove_time ON members
    FOR EACH ROW EXECUTE FUNCTION stand();

-- Row security binds the owner too. The next file fills the columns of the rows that are
-- there and ends with dropping these policies.
CREATE POLICY backfill ON members TO CURRENT_USER USING (true);
CREATE POLICY backfill ON seats FOR SELECT TO CURRENT_USER USING (true);
