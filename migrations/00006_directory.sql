-- +goose Up

-- Our copy of what Clerk knows of organizations, their members and invitations. Clerk
-- stays the source of truth; what an event says is fetched, and written only where the
-- ticket taken before the fetch is newer than the last one written.
CREATE SEQUENCE directory_tickets;
GRANT USAGE ON SEQUENCE directory_tickets TO teamtask_runtime;

-- A row with delete_time is a person who is gone; it stays, so that what comes late does
-- not bring them back. It belongs to the person's own workspace.
CREATE TABLE users (
    tenant_id   text COLLATE "C" NOT NULL,
    name        text             NOT NULL,
    email       text             NOT NULL,
    create_time timestamptz,
    delete_time timestamptz,
    ticket      bigint           NOT NULL,
    CONSTRAINT users_pkey PRIMARY KEY (tenant_id)
);

CALL confine('users', 'SELECT, INSERT, UPDATE');

-- A row with delete_time is an organization that is gone.
CREATE TABLE organizations (
    tenant_id   text COLLATE "C" NOT NULL,
    slug        text             NOT NULL,
    name        text             NOT NULL,
    create_time timestamptz,
    delete_time timestamptz,
    ticket      bigint           NOT NULL,
    CONSTRAINT organizations_pkey PRIMARY KEY (tenant_id)
);

CALL confine('organizations', 'SELECT, INSERT, UPDATE');

-- A row with remove_time is somebody who is not a member any more. role_time is when the
-- role was first seen to be what it is. name_key and email_key are name and email
-- as they are sorted and searched by: without case, in the order of their bytes. licensed
-- is what Clerk's metadata of the membership say, a copy of what the ledger decides.
CREATE TABLE members (
    tenant_id     text COLLATE "C" NOT NULL,
    user_id       text COLLATE "C" NOT NULL,
    membership_id text COLLATE "C" NOT NULL,
    role          text COLLATE "C" NOT NULL,
    name          text             NOT NULL,
    name_key      text COLLATE "C" NOT NULL,
    email         text             NOT NULL,
    email_key     text COLLATE "C" NOT NULL,
    licensed      boolean          NOT NULL DEFAULT false,
    create_time   timestamptz,
    role_time     timestamptz,
    remove_time   timestamptz,
    ticket        bigint           NOT NULL,
    CONSTRAINT members_pkey PRIMARY KEY (tenant_id, user_id)
);

CREATE INDEX members_by_name ON members (tenant_id, name_key, user_id) WHERE remove_time IS NULL;
CREATE INDEX members_by_email ON members (tenant_id, email_key) WHERE remove_time IS NULL;

CALL confine('members', 'SELECT, INSERT, UPDATE');

-- Status is Clerk's, or 'gone' where Clerk does not know the invitation any more.
CREATE TABLE invitations (
    tenant_id   text COLLATE "C" NOT NULL,
    id          text COLLATE "C" NOT NULL,
    email       text             NOT NULL,
    role        text COLLATE "C" NOT NULL,
    hold_seat   boolean          NOT NULL,
    status      text COLLATE "C" NOT NULL,
    create_time timestamptz      NOT NULL,
    expire_time timestamptz,
    ticket      bigint           NOT NULL,
    CONSTRAINT invitations_pkey PRIMARY KEY (tenant_id, id)
);

CREATE INDEX invitations_newest ON invitations (tenant_id, create_time, id) WHERE status <> 'gone';

CALL confine('invitations', 'SELECT, INSERT, UPDATE');

-- What every call asks, in one place and narrow: where a person stands in a tenant.
-- user_id '' stands for everybody in an organization, and has no role; in their own
-- workspace a person has none either. Written by the triggers below alone.
CREATE TABLE standings (
    tenant_id   text COLLATE "C" NOT NULL,
    user_id     text COLLATE "C" NOT NULL,
    role        text COLLATE "C" NOT NULL,
    role_time   timestamptz,
    remove_time timestamptz,
    CONSTRAINT standings_pkey PRIMARY KEY (tenant_id, user_id)
);

CALL confine('standings', 'SELECT, INSERT, UPDATE');

-- +goose StatementBegin
CREATE FUNCTION stand() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    s public.standings;
BEGIN
    s.tenant_id := NEW.tenant_id;
    IF TG_TABLE_NAME = 'members' THEN
        s.user_id := NEW.user_id;
        s.role := NEW.role;
        s.role_time := NEW.role_time;
        s.remove_time := NEW.remove_time;
    ELSE
        s.user_id := CASE TG_TABLE_NAME WHEN 'users' THEN NEW.tenant_id ELSE '' END;
        s.role := '';
        s.remove_time := NEW.delete_time;
    END IF;
    INSERT INTO public.standings VALUES (s.*)
    ON CONFLICT (tenant_id, user_id) DO UPDATE
       SET role = excluded.role, role_time = excluded.role_time, remove_time = excluded.remove_time;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION stand() FROM PUBLIC;

CREATE TRIGGER stand AFTER INSERT OR UPDATE ON members FOR EACH ROW EXECUTE FUNCTION stand();
CREATE TRIGGER stand AFTER INSERT OR UPDATE ON organizations FOR EACH ROW EXECUTE FUNCTION stand();
CREATE TRIGGER stand AFTER INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION stand();

-- Where a person is, or was, a member: what must be found before a tenant is known. It
-- holds ids alone.
CREATE TABLE directory_places (
    user_id         text COLLATE "C" NOT NULL,
    organization_id text COLLATE "C" NOT NULL,
    CONSTRAINT directory_places_pkey PRIMARY KEY (user_id, organization_id)
);

REVOKE ALL ON directory_places FROM PUBLIC;
GRANT SELECT, INSERT ON directory_places TO teamtask_runtime;

-- Every organization and every person that was ever kept: what must be found where no
-- tenant is known. It holds ids alone.
CREATE TABLE directory_tenants (
    id     text COLLATE "C" NOT NULL,
    person boolean          NOT NULL,
    CONSTRAINT directory_tenants_pkey PRIMARY KEY (person, id)
);

REVOKE ALL ON directory_tenants FROM PUBLIC;
GRANT SELECT, INSERT ON directory_tenants TO teamtask_runtime;

-- People who are gone, so that a fetch that began before does not bring them back.
CREATE TABLE directory_gone (
    user_id text COLLATE "C" NOT NULL,
    ticket  bigint           NOT NULL,
    CONSTRAINT directory_gone_pkey PRIMARY KEY (user_id)
);

REVOKE ALL ON directory_gone FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE ON directory_gone TO teamtask_runtime;
