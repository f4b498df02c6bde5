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

// oldest is the first version of PostgreSQL that is supported.
const oldest = 15

// binaries are the programs of one PostgreSQL.
type binaries struct {
	dir   string // holds postgres and initdb
	major int    // version
}

// sources are where PostgreSQL is looked for.
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

// find returns the first binaries that are new enough: of the given major version, or of any if that is 0. It downloads
// them if there are none on this machine.
func (m sources) find(ctx context.Context, who account, major int) (binaries, error) {
	found, reasons := m.installed(ctx, who, major)
	if found != nil {
		return *found, nil
	}
	if ctx.Err() != nil {
		return binaries{}, context.Cause(ctx)
	}
	dir, err := m.download(ctx, who, major)
	if err == nil {
		var b binaries
		if b, err = inspect(ctx, who, dir, major); err == nil {
			return b, nil
		}
	}
	reasons = append(reasons, fmt.Sprintf("download: %v", err))
	return binaries{}, fmt.Errorf("no PostgreSQL %d or newer at hand (%s); install it with: %s",
		max(major, oldest), strings.Join(reasons, "; "), m.install())
}

// installed returns the first binaries on this machine that are new enough, or the reasons against all that are there.
func (m sources) installed(ctx context.Context, who account, major int) (*binaries, []string) {
	var reasons []string
	for _, dir := range m.candidates() {
		b, err := inspect(ctx, who, dir, major)
		if err == nil {
			return &b, nil
		}
		reasons = append(reasons, err.Error())
	}
	return nil, reasons
}

// Installed returns the folder of the PostgreSQL programs on this machine that Start uses for a new cluster. It is an
// error if there are none, so that Start would have to download them.
func Installed(ctx context.Context) (string, error) {
	who, err := accountFor("")
	if err != nil {
		return "", err
	}
	found, reasons := machine().installed(ctx, who, 0)
	if found == nil {
		return "", fmt.Errorf("no PostgreSQL %d or newer on this machine %v", oldest, reasons)
	}
	return found.dir, nil
}

// candidates returns the folders with both programs, in the order in which they are tried.
func (m sources) candidates() []string {
	var dirs []string
	if path, err := m.lookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
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
		// PostgreSQL finds its other files relative to its real program, not to a link.
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

// number returns the first number in a text, 0 if there is none.
func number(text string) int {
	n, _ := strconv.Atoi(digits.FindString(text))
	return n
}

// inspect returns the binaries in dir if the account can run them and they are of the major version, or of any that is
// new enough if that is 0.
func inspect(ctx context.Context, who account, dir string, major int) (binaries, error) {
	out, err := who.command(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return binaries{}, fmt.Errorf("PostgreSQL in %s does not run as %s: %w", dir, who.name, err)
	}
	_, rest, _ := strings.Cut(string(out), "PostgreSQL) ")
	version, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	switch b := (binaries{dir: dir, major: number(version)}); {
	case b.major == 0:
		return binaries{}, fmt.Errorf("the program postgres in %s does not print its version", dir)
	case b.major < oldest:
		return binaries{}, fmt.Errorf("PostgreSQL %s in %s is too old", version, dir)
	case major != 0 && b.major != major:
		return binaries{}, fmt.Errorf("PostgreSQL %s in %s does not read the data of PostgreSQL %d", version, dir, major)
	default:
		return b, nil
	}
}
