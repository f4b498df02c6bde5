package billing

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/teamtask/teamtask/internal/audit"
	"github.com/teamtask/teamtask/internal/directory"
	"github.com/teamtask/teamtask/internal/licensing"
	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/stripe"
	"github.com/teamtask/teamtask/internal/tenancy"
	"github.com/teamtask/teamtask/migrations"
)

const (
	ours   = "org_ours"
	theirs = "org_theirs"

	week = 7 * 24 * time.Hour

	seatPrice = "price_seat"

	jobSettle = "licensing-settle" // of package licensing
)

// fixture is the licensing over a database of a test's own, with a directory that tells
// it what it writes, a Clerk and a Stripe in memory.
type fixture struct {
	*licensing.Licensing
	*Billing
	t         testing.TB
	database  pgtest.Database
	admin     *pgxpool.Pool // a superuser: it sees every tenant's rows
	directory *directory.Directory
	people    *people
	till      *till

	mu     sync.Mutex
	alarms []string
	ran    []string // the statements, where the test counts them
	log    bytes.Buffer
}

// setting is what a test wants otherwise.
type setting struct {
	grace       time.Duration // a week where it is nil
	connections int
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	return newFixtureWith(t, setting{grace: week, connections: 8})
}

func newFixtureWith(t testing.TB, s setting) *fixture {
	t.Helper()
	f := &fixture{t: t, database: pgtest.New(t), people: newPeople(), till: newTill()}
	db, err := tenancy.Open(t.Context(), tenancy.Options{
		// So many callers at once wait longer than the server lets them, on a slow machine.
		URL:        fmt.Sprintf("%s&pool_max_conns=%d&connect_timeout=60&lock_timeout=60s&statement_timeout=90s&idle_in_transaction_session_timeout=90s", f.database.AppURL, s.connections),
		Schema:     migrations.Latest(),
		Statements: slices.Concat(Statements, licensing.Statements, directory.Statements, audit.Statements),
		Trace:      f.trace,
	})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(db.Close)
	if f.admin, err = pgxpool.New(t.Context(), f.database.AdminURL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.admin.Close)
	client := f.till.stripe()
	f.Licensing = licensing.New(licensing.Options{DB: db, Billing: true, Directory: true, SoldPrice: SoldPrice(client), Grace: s.grace})
	f.Billing = New(Options{
		DB: db, Licensing: f.Licensing, Stripe: client, Clerk: f.people,
		AppURL: "https://app.test", Log: slog.New(slog.NewTextHandler(lockedWriter{f}, nil)), Alert: f.alarm,
	})
	f.directory = directory.New(directory.Options{DB: db, Clerk: f.people, Observer: f.Licensing, Ledger: true})
	return f
}

type lockedWriter struct{ f *fixture }

func (w lockedWriter) Write(p []byte) (int, error) {
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	return w.f.log.Write(p)
}

func (f *fixture) alarm(kind string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.alarms = append(f.alarms, kind)
}

// alarmed returns the alerts since it was asked last.
func (f *fixture) alarmed() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.alarms
	f.alarms = nil
	return all
}

func (f *fixture) trace(_ context.Context, name string) func(error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ran = append(f.ran, name)
	return func(error) {}
}

// statements returns what has run since it was asked last.
func (f *fixture) statements() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.ran
	f.ran = nil
	return all
}

func (f *fixture) exec(sql string, args ...any) {
	f.t.Helper()
	if _, err := f.admin.Exec(f.t.Context(), sql, args...); err != nil {
		f.t.Fatalf("%s: %v", sql, err)
	}
}

// put writes members of the organization past the directory, named like their ids.
func (f *fixture) put(org string, users ...string) {
	f.t.Helper()
	f.exec(`
		INSERT INTO members (tenant_id, user_id, membership_id, role, name, name_key, email, email_key, create_time, ticket)
		SELECT $1, u, 'orgmem_' || u, 'org:member', u, lower(u), u || '@A.test', lower(u) || '@a.test', now() - interval '1 year', 0
		  FROM unnest($2::text[]) AS u`, org, users)
	f.exec(`INSERT INTO directory_places (user_id, organization_id) SELECT unnest($2::text[]), $1 ON CONFLICT DO NOTHING`, org, users)
	f.exec(`INSERT INTO directory_tenants (id, person) VALUES ($1, false) ON CONFLICT DO NOTHING`, org)
	for _, user := range users {
		f.people.join(org, user)
	}
}

// persons are so many ids of people.
func persons(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("user_%04d", i))
	}
	return all
}

// boss gives seats and takes them.
func boss(org string) tenancy.Actor {
	return tenancy.Actor{
		User: "user_boss", Tenant: org, Organization: tenancy.Organization{ID: org}, Role: "org:admin",
		Permissions: tenancy.AllPermissions, IssuedAt: time.Now(),
	}
}

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// bought is a subscription as Stripe has it.
func bought(id, status string, quantity int64) stripe.Subscription {
	return stripe.Subscription{
		ID: id, Customer: "cus_1", Status: status, Quantity: quantity, Paid: quantity, Seats: true, Started: true,
		Cost: &stripe.Cost{Amount: 1500, Currency: "eur", Interval: "month", IntervalCount: 1}, CreateTime: epoch,
	}
}

// raised is a subscription with a raise to quantity that is not paid.
func raised(id, status string, paid, quantity int64) stripe.Subscription {
	s := bought(id, status, quantity)
	s.Paid = paid
	return s
}

// has keeps that Stripe has these subscriptions of the organization, and no others.
func (f *fixture) has(org string, all ...stripe.Subscription) {
	f.t.Helper()
	if err := f.keeps(f.t.Context(), org, all...); err != nil {
		f.t.Fatalf("keep %v: %v", all, err)
	}
}

func (f *fixture) keeps(ctx context.Context, org string, all ...stripe.Subscription) error {
	q, err := f.query(ctx, org)
	if err != nil {
		return err
	}
	return f.keepsWith(ctx, org, q.ticket, all...)
}

func (f *fixture) keepsWith(ctx context.Context, org string, ticket int64, all ...stripe.Subscription) error {
	found := &state{subscriptions: all}
	err := f.in(ctx, org, nil, func(tx *tenancy.Tx) error { return f.mergeState(ctx, tx, org, ticket, found) })
	if err == nil {
		f.raise(ctx, org, found)
	}
	return err
}

// gives has the boss give seats.
func (f *fixture) gives(org string, users ...string) {
	f.t.Helper()
	for _, user := range users {
		if _, _, err := f.Assign(f.t.Context(), boss(org), user); err != nil {
			f.t.Fatalf("assign to %s: %v", user, err)
		}
	}
}

func (f *fixture) takes(org string, users ...string) {
	f.t.Helper()
	for _, user := range users {
		if _, _, err := f.Revoke(f.t.Context(), boss(org), user); err != nil {
			f.t.Fatalf("revoke of %s: %v", user, err)
		}
	}
}
