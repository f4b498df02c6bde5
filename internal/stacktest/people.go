package stacktest

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

// People fills the tenant's directory with what is the same in every tenant but for the
// words: alice, bob and dana as members, and an invitation.
func (s *Stack) People(tenant, slug, words string) {
	s.T.Helper()
	batch := &pgx.Batch{}
	QueuePeople(batch, tenant, slug, words)
	s.SendBatch(batch)
}

// QueuePeople queues what People writes.
func QueuePeople(batch *pgx.Batch, tenant, slug, words string) {
	for _, table := range []string{"seats", "seat_holds", "members", "invitations", "organizations", "users"} {
		batch.Queue(`DELETE FROM `+pgx.Identifier{table}.Sanitize()+` WHERE tenant_id = $1`, tenant)
	}
	batch.Queue(`INSERT INTO users (tenant_id, name, email, ticket) VALUES ($1, $2, $2, 1)`, tenant, words)
	batch.Queue(`INSERT INTO organizations (tenant_id, slug, name, ticket) VALUES ($1, $2, $3, 1)`, tenant, slug, words)
	batch.Queue(`INSERT INTO members (tenant_id, user_id, membership_id, role, name, name_key, email, email_key, ticket)
		SELECT $1, user_id, 'orgmem_'||user_id, role, $2, lower($2), $2, lower($2), 1
		  FROM (VALUES ('user_alice', 'org:manager'), ('user_bob', 'org:member'), ('user_dana', 'org:admin'), ('user_z', lower($2))) AS v (user_id, role)`,
		tenant, words)
	batch.Queue(`INSERT INTO invitations (tenant_id, id, email, role, hold_seat, status, create_time, ticket)
		VALUES ($1, 'orginv_1', $2, 'org:member', false, 'pending', now(), 1)`, tenant, words)
}

// WithAndWithoutTheNet calls check over a database with row security and over one without:
// every statement names its tenant, and has to hold alone. That row security holds alone is
// tested in internal/tenancy.
func WithAndWithoutTheNet(t *testing.T, check func(t *testing.T, s *Stack)) {
	t.Helper()
	t.Run("with row security", func(t *testing.T) {
		t.Parallel()
		check(t, NewPaying(t, nil))
	})
	t.Run("by the statements alone", func(t *testing.T) {
		t.Parallel()
		check(t, NewPaying(t, nil).withoutRowSecurity())
	})
}
