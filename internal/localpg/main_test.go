package localpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// helperFolder names the variable that turns this test binary into the owner of a server, to be killed.
const helperFolder = "LOCALPG_TEST_FOLDER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperFolder); dir != "" {
		s, err := start(context.Background(), Options{Dir: dir}, here())
		if err != nil {
			fmt.Fprintln(os.Stdout, err)
			return
		}
		fmt.Fprintln(os.Stdout, s.Process())
		select {}
	}
	m.Run()
}

// here is this machine without an external server.
func here() sources {
	m := machine()
	m.getenv = func(string) string { return "" }
	return m
}

// folder is a path, free to use, whose parent every user can enter.
func folder(t *testing.T) string {
	t.Helper()
	parent := t.TempDir()
	for _, dir := range []string{parent, filepath.Dir(parent)} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(parent, "postgres")
}

func mustStart(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := start(t.Context(), o, here())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return s
}

func mustStop(t *testing.T, s *Server) {
	t.Helper()
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// ask runs one statement that answers with one text.
func ask(ctx context.Context, address, statement string, args ...any) (string, error) {
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(ctx) }()
	var answer string
	err = conn.QueryRow(ctx, statement, args...).Scan(&answer)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	return answer, err
}

func mustAsk(t *testing.T, address, statement string, args ...any) string {
	t.Helper()
	answer, err := ask(t.Context(), address, statement, args...)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return answer
}

// eventually waits until something holds, for at most half a minute.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for !holds() {
		if pause(ctx, 20*time.Millisecond) != nil {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
