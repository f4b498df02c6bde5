package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	seedTenants = 200 // beside the caller's own
	seedTasks   = 500 // in each

	tenant = "org_d2gamers" // of the caller
	caller = "alice"        // may do all that is measured, and holds a seat

	seedMembers = 100 // in each organization
)

// seedRow is a task as COPY takes it.
func seedRow(tenantID string, at time.Time, id uuid.UUID, texts *corpus, done bool) []any {
	return []any{tenantID, id, texts.name(), texts.description(), done, "user_" + caller, at, "user_" + caller, at}
}

// seed fills the tables as a year of work would: the tenants' tasks lie between each
// other. It answers ids of tasks of the caller's tenant, spread over all of them.
func seed(ctx context.Context, adminURL string) ([]string, error) {
	conn, err := pgx.Connect(ctx, adminURL)
	if err != nil {
		return nil, fmt.Errorf("connect to seed: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	rows := (seedTenants + 1) * seedTasks
	texts, begin := newCorpus(0), time.Now().AddDate(-1, 0, 0)
	step := time.Since(begin) / time.Duration(rows+1)
	var ids []string
	n := 0
	_, err = conn.CopyFrom(ctx, pgx.Identifier{"tasks"},
		[]string{"tenant_id", "id", "name", "description", "done", "created_by", "create_time", "updated_by", "update_time"},
		pgx.CopyFromFunc(func() ([]any, error) {
			if n == rows {
				return nil, nil
			}
			at := begin.Add(time.Duration(n) * step)
			id, inTenant := uuidAt(at, uint64(n)), n%(seedTenants+1)
			owner := tenant
			if inTenant != 0 {
				owner = fmt.Sprintf("org_bench%04d", inTenant)
			} else if number := n / (seedTenants + 1); number%(seedTasks/variants) == 0 && len(ids) < variants {
				ids = append(ids, id.String())
			}
			n++
			return seedRow(owner, at, id, texts, n%3 == 0), nil
		}))
	if err != nil {
		return nil, fmt.Errorf("seed: %w", err)
	}
	if err := seedDirectory(ctx, conn); err != nil {
		return nil, err
	}
	if err := seedLedger(ctx, conn); err != nil {
		return nil, err
	}
	for _, statement := range []string{"VACUUM (ANALYZE) tasks", "VACUUM (ANALYZE) members, organizations, standings, licenses, seats", "CHECKPOINT"} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return nil, fmt.Errorf("seed: %s: %w", statement, err)
		}
	}
	return ids, nil
}

// seedDirectory makes the organizations and their members known, the caller among them:
// every call asks for its caller's membership.
func seedDirectory(ctx context.Context, conn *pgx.Conn) error {
	for _, statement := range []string{`
		INSERT INTO organizations (tenant_id, slug, name, create_time, ticket)
		SELECT CASE n WHEN 0 THEN $1 ELSE 'org_bench' || lpad(n::text, 4, '0') END, '', 'Bench', now(), 1
		  FROM generate_series(0, $2::integer) n
		 WHERE $3::text <> '' AND $4::integer > 0`, `
		INSERT INTO members (tenant_id, user_id, membership_id, role, name, name_key, email, email_key, role_time, ticket)
		SELECT CASE n WHEN 0 THEN $1 ELSE 'org_bench' || lpad(n::text, 4, '0') END,
		       CASE m WHEN 0 THEN $3 ELSE 'user_' || m END, 'orgmem_' || m, 'org:manager', 'Name ' || m, 'name ' || m, '', '', now() - interval '1 day', 1
		  FROM generate_series(0, $2::integer) n, generate_series(0, $4::integer - 1) m`,
	} {
		if _, err := conn.Exec(ctx, statement, tenant, seedTenants, "user_"+caller, seedMembers); err != nil {
			return fmt.Errorf("seed the directory: %w", err)
		}
	}
	return nil
}

// uuidAt is a version 7 UUID of that time.
func uuidAt(at time.Time, tail uint64) uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:], uint64(at.UnixMilli())<<16)
	binary.BigEndian.PutUint64(id[8:], tail*0x9e3779b97f4a7c15) // looks like chance and is the same every time
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// seedLedger gives half of the members of each organization a seat, the caller among them.
func seedLedger(ctx context.Context, conn *pgx.Conn) error {
	for _, statement := range []string{`
		INSERT INTO licenses (tenant_id, status, working, purchased)
		SELECT tenant_id, 'active', true, $1
		  FROM organizations`, `
		INSERT INTO seats (tenant_id, user_id, assigned_by)
		SELECT tenant_id, user_id, 'user_admin'
		  FROM members
		 WHERE $1::integer > 0
		   AND (user_id = 'user_` + caller + `' OR hashtext(user_id) % 2 = 0)`,
	} {
		if _, err := conn.Exec(ctx, statement, seedMembers); err != nil {
			return fmt.Errorf("seed the ledger: %w", err)
		}
	}
	return nil
}
