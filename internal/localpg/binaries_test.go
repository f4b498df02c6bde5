package localpg

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// nothing is a machine without PostgreSQL and without a network.
func nothing() sources {
	return sources{
		getenv:   func(string) string { return "" },
		lookPath: func(string) (string, error) { return "", errors.New("not found") },
		download: func(context.Context, account, int) (string, error) { return "", errors.New("no network") },
	}
}

// programs makes a folder <name>/bin whose postgres only tells its version.
func programs(t *testing.T, parent, name, version string) string {
	t.Helper()
	dir := filepath.Join(parent, name, "bin")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\necho 'postgres (PostgreSQL) " + version + "'\n"
	for _, program := range []string{"postgres", "initdb"} {
		if err := os.WriteFile(filepath.Join(dir, program), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestOldVersionIsRefusedByName(t *testing.T) {
	t.Parallel()
	from := nothing()
	dir := programs(t, filepath.Dir(folder(t)), "old", "13.14 (Debian 13.14-1)")
	from.lookPath = func(program string) (string, error) { return filepath.Join(dir, program), nil }
	_, err := start(t.Context(), Options{Dir: folder(t), Ephemeral: true}, from)
	if err == nil || !strings.Contains(err.Error(), "PostgreSQL 13.14 in "+dir+" is too old") {
		t.Errorf("got error %v, want one that names the version", err)
	}
}

func TestNewestFolderIsTriedFirst(t *testing.T) {
	t.Parallel()
	root := folder(t)
	programs(t, root, "9", "9.6.24")
	programs(t, root, "15", "15.3")
	want := programs(t, root, "17", "17beta1")
	from := nothing()
	from.folders = []string{root + "/*/bin"}
	who, err := accountFor("")
	if err != nil {
		t.Fatal(err)
	}
	got, err := from.find(t.Context(), who, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got.dir != want || got.major != 17 {
		t.Errorf("got %v, want 17 in %s", got, want)
	}
	if got, err := from.find(t.Context(), who, 15); err != nil || got.major != 15 {
		t.Errorf("got %v, %v for data of 15, want 15", got, err)
	}
}

func TestMissingPostgreSQLNamesOneCommand(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ release, want string }{
		"debian":     {"ID=debian\nVERSION_ID=\"12\"\n", "apt-get install -y postgresql"},
		"old ubuntu": {"ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"22.04\"\n", "apt.postgresql.org.sh"},
		"mint":       {"ID=linuxmint\nID_LIKE=\"ubuntu debian\"\nVERSION_ID=\"22\"\n", "apt-get install -y postgresql"},
		"fedora":     {"ID=fedora\nVERSION_ID=42\n", "dnf install -y postgresql-server"},
		"rocky 9":    {"ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.4\"\n", "dnf module install -y postgresql:16/server"},
		"alpine":     {"ID=alpine\nVERSION_ID=3.22.0\n", "apk add postgresql"},
		"unknown":    {"ID=plan9\n", variable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from := nothing()
			from.release = filepath.Join(t.TempDir(), "os-release")
			if err := os.WriteFile(from.release, []byte(c.release), 0o600); err != nil {
				t.Fatal(err)
			}
			want := c.want
			if runtime.GOOS == "darwin" {
				want = "brew install"
			}
			dir := folder(t)
			_, err := start(t.Context(), Options{Dir: dir, Ephemeral: true}, from)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got error %v, want one with %q", err, want)
			}
			if _, err := os.Lstat(dir); !os.IsNotExist(err) {
				t.Errorf("the folder is still there: %v", err)
			}
		})
	}
}
