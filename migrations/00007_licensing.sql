-- +goose Up

-- seated is a person with a seat that works: what every call that needs one asks. Every
-- transaction reads standings before anything else, so that this comes before whatever
-- locks another table: then neither waits for the other.
ALTER TABLE standings ADD COLUMN seated boolean NOT NULL DEFAULT false;

-- licensed_doubt is set while Clerk's metadata are written and until they are read again: no
-- later than then the write has arrived, whatever becomes of who made it.
ALTER TABLE members ADD COLUMN licensed_doubt timestamptz;

-- What organizations have bought in Stripe, and whom they have given a seat. Stripe stays
-- the source of truth for what is bought: what an event says is fetched, and written only
-- where the ticket taken before the fetch is newer than the last one written. Who holds a
-- seat is decided here and nowhere else.

CREATE SEQUENCE licensing_tickets;
GRANT USAGE ON SEQUENCE licensing_tickets TO teamtask_runtime;

-- One row an organization. It is the lock that everybody takes who changes seats, holds or
-- what is bought. assigned and held are the numbers of rows in seats and seat_holds, kept
-- by triggers. status, working, purchased and frozen are made of the subscriptions; frozen
-- means that one of them is in a status we have no word for, so that nothing new is given.
--
-- grace_last_time is when the latest time of grace ends, or would have: one that begins anew
-- before then ends there, so that grace is not renewed by buying more for a moment.
--
-- customer_key is the idempotency key with which the customer is made at Stripe, stored
-- with what is sent before it is sent; so is checkout_key for the page where seats are
-- bought, with what is sent to make it (checkout_for, JSON).
CREATE TABLE licenses (
    tenant_id          text COLLATE "C" NOT NULL,
    customer_id        text COLLATE "C",
    customer_key       text COLLATE "C",
    customer_key_time  timestamptz,
    customer_name      text             NOT NULL DEFAULT '',
    status             text COLLATE "C" NOT NULL DEFAULT 'none',
    working            boolean          NOT NULL DEFAULT false,
    frozen             boolean          NOT NULL DEFAULT false,
    purchased          integer          NOT NULL DEFAULT 0,
    assigned           integer          NOT NULL DEFAULT 0,
    held               integer          NOT NULL DEFAULT 0,
    grace_end_time     timestamptz,
    grace_last_time    timestamptz,
    suspend_time       timestamptz,
    ticket             bigint           NOT NULL DEFAULT 0,
    checkout_key       text COLLATE "C",
    checkout_for       text COLLATE "C" NOT NULL DEFAULT '',
    checkout_time      timestamptz,
    checkout_id        text COLLATE "C",
    CONSTRAINT licenses_pkey PRIMARY KEY (tenant_id),
    CONSTRAINT licenses_purchased CHECK (purchased >= 0),
    CONSTRAINT licenses_assigned CHECK (assigned >= 0),
    CONSTRAINT licenses_held CHECK (held >= 0),
    CONSTRAINT licenses_working CHECK (working OR purchased = 0),
    CONSTRAINT licenses_suspended CHECK (NOT working OR suspend_time IS NULL)
);

CALL confine('licenses', 'SELECT, INSERT, UPDATE');

-- A subscription as Stripe says it is. seats is what it counts for: quantity where it is
-- live and its first invoice is paid. known_status is the last one that we have a word for.
CREATE TABLE subscriptions (
    tenant_id               text COLLATE "C" NOT NULL,
    id                      text COLLATE "C" NOT NULL,
    customer_id             text COLLATE "C" NOT NULL,
    status                  text COLLATE "C" NOT NULL,
    known_status            text COLLATE "C" NOT NULL,
    quantity                integer          NOT NULL,
    seats                   integer          NOT NULL,
    unit_amount             integer          NOT NULL,
    currency                text COLLATE "C" NOT NULL,
    interval                text COLLATE "C" NOT NULL,
    create_time             timestamptz      NOT NULL,
    current_period_end_time timestamptz,
    trial_end_time          timestamptz,
    cancel_time             timestamptz,
    CONSTRAINT subscriptions_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT subscriptions_license FOREIGN KEY (tenant_id) REFERENCES licenses (tenant_id),
    CONSTRAINT subscriptions_quantity CHECK (quantity >= 0),
    CONSTRAINT subscriptions_seats CHECK (seats BETWEEN 0 AND quantity)
);

CALL confine('subscriptions', 'SELECT, INSERT, UPDATE');

-- Who holds a seat. carried is a seat that was counted before it came here: taken over
-- from Clerk's flags, or from a hold.
CREATE TABLE seats (
    tenant_id   text COLLATE "C" NOT NULL,
    user_id     text COLLATE "C" NOT NULL,
    assign_time timestamptz      NOT NULL DEFAULT now(),
    assigned_by text COLLATE "C" NOT NULL,
    carried     boolean          NOT NULL DEFAULT false,
    CONSTRAINT seats_pkey PRIMARY KEY (tenant_id, user_id),
    CONSTRAINT seats_license FOREIGN KEY (tenant_id) REFERENCES licenses (tenant_id),
    CONSTRAINT seats_member FOREIGN KEY (tenant_id, user_id) REFERENCES members (tenant_id, user_id)
);

