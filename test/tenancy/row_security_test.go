package tenancy

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// holes are ways in which the table of tasks can be left open. In each the server reads
// a view in place of the table.
var holes = map[string]string{
	// What it should be: row security holds, and the tenant is that of the row.
	"none": `CREATE VIEW hole.tasks WITH (security_invoker = true) AS SELECT * FROM public.tasks`,
	// As if no policy were there: the view has the rights of a superuser.
	"policy": `CREATE VIEW hole.tasks AS SELECT * FROM public.tasks`,
	// As if no statement named its tenant: every row says that it is the caller's.
	"condition": `CREATE VIEW hole.tasks WITH (security_invoker = true) AS ` + everybodys,
	"both":      `CREATE VIEW hole.tasks AS ` + everybodys,
}

const everybodys = `SELECT current_setting('app.tenant_id', true) AS tenant_id, id, name, description, done, created_by, create_time, updated_by, update_time, revision FROM public.tasks`

// holeVariable says in the environment of a second run of this test which hole there is.
const holeVariable = "TEAMTASK_TEST_HOLE"

// newStackWith starts a stack over a database with the hole.
func newStackWith(t *testing.T, hole string) *stacktest.Stack {
	t.Helper()
	s := &stacktest.Stack{T: t, Database: pgtest.New(t), Box: stacktest.SandboxOf(t), Log: &stacktest.Log{}}
	u, err := url.Parse(s.Database.AppURL)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", "hole,public,pg_temp")
	u.RawQuery = q.Encode()
	admin, err := pgxpool.New(t.Context(), s.Database.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	plain := &stacktest.Stack{T: t, Admin: admin}
	plain.Exec(`CREATE SCHEMA hole; GRANT USAGE ON SCHEMA hole TO teamtask_runtime; ` + hole + `;
		GRANT SELECT, INSERT, UPDATE, DELETE ON hole.tasks TO teamtask_runtime`)
	if strings.Contains(hole, everybodys) {
		plain.Exec(`
			CREATE FUNCTION hole.insert_task() RETURNS trigger LANGUAGE plpgsql AS $$
			DECLARE made public.tasks;
			BEGIN
			    INSERT INTO public.tasks (tenant_id, id, name, description, created_by, updated_by)
			    VALUES (NEW.tenant_id, NEW.id, NEW.name, NEW.description, NEW.created_by, NEW.updated_by)
			    RETURNING * INTO made;
			    NEW.done := made.done; NEW.create_time := made.create_time; NEW.update_time := made.update_time; NEW.revision := made.revision;
			    RETURN NEW;
			END $$;
			CREATE TRIGGER insert_task INSTEAD OF INSERT ON hole.tasks FOR EACH ROW EXECUTE FUNCTION hole.insert_task()`)
	}
	s.Open(u.String(), stacktest.Paying(s.Box))
	return s
}

// The second run: the matrices over a database with a hole. Without one it does nothing.
func TestMatricesOverAHole(t *testing.T) {
	t.Parallel()
	hole, ok := holes[os.Getenv(holeVariable)]
	if !ok {
		return
	}
	// The hole is in the table of tasks, and shows in the first pair of tenants and in the
	// person's own workspace. TEAMTASK_HOLES=all looks at all pairs and methods.
	foreign, colliding := newStackWith(t, hole), newStackWith(t, hole)
	ofForeign, ofColliding, all := pairs(foreign), pairs(colliding), stacktest.Methods()
	if os.Getenv("TEAMTASK_HOLES") != "all" {
		few := func(p pair) bool { return p.name != "a look-alike organization" && p.name != "from the own workspace" }
		ofForeign, ofColliding = slices.DeleteFunc(ofForeign, few), slices.DeleteFunc(ofColliding, few)
		all = slices.DeleteFunc(all, func(m protoreflect.MethodDescriptor) bool { return m.Parent().Name() != "TaskService" })
	}
	foreignIDs(t, foreign, ofForeign, all)
	collidingIDs(t, colliding, ofColliding, all)
}

// Policies and conditions are two defences, and each holds alone. With both gone the
// matrices fail: that they pass means something.
func TestTheMatricesFailWhereBothDefencesAreGone(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	for name := range holes {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
		command := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestMatricesOverAHole$", "-test.v")
		command.Env = append(os.Environ(), holeVariable+"="+name, "TEAMTASK_POSTGRES_URL="+base.AdminURL)
		out, err := command.CombinedOutput()
		cancel()
		failed := err != nil
		if failed != (name == "both") || !strings.Contains(string(out), "TestMatricesOverAHole") {
			t.Errorf("hole %q: failed = %v\n%s", name, failed, out)
			continue
		}
		if !failed {
			continue
		}
		for _, words := range []string{"status 200, want 404", "the answer holds data of the other tenant", "the other tenant's rows changed"} {
			if !strings.Contains(string(out), words) {
				t.Errorf("the matrices do not see that %s:\n%.3000s", words, out)
			}
		}
	}
}
