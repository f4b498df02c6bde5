package localpg

import (
	"errors"
	"strings"
	"sync"
	"testing"
)

func TestDatabasesAndLogins(t *testing.T) {
	t.Parallel()
	s := mustStart(t, Options{Dir: folder(t), Ephemeral: true})
	if err := s.CreateLogin(t.Context(), "owner", `it's a "secret"\`, true); err != nil {
		t.Fatal(err)
	}
	storyOfADatabase(t, s)

	storyOfAChief(t, s)
	mustAsk(t, s.AdminURL(), "select ''")
	if err := s.CreateLogin(t.Context(), superuser, "p", false); err == nil {
		t.Error("the superuser got a new password")
	}
}

// storyOfAChief is the same for an external server whose administrator is no superuser.
func storyOfAChief(t *testing.T, s *Server) {
	t.Helper()
	mustExec(t, s, "create role chief login createdb createrole password 'c'")
	from := here()
	from.getenv = func(string) string { return s.URL("postgres", "chief", "c") }
	chief, err := start(t.Context(), Options{}, from)
	if err != nil {
		t.Fatal(err)
	}
	if !chief.External() || chief.Process() != 0 {
		t.Error("a server of TEAMTASK_POSTGRES_URL is taken for a private one")
	}
	storyOfADatabase(t, chief)
	if err := chief.CreateLogin(t.Context(), "chief", "d", false); err == nil || !strings.Contains(err.Error(), "choose another name") {
		t.Errorf("got error %v, want a refusal to take away the administrator's own rights", err)
	}
	if err := chief.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// storyOfADatabase makes a template and copies it, then uses, and removes what it made.
func storyOfADatabase(t *testing.T, s *Server) {
	t.Helper()
	const name, password = `the "first"`, `it's %s`
	for _, second := range []bool{false, true} {
		if err := s.CreateLogin(t.Context(), name, password, second); err != nil {
			t.Fatal(err)
		}
		got := mustAsk(t, s.AdminURL(), `select concat_ws(',', rolsuper, rolbypassrls, rolcreatedb, rolreplication, rolcreaterole) from pg_roles where rolname = $1`, name)
		want := "f,f,f,f,f"
		if second {
			want = "f,f,f,f,t"
		}
		if got != want {
			t.Errorf("rights %s, want %s", got, want)
		}
	}
	if err := s.CreateDatabase(t.Context(), "template", name, ""); err != nil {
		t.Fatal(err)
	}
	own := s.URL("template", name, password)
	mustAsk(t, own, "create table made ()")
	if err := s.CreateDatabase(t.Context(), "template", "", ""); !errors.Is(err, ErrExists) {
		t.Errorf("got error %v, want ErrExists", err)
	}
	if err := s.CreateDatabase(t.Context(), "copy", name, "template"); err != nil {
		t.Fatal(err)
	}
	if got := mustAsk(t, s.AdminURL(), "select pg_get_userbyid(datdba)::text from pg_database where datname = 'copy'"); got != name {
		t.Errorf("owner %s, want %s", got, name)
	}
	for _, database := range []string{"copy", "template", "template"} {
		if err := s.DropDatabase(t.Context(), database); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ask(t.Context(), own, "select ''"); err == nil {
		t.Error("the database is still there")
	}
	mustExec(t, s, `drop role "the ""first"""`)
}

func TestSameLoginAndDatabaseAtOnce(t *testing.T) {
	t.Parallel()
	s := mustStart(t, Options{Dir: folder(t), Ephemeral: true})
	var made int
	var lock sync.Mutex
	var all sync.WaitGroup
	for range 12 {
		all.Go(func() {
			if err := s.CreateLogin(t.Context(), "same", "p", false); err != nil {
				t.Error(err)
			}
			err := s.CreateDatabase(t.Context(), "same", "same", "template0")
			if err != nil && !errors.Is(err, ErrExists) {
				t.Error(err)
			}
			lock.Lock()
			defer lock.Unlock()
			if err == nil {
				made++
			}
		})
	}
	all.Wait()
	if made != 1 {
		t.Errorf("the database was made %d times, want once", made)
	}
}

func TestExternalServerIsRefusedWithoutItsAddress(t *testing.T) {
	t.Parallel()
	s := mustStart(t, Options{Dir: folder(t), Ephemeral: true})
	if err := s.CreateLogin(t.Context(), "plain", "p", false); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ address, want string }{
		"not an address": {"host=hidden password=hidden", "not an address"},
		"bad address":    {"postgres://hidden:hidden@hidden:port/hidden", "not an address"},
		"bad option":     {"postgres://hidden:hidden@127.0.0.1/hidden?sslmode=hidden", "not an address"},
		"nobody there":   {"postgres://hidden:hidden@127.0.0.1:1/hidden", "connection refused"},
		"wrong password": {s.URL("postgres", "plain", "hidden"), "28P01"},
		"no rights":      {s.URL("postgres", "plain", "p"), "may not create"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from := nothing()
			from.getenv = func(string) string { return c.address }
			_, err := start(t.Context(), Options{}, from)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), variable) {
				t.Fatalf("got error %v, want one with %q and the name of the variable", err, c.want)
			}
			if strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "plain") {
				t.Errorf("the error repeats the address: %v", err)
			}
		})
	}
}

func mustExec(t *testing.T, s *Server, statement string) {
	t.Helper()
	if _, err := ask(t.Context(), s.AdminURL(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