CALL confine('seats', 'SELECT, INSERT, DELETE');

-- For which invitation a seat is kept.
CREATE TABLE seat_holds (
    tenant_id     text COLLATE "C" NOT NULL,
    invitation_id text COLLATE "C" NOT NULL,
    hold_time     timestamptz      NOT NULL DEFAULT now(),
    CONSTRAINT seat_holds_pkey PRIMARY KEY (tenant_id, invitation_id),
    CONSTRAINT seat_holds_license FOREIGN KEY (tenant_id) REFERENCES licenses (tenant_id),
    CONSTRAINT seat_holds_invitation FOREIGN KEY (tenant_id, invitation_id) REFERENCES invitations (tenant_id, id)
);

CALL confine('seat_holds', 'SELECT, INSERT, DELETE');

-- Which organization a customer of Stripe's is: what must be found before a tenant is
-- known. It holds ids alone. A customer that was deleted stays, and its organization may
-- have another one.
CREATE TABLE licensing_customers (
    customer_id     text COLLATE "C" NOT NULL,
    organization_id text COLLATE "C" NOT NULL,
    CONSTRAINT licensing_customers_pkey PRIMARY KEY (customer_id)
);

CREATE INDEX licensing_customers_organization ON licensing_customers (organization_id, customer_id);

REVOKE ALL ON licensing_customers FROM PUBLIC;
GRANT SELECT, INSERT ON licensing_customers TO teamtask_runtime;

-- As before, and it leaves seated alone, which is the ledger's.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION stand() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    s public.standings;
BEGIN
    s.tenant_id := NEW.tenant_id;
    s.seated := false;
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

-- seat counts the seats that a statement gives or takes, and says so to standings. A seat
-- that is not paid for is refused, whoever gives it and whatever they have locked.
--
-- The license is written once a statement: every version of a row that a transaction
-- leaves makes its next one dearer. standings are written one by one, and not by a join
-- with changed, which would be planned for as many as the session's first statement had.
-- +goose StatementBegin
CREATE FUNCTION seat() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given  boolean := TG_OP = 'INSERT';
    c      record;
    paid   boolean;
    works  boolean;
    member text;
BEGIN
    FOR c IN
        SELECT tenant_id, count(*) AS seats, bool_and(carried) AS carried, array_agg(user_id) AS members
          FROM changed
         GROUP BY tenant_id
         ORDER BY tenant_id
    LOOP
        UPDATE public.licenses
           SET assigned = assigned + CASE WHEN given THEN c.seats ELSE -c.seats END
         WHERE tenant_id = c.tenant_id
        RETURNING NOT frozen AND assigned + held <= purchased, given AND working INTO paid, works;
        IF given AND NOT c.carried AND NOT paid THEN
            RAISE EXCEPTION USING ERRCODE = 'TT030', MESSAGE = 'the seat is not paid for';
        END IF;
        FOREACH member IN ARRAY c.members LOOP
            UPDATE public.standings SET seated = works WHERE tenant_id = c.tenant_id AND user_id = member;
        END LOOP;
    END LOOP;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

-- hold counts the seats that are kept for people who are invited, likewise.
-- +goose StatementBegin
CREATE FUNCTION hold() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given boolean := TG_OP = 'INSERT';
    c     record;
    paid  boolean;
BEGIN
    FOR c IN
        SELECT tenant_id, count(*) AS seats
          FROM changed
         GROUP BY tenant_id
         ORDER BY tenant_id
    LOOP
        UPDATE public.licenses
           SET held = held + CASE WHEN given THEN c.seats ELSE -c.seats END
         WHERE tenant_id = c.tenant_id
        RETURNING NOT frozen AND assigned + held <= purchased INTO paid;
        IF given AND NOT paid THEN
            RAISE EXCEPTION USING ERRCODE = 'TT030', MESSAGE = 'the seat is not paid for';
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

-- suspend says to standings that all seats of an organization stop or begin to work.
-- +goose StatementBegin
CREATE FUNCTION suspend() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE public.standings s
       SET seated = NEW.working
      FROM public.seats h
     WHERE h.tenant_id = NEW.tenant_id AND s.tenant_id = h.tenant_id AND s.user_id = h.user_id;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION seat(), hold(), suspend() FROM PUBLIC;

CREATE TRIGGER seat_given AFTER INSERT ON seats REFERENCING NEW TABLE AS changed EXECUTE FUNCTION seat();
CREATE TRIGGER seat_taken AFTER DELETE ON seats REFERENCING OLD TABLE AS changed EXECUTE FUNCTION seat();
CREATE TRIGGER hold_given AFTER INSERT ON seat_holds REFERENCING NEW TABLE AS changed EXECUTE FUNCTION hold();
CREATE TRIGGER hold_taken AFTER DELETE ON seat_holds REFERENCING OLD TABLE AS changed EXECUTE FUNCTION hold();
CREATE TRIGGER suspend AFTER UPDATE ON licenses
    FOR EACH ROW WHEN (OLD.working IS DISTINCT FROM NEW.working) EXECUTE FUNCTION suspend();

CREATE TRIGGER witness AFTER INSERT OR UPDATE OR DELETE ON seats
    FOR EACH ROW EXECUTE FUNCTION witness();
