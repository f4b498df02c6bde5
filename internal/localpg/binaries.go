package localpg

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// variable names the environment variable with the address of an external server.
const variable = "TEAMTASK_POSTGRES_URL"

// oldest is the first version of PostgreSQL that will do.
const oldest = 15

// binaries are the programs of one PostgreSQL.
type binaries struct {
	dir     string // holds postgres and initdb
	version string
	major   int
}

// sources say where PostgreSQL is looked for.
type sources struct {
	getenv   func(name string) string
	lookPath func(program string) (string, error)
	folders  []string // patterns of folders with programs, the newest match is tried first
	download func(ctx context.Context, who account, major int) (dir string, err error)
	release  string // the file that names the system
}

// machine is this computer and its environment.
func machine() sources {
	return sources{
		getenv:   os.Getenv,
		lookPath: exec.LookPath,
		folders: []string{
			"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin",
			"/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin",
		},
		download: download,
		release:  "/etc/os-release",
	}
}

// find returns the first binaries that will do: of the given major version, or of any from oldest on if that is 0.
func (m sources) find(ctx context.Context, who account, major int) (binaries, error) {
	var reasons []string
	for _, dir := range m.candidates(ctx, who) {
		b, err := inspect(ctx, who, dir)
		if err == nil {
			err = b.fits(major)
		}
		if err == nil {
			return b, nil
		}
		reasons = append(reasons, err.Error())
	}
	if ctx.Err() != nil {
		return binaries{}, context.Cause(ctx)
	}
	dir, err := m.download(ctx, who, major)
	if err == nil {
		var b binaries
		if b, err = inspect(ctx, who, dir); err == nil {
			err = b.fits(major)
		}
		if err == nil {
			return b, nil
		}
	}
	reasons = append(reasons, fmt.Sprintf("download: %v", err))
	return binaries{}, fmt.Errorf("no PostgreSQL %d or newer at hand (%s); install it with: %s",
		max(major, oldest), strings.Join(reasons, "; "), m.install())
}

// candidates are the folders with both programs, in the order in which they are tried.
func (m sources) candidates(ctx context.Context, who account) []string {
	var dirs []string
	if path, err := m.lookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	if path, err := m.lookPath("pg_config"); err == nil {
		if out, err := who.command(ctx, path, "--bindir").Output(); err == nil {
			dirs = append(dirs, strings.TrimSpace(string(out)))
		}
	}
	var matches []string
	for _, pattern := range m.folders {
		found, _ := filepath.Glob(pattern) // fails only for a bad pattern
		matches = append(matches, found...)
	}
	slices.SortStableFunc(matches, func(a, b string) int {
		return number(filepath.Base(filepath.Dir(b))) - number(filepath.Base(filepath.Dir(a)))
	})

	var complete []string
	for _, dir := range append(dirs, matches...) {
		// PostgreSQL finds its other files from where its program really is.
		program, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
		if err != nil {
			continue
		}
		dir = filepath.Dir(program)
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil && !slices.Contains(complete, dir) {
			complete = append(complete, dir)
		}
	}
	return complete
}

var digits = regexp.MustCompile(`\d+`)

// number is the first number in a text, 0 if there is none.
func number(text string) int {
	n, _ := strconv.Atoi(digits.FindString(text))
	return n
}

// inspect asks the programs in dir, as the account that is going to run them, for their version.
func inspect(ctx context.Context, who account, dir string) (binaries, error) {
	out, err := who.command(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return binaries{}, fmt.Errorf("PostgreSQL in %s does not run as %s: %w", dir, who.name, err)
	}
	_, rest, _ := strings.Cut(string(out), "PostgreSQL) ")
	version, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	if number(version) == 0 {
		return binaries{}, fmt.Errorf("the program postgres in %s does not tell its version", dir)
	}
	return binaries{dir: dir, version: version, major: number(version)}, nil
}

// fits tells why these binaries will not do.
func (b binaries) fits(major int) error {
	if b.major < oldest {
		return fmt.Errorf("PostgreSQL %s in %s is too old", b.version, b.dir)
	}
	if major != 0 && b.major != major {
		return fmt.Errorf("PostgreSQL %s in %s does not read the data of PostgreSQL %d", b.version, b.dir, major)
	}
	return nil
}
