package audit_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/reflect/protoregistry"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
	"github.com/teamtask/teamtask/internal/audit"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/tenancy"
	"github.com/teamtask/teamtask/migrations"
)

const tenant = "org_a"

var (
	insertTask = tenancy.Statement{Name: "test_insert", SQL: `
		INSERT INTO tasks (tenant_id, id, name, description, created_by, updated_by)
		VALUES ($1, $2, 'x', '', 'u', 'u')`}
	lockTask = tenancy.Statement{Name: "test_lock", SQL: `
		SELECT id FROM tasks WHERE tenant_id = $1 FOR UPDATE`}
)

// service does as the name of the task says, and notes that a role has changed.
type service struct {
	teamtaskv1connect.UnimplementedTaskServiceHandler
	db *tenancy.DB
}

func (s service) CreateTask(ctx context.Context, r *teamtaskv1.CreateTaskRequest) (*teamtaskv1.CreateTaskResponse, error) {
	err := s.db.In(ctx, tenancy.ActorOf(ctx), func(tx *tenancy.Tx) error {
		if r.GetName() == "only looks" {
			_, err := tenancy.Exec(ctx, tx, lockTask, tenant)
			return err
		}
		tx.Note("role", "org:member", "org:admin")
		if _, err := tenancy.Exec(ctx, tx, insertTask, tenant, tenancy.Stored(uuid.New())); err != nil || r.GetName() != "thinks better of it" {
			return err
		}
		return fault.ProviderUnavailable
	})
	if err == nil && r.GetName() == "fails afterwards" {
		err = fault.ProviderUnavailable
	}
	if r.GetName() == "panics" {
		panic("x")
	}
	return &teamtaskv1.CreateTaskResponse{}, err
}

func open(t *testing.T) (db *tenancy.DB, lines func() []string) {
	t.Helper()
	base := pgtest.New(t)
	db, err := tenancy.Open(t.Context(), tenancy.Options{
		URL: base.AppURL, Schema: migrations.Latest(), Statements: append([]tenancy.Statement{insertTask, lockTask}, audit.Statements...),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	admin, err := pgx.Connect(t.Context(), base.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close(context.WithoutCancel(t.Context())) })
	return db, func() []string {
		rows, err := admin.Query(t.Context(), `
			SELECT concat_ws(' ', tenant_id, actor, impersonator, method, target, outcome, reason, details)
			  FROM audit_events ORDER BY time, id`)
		if err != nil {
			t.Fatal(err)
		}
		all, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
}

// What changed is told before and after, and only where it did change.
func TestNotesAreKeptWithTheChange(t *testing.T) {
	t.Parallel()
	db, lines := open(t)
	log := slog.New(slog.DiscardHandler)
	exit := fault.NewExit(log, func(fault.Outcome) {})
	trail, err := audit.New(audit.Options{
		DB: db, Log: log, Failed: func() { t.Error("a line was lost") },
		Files: protoregistry.GlobalFiles, Package: "teamtask.v1",
		Audited: func(procedure string) bool { return procedure == teamtaskv1connect.TaskServiceCreateTaskProcedure },
	})
	if err != nil {
		t.Fatal(err)
	}
	verify := trail.Verify(func(context.Context, http.Header) (*tenancy.Actor, error) {
		return &tenancy.Actor{User: "user_a", Tenant: tenant, Impersonator: "user_b"}, nil
	})
	path, handler := teamtaskv1connect.NewTaskServiceHandler(service{db: db},
		connect.WithRequestGate(exit.Enter),
		connect.WithRequestGate(func(ctx context.Context, _ connect.Spec, _ connect.Peer, h http.Header) (context.Context, error) {
			actor, err := verify(ctx, h)
			return tenancy.WithActor(ctx, actor), err
		}),
		connect.WithInterceptors(exit.Interceptor()),
		connect.WithRecover(func(_ context.Context, _ connect.Spec, _ http.Header, thrown any) error {
			return fault.Panicked(thrown)
		}),
		connect.WithInterceptors(trail.Interceptor()))
	mux := http.NewServeMux()
	mux.Handle(path, handler)
	server := httptest.NewServer(trail.Handler(exit.Handler(mux)))
	t.Cleanup(server.Close)
	client := teamtaskv1connect.NewTaskServiceClient(server.Client(), server.URL)

	const (
		who  = "org_a user_a user_b /teamtask.v1.TaskService/CreateTask "
		role = ` {"role": {"after": "org:admin", "before": "org:member"}}`
	)
	for name, want := range map[string][]string{
		"changes":             {who + " ok " + role},
		"only looks":          {who + " ok  {}"},
		"thinks better of it": {who + " unavailable PROVIDER_UNAVAILABLE {}"},
		"fails afterwards":    {who + " ok " + role, who + " unavailable PROVIDER_UNAVAILABLE {}"},
		"panics":              {who + " ok " + role, who + " internal INTERNAL {}"},
	} {
		before := len(lines())
		_, err := client.CreateTask(t.Context(), &teamtaskv1.CreateTaskRequest{Name: name})
		if diff := cmp.Diff(want, lines()[before:]); diff != "" {
			t.Errorf("%s: %v, lines (-want +got):\n%s", name, err, diff)
		}
	}
}

// Record is a line of the transaction: there with it, and not without.
func TestRecordedLinesAreThoseOfTheirTransaction(t *testing.T) {
	t.Parallel()
	db, lines := open(t)
	system := tenancy.System(tenant, "directory")
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.FixedZone("x", 3600))
	for _, c := range []struct {
		what audit.Line
		err  error
	}{
		{audit.Line{Method: "directory.member.role", Target: "user_b", Details: map[string]any{
			"role": audit.Change{Before: nil, After: "org:admin"}, "at": at, "seats": 3,
		}}, nil},
		{audit.Line{Method: "directory.member.add", Target: "user_c"}, context.Canceled},
		{audit.Line{Method: "seats.release", Outcome: "unavailable", Reason: "PROVIDER_UNAVAILABLE"}, nil},
	} {
		err := db.In(t.Context(), system, func(tx *tenancy.Tx) error {
			if err := audit.Record(t.Context(), tx, system, c.what); err != nil {
				return err
			}
			return c.err
		})
		if (err == nil) != (c.err == nil) {
			t.Errorf("%s: got %v", c.what.Method, err)
		}
	}
	want := []string{
		`org_a system:directory  directory.member.role user_b ok  {"at": "2026-11-20T11:00:00Z", "role": {"after": "org:admin", "before": null}, "seats": 3}`,
		`org_a system:directory  seats.release  unavailable PROVIDER_UNAVAILABLE {}`,
	}
	if diff := cmp.Diff(want, lines()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	// Nobody writes a line of another tenant.
	err := db.Once(t.Context(), tenancy.System("org_b", "x"), func(tx *tenancy.Tx) error {
		return audit.Record(t.Context(), tx, system, audit.Line{Method: "m"})
	})
	if err == nil || !strings.Contains(err.Error(), "row-level security") {
		t.Errorf("in another tenant: got %v", err)
	}
}
