package tenancy_test

import (
	"strings"
	"testing"

	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/tenancy"
	"github.com/teamtask/teamtask/migrations"
)

// A pooler that keeps sessions takes no guarantee away, whether it refuses startup
// parameters or drops them without a word.
func TestPoolerThatKeepsSessionsKeepsGuarantees(t *testing.T) {
	t.Parallel()
	for title, settings := range map[string][]string{
		"as it comes":              nil,
		"parameters are dropped":   {"ignore_startup_parameters = extra_float_digits,statement_timeout,lock_timeout,search_path,options"},
		"sessions are not cleaned": {"server_reset_query_always = 0"},
		"backends take turns":      {"server_round_robin = 1"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			base := pgtest.New(t)
			statements := append([]tenancy.Statement{sessionSettings}, testStatements...)
			address := withParameters(t, pgtest.Pooler(t, base.AppURL, "session", settings...), "pool_max_conns", "3")
			for range 2 { // a second server finds what the first has left
				db, err := tenancy.Open(t.Context(), tenancy.Options{URL: address, Schema: migrations.Latest(), Statements: statements})
				if err != nil {
					t.Fatal(err)
				}
				wantSettings(t, db)
				useAtOnce(t, db, 3)
				mustAdd(t, db, "org_a", "x")
				if got := scopeOf(t, db, tenancy.Actor{User: "system:test"}); got.Tenant != "" || got.Person != "system:test" {
					t.Errorf("the scope of another call: %+v", got)
				}
				if err := db.Ready(t.Context()); err != nil {
					t.Errorf("ready: %v", err)
				}
				db.Close()
			}
		})
	}
}

// A setting that the URL names holds behind a pooler, which refuses it as a startup
// parameter.
func TestSettingsOfTheURLHoldBehindAPooler(t *testing.T) {
	t.Parallel()
	address := withParameters(t, pgtest.Pooler(t, pgtest.New(t).AppURL, "session"), "statement_timeout", "7s", "pool_max_conns", "2")
	db, err := tenancy.Open(t.Context(), tenancy.Options{URL: address, Schema: migrations.Latest(), Statements: []tenancy.Statement{plannedOther}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	err = db.Once(t.Context(), person("org_a"), func(tx *tenancy.Tx) error {
		rows, err := tenancy.Rows[struct{ Settings string }](t.Context(), tx, plannedOther)
		if err == nil && !strings.HasSuffix(rows[0].Settings, " 7s") {
			t.Errorf("got %s, want statement_timeout 7s", rows[0].Settings)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPoolerThatKeepsNoSessionsIsRefused(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	for _, mode := range []string{"transaction", "statement"} {
		for title, settings := range map[string][]string{"as it comes": nil, "backends take turns": {"server_round_robin = 1"}} {
			t.Run(mode+", "+title, func(t *testing.T) {
				t.Parallel()
				if got := refusal(t, pgtest.Pooler(t, base.AppURL, mode, settings...), migrations.Latest()); !strings.Contains(got, "set its pool_mode to session") {
					t.Errorf("got %q", got)
				}
			})
		}
	}
}

func TestStartupParameterThatAPoolerRefusesIsNamed(t *testing.T) {
	t.Parallel()
	address := withParameters(t, pgtest.Pooler(t, pgtest.New(t).AppURL, "session"), "options", "-c geqo=off")
	if got := refusal(t, address, migrations.Latest()); !strings.Contains(got, "startup parameter") || !strings.Contains(got, "options") && !strings.Contains(got, "geqo") {
		t.Errorf("got %q", got)
	}
}
