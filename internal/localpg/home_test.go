package localpg

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A folder below one with mode 0700 is one that the server's user cannot enter, if we are root.
func TestFolderThatTheServerCannotEnterIsKeptElsewhere(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	if err := os.Chmod(filepath.Dir(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	first := mustStart(t, Options{Dir: dir})
	if err := first.CreateDatabase(t.Context(), "kept", "", ""); err != nil {
		t.Fatal(err)
	}
	mustStop(t, first)
	t.Cleanup(func() { _ = os.RemoveAll(first.home.dir) })
	info, err := os.Lstat(dir)
	if err != nil {
		t.Fatal(err)
	}
	linked := info.Mode()&os.ModeSymlink != 0
	if want := os.Geteuid() == 0; linked != want {
		t.Errorf("the folder is a link: %v, want %v", linked, want)
	}
	second := mustStart(t, Options{Dir: dir, Ephemeral: true})
	if got := mustAsk(t, second.AdminURL(), "select datname from pg_database where datname = 'kept'"); got != "kept" {
		t.Error("the database is gone after a restart")
	}
	mustStop(t, second)
	for _, path := range []string{dir, second.home.dir} {
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
}

func TestFolderThatIsNotOursIsRefused(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		make func(ctx context.Context, dir string) error
		want string
	}{
		"other things in it": {func(_ context.Context, dir string) error { return os.MkdirAll(dir+"/src", 0o755) }, "other than a cluster"},
		"a file":             {func(_ context.Context, dir string) error { return os.WriteFile(dir, nil, 0o600) }, "not a folder"},
		"a link to nowhere":  {func(_ context.Context, dir string) error { return os.Symlink("/nowhere", dir) }, "leads nowhere"},
		"open to others": {func(ctx context.Context, dir string) error {
			h, err := openHome(ctx, dir)
			if err != nil {
				return err
			}
			if err := h.close(); err != nil {
				return err
			}
			return os.Chmod(dir, 0o750)
		}, "mode 0700"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t)
			if err := c.make(t.Context(), dir); err != nil {
				t.Fatal(err)
			}
			_, err := start(t.Context(), Options{Dir: dir, Ephemeral: true}, here())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
			if _, err := os.Lstat(dir); err != nil {
				t.Errorf("what was there is gone: %v", err)
			}
		})
	}
}

// The name of a folder in the temporary place can be foreseen: a user who was there first must not get the data.
func TestFolderPlacedByAnotherUserIsRefused(t *testing.T) {
	t.Parallel()
	t.Run("a link", func(t *testing.T) {
		t.Parallel()
		dir := folder(t)
		if err := os.Symlink(t.TempDir(), dir); err != nil {
			t.Fatal(err)
		}
		if err := (&home{dir: dir}).claim(); err == nil || !strings.Contains(err.Error(), "not a folder") {
			t.Errorf("got error %v, want a refusal of the link", err)
		}
	})
	t.Run("another owner", func(t *testing.T) {
		t.Parallel()
		h := &home{dir: "/", who: account{uid: 12345, name: "another"}} // root's
		if os.Geteuid() == 0 {
			h.dir = folder(t)
			if err := os.Mkdir(h.dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(h.dir, 54321, 54321); err != nil {
				t.Fatal(err)
			}
		}
		if err := h.claim(); err == nil || !strings.Contains(err.Error(), "belongs to uid") {
			t.Errorf("got error %v, want a refusal of the owner", err)
		}
	})
}

func TestFolderClearedAwayIsMadeAnew(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	if err := os.Symlink(filepath.Join(filepath.Dir(dir), temporaryPrefix+"gone"), dir); err != nil {
		t.Fatal(err)
	}
	mustAsk(t, mustStart(t, Options{Dir: dir, Ephemeral: true}).AdminURL(), "select ''")
}

func TestHalfMadeDataIsMadeAnew(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	h, err := openHome(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.files.MkdirAll(newFolder+"/base/1", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := h.files.WriteFile(newFolder+"/PG_VERSION", []byte("15\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.close(); err != nil {
		t.Fatal(err)
	}
	s := mustStart(t, Options{Dir: dir, Ephemeral: true})
	mustAsk(t, s.AdminURL(), "select ''")
	for _, name := range []string{newFolder, "initdb.password"} {
		if _, err := s.home.files.Lstat(name); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", name, err)
		}
	}
}

func TestDataOfAnotherVersionIsNotTouched(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	mustStop(t, mustStart(t, Options{Dir: dir}))
	version := filepath.Join(dir, dataFolder, "PG_VERSION")
	if err := os.WriteFile(version, []byte("99\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := start(t.Context(), Options{Dir: dir}, here())
	if err == nil || !strings.Contains(err.Error(), "does not read the data of PostgreSQL 99") {
		t.Errorf("got error %v, want one that names both versions", err)
	}
}
