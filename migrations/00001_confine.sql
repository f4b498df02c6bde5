-- +goose Up

-- confine puts a tenant table behind row security: forced, so that the owner is
-- bound too, with one policy that shows the runtime role the rows of the tenant
-- that the transaction is scoped to, and no row where it is scoped to none.
-- Every migration that makes a tenant table ends with CALL confine('table').
--
-- It refuses a table that could leak although it is confined: a primary key, a
-- unique key or a foreign key that does not lead with tenant_id, on either end, tells
-- one tenant what another one holds.
-- +goose StatementBegin
CREATE PROCEDURE confine(tenant_table regclass, granted text DEFAULT 'SELECT, INSERT, UPDATE, DELETE')
LANGUAGE plpgsql
SET search_path = pg_catalog, public
AS $$
DECLARE
    offender text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_index WHERE indrelid = tenant_table AND indisprimary) THEN
        RAISE EXCEPTION 'confine: % has no primary key', tenant_table;
    END IF;

    SELECT c.relname INTO offender
      FROM pg_index i
      JOIN pg_class c ON c.oid = i.indexrelid
      LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
     WHERE i.indrelid = tenant_table
       AND (i.indisunique OR i.indisexclusion)
       AND a.attname IS DISTINCT FROM 'tenant_id'
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'confine: key % of % does not lead with tenant_id', offender, tenant_table;
    END IF;

    SELECT f.conname INTO offender
      FROM pg_constraint f
      JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1]
      JOIN pg_attribute b ON b.attrelid = f.confrelid AND b.attnum = f.confkey[1]
     WHERE f.conrelid = tenant_table
       AND f.contype = 'f'
       AND (a.attname <> 'tenant_id' OR b.attname <> 'tenant_id')
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'confine: foreign key % of % does not lead with tenant_id', offender, tenant_table;
    END IF;

    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format(
        'CREATE POLICY tenant ON %s TO teamtask_runtime'
        ' USING (tenant_id = NULLIF(current_setting(''app.tenant_id'', true), ''''))'
        ' WITH CHECK (tenant_id = NULLIF(current_setting(''app.tenant_id'', true), ''''))',
        tenant_table);
    EXECUTE format('REVOKE ALL ON %s FROM PUBLIC, teamtask_runtime', tenant_table);
    EXECUTE format('GRANT %s ON %s TO teamtask_runtime', granted, tenant_table);
END
$$;
-- +goose StatementEnd

REVOKE ALL ON PROCEDURE confine(regclass, text) FROM PUBLIC;

-- refuse ends the transaction with an SQLSTATE of ours, which the server turns
-- into the refusal that it stands for. It never returns.
-- +goose StatementBegin
CREATE FUNCTION refuse(code text, words text) RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog
AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = code, MESSAGE = words;
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION refuse(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION refuse(text, text) TO teamtask_runtime;
GRANT USAGE ON SCHEMA public TO teamtask_runtime;
