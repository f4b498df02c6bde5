package tasks

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/tenancy"
	"github.com/teamtask/teamtask/migrations"
)

// superuser is a superuser's connection.
func superuser(t *testing.T, db pgtest.Database) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), db.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// A member who is removed while their change waits for another one of the same task
// changes nothing.
func TestRemovedMembersQueuedChangeIsRefused(t *testing.T) {
	t.Parallel()
	for title, call := range map[string]func(*Tasks, tenancy.Actor, uuid.UUID) error{
		"update": func(s *Tasks, a tenancy.Actor, id uuid.UUID) error {
			_, err := s.Update(t.Context(), a, id, change{name: new("too late")})
			return err
		},
		"delete": func(s *Tasks, a tenancy.Actor, id uuid.UUID) error { return s.Delete(t.Context(), a, id, "") },
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			base := pgtest.New(t)
			db, err := tenancy.Open(t.Context(), tenancy.Options{URL: base.AppURL, Schema: migrations.Latest(), Statements: Statements})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(db.Close)
			s := New(db, 0)
			a := tenancy.Actor{User: "user_1", Tenant: "org_1", Role: "org:member", IssuedAt: time.Now()}
			holding, watching := superuser(t, base), superuser(t, base)
			exec(t, watching, `INSERT INTO standings (tenant_id, user_id, role, role_time) VALUES ('org_1', 'user_1', 'org:member', now() - interval '1 hour')`)
			made, err := s.Create(t.Context(), a, draft{name: "x"})
			if err != nil {
				t.Fatal(err)
			}
			exec(t, holding, `BEGIN`)
			exec(t, holding, `SELECT FROM tasks FOR UPDATE`)
			queued := make(chan error, 1)
			go func() { queued <- call(s, a, uuid.UUID(made.ID.Bytes)) }()
			waits := func() (n int) {
				const sql = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
				if err := watching.QueryRow(t.Context(), sql).Scan(&n); err != nil {
					t.Fatal(err)
				}
				return n
			}
			for waits() == 0 {
				select {
				case err := <-queued:
					t.Fatalf("the change did not wait: %v", err)
				default:
				}
			}
			exec(t, watching, `UPDATE standings SET remove_time = now()`)
			exec(t, holding, `COMMIT`)
			if err := <-queued; !errors.Is(err, tenancy.MembershipEnded) {
				t.Errorf("got %v, want MembershipEnded", err)
			}
			var name string
			if err := watching.QueryRow(t.Context(), `SELECT name FROM tasks`).Scan(&name); err != nil || name != "x" {
				t.Errorf("the task is %q, %v; want it unchanged", name, err)
			}
		})
	}
}
