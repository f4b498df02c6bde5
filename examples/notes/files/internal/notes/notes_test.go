package notes

import (
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/tenancy"
	"github.com/teamtask/teamtask/migrations"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func member(tenant string) tenancy.Actor { return tenancy.Actor{Tenant: tenant, User: "user_alice"} }

// open returns notes in a database of the test's own, with one task of org_a.
func open(t *testing.T) (*Notes, uuid.UUID) {
	t.Helper()
	database := pgtest.New(t)
	db, err := tenancy.Open(t.Context(), tenancy.Options{
		URL: database.AppURL, Schema: migrations.Latest(), Statements: Statements, Claims: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	conn, err := pgx.Connect(t.Context(), database.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	task := uuid.New()
	_, err = conn.Exec(t.Context(), `
		INSERT INTO tasks (tenant_id, id, name, description, created_by, updated_by)
		VALUES ('org_a', $1, 'Buy milk', '', 'user_alice', 'user_alice')`, task.String())
	if err != nil {
		t.Fatal(err)
	}
	return New(db), task
}

func TestNoteIsTheOneWrittenLast(t *testing.T) {
	t.Parallel()
	notes, task := open(t)
	for _, text := range []string{"", "two liters", "three liters"} {
		if text != "" {
			if _, err := notes.Set(t.Context(), member("org_a"), task, text); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := notes.Note(t.Context(), member("org_a"), task); err != nil || got.Text != text {
			t.Errorf("got %q, %v, want %q", got.Text, err, text)
		}
	}
}

func TestTaskOfAnotherTenantHasNoNote(t *testing.T) {
	t.Parallel()
	notes, task := open(t)
	for _, id := range []uuid.UUID{task, uuid.New()} {
		if _, err := notes.Set(t.Context(), member("org_b"), id, "x"); !errors.Is(err, TaskNotFound) {
			t.Errorf("Set: got %v, want TaskNotFound", err)
		}
		if _, err := notes.Note(t.Context(), member("org_b"), id); !errors.Is(err, TaskNotFound) {
			t.Errorf("Note: got %v, want TaskNotFound", err)
		}
	}
}
