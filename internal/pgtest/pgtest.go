// Package pgtest gives each test a PostgreSQL database of its own, cloned from one
// that was migrated once. It is for tests only.
package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/localpg"
	"github.com/teamtask/teamtask/migrations"
)

// The two logins of every test database. Roles belong to the whole server, which
// several test binaries may share, so the password is the same for all.
const (
	owner    = "teamtask_test_owner"
	app      = "teamtask_test_app"
	password = "for-tests-only"

	startWithin = 3 * time.Minute // a first run may download PostgreSQL
	stepWithin  = time.Minute
)

// Database is a database of a test's own.
type Database struct {
	Name     string
	AppURL   string // the runtime role
	OwnerURL string // the owner of the schema
	AdminURL string // a superuser
}

var (
	server   *localpg.Server
	template string
)

// Main runs the tests of a package with a PostgreSQL behind New, calls after, and ends
// the process. Without PostgreSQL the tests fail.
func Main(m *testing.M, after ...func()) {
	code, err := run(m)
	for _, f := range after {
		f()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "teamtask-test-")
	if err != nil {
		return 1, fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	server, err = localpg.Start(ctx, localpg.Options{Dir: filepath.Join(dir, "pg"), Ephemeral: true})
	if err != nil {
		return 1, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), stepWithin)
		defer cancel()
		if template != "" {
			err = errors.Join(err, server.DropDatabase(ctx, template))
		}
		err = errors.Join(err, server.Stop(ctx))
	}()
	if err := prepare(ctx); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

func prepare(ctx context.Context) error {
	if err := server.CreateLogin(ctx, owner, password, true); err != nil {
		return err
	}
	if err := server.CreateLogin(ctx, app, password, false); err != nil {
		return err
	}
	name := newName()
	if err := server.CreateDatabase(ctx, name, owner, ""); err != nil {
		return err
	}
	template = name
	_, err := migrations.Up(ctx, server.URL(template, owner, password), app)
	return err
}

func newName() string { return "teamtask_test_" + strings.ToLower(rand.Text()) }

// New clones the migrated database for t and removes it when t ends.
func New(t testing.TB) Database {
	t.Helper()
	return create(t, template)
}

// Empty makes a database for t without any schema.
func Empty(t testing.TB) Database {
	t.Helper()
	return create(t, "")
}

// Login makes a further login, with a name that begins with prefix, and answers the
// URL of db for it.
func (db Database) Login(t testing.TB, prefix string) (name, url string) {
	t.Helper()
	name = prefix + "_" + strings.ToLower(rand.Text())
	ctx, cancel := context.WithTimeout(context.Background(), stepWithin)
	defer cancel()
	if err := server.CreateLogin(ctx, name, password, false); err != nil {
		t.Fatalf("make a login: %v", err)
	}
	return name, server.URL(db.Name, name, password)
}

// AppUser is the name of the runtime role of every test database.
func AppUser() string { return app }

func create(t testing.TB, from string) Database {
	t.Helper()
	if server == nil {
		t.Fatal("pgtest.Main has not run: the package needs a TestMain")
	}
	name := newName()
	ctx, cancel := context.WithTimeout(context.Background(), stepWithin)
	defer cancel()
	if err := server.CreateDatabase(ctx, name, owner, from); err != nil {
		t.Fatalf("make a database: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stepWithin)
		defer cancel()
		if err := server.DropDatabase(ctx, name); err != nil {
			t.Errorf("drop the database: %v", err)
		}
	})
	return Database{
		Name:     name,
		AppURL:   server.URL(name, app, password),
		OwnerURL: server.URL(name, owner, password),
		AdminURL: adminURL(name),
	}
}

// adminURL is the administrator's URL for another database.
func adminURL(name string) string {
	u := server.AdminURL()
	parsed, err := url.Parse(u)
	if err != nil {
		return u
	}
	parsed.Path = "/" + name
	return parsed.String()
}
