package main

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
)

// versions are of what the figures depend on.
type versions struct {
	Go       string `json:"go"`
	Postgres string `json:"postgres"`
	Connect  string `json:"connect"`
	PGX      string `json:"pgx"`
	Protobuf string `json:"protobuf"`
}

// builtWith reads them from this program, which is built from the same module as the
// server.
func builtWith() versions {
	v := versions{Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, m := range info.Deps {
		switch m.Path {
		case "connectrpc.com/connect":
			v.Connect = m.Version
		case "github.com/jackc/pgx/v5":
			v.PGX = m.Version
		case "google.golang.org/protobuf":
			v.Protobuf = m.Version
		}
	}
	return v
}

// machine is where it was measured. What the system does not tell is empty.
type machine struct {
	OS         string  `json:"os"`
	Arch       string  `json:"arch"`
	Kernel     string  `json:"kernel"`
	CPU        string  `json:"cpu"`
	Cores      int     `json:"cores"`
	GOMAXPROCS int     `json:"gomaxprocs"` // of the product, the floors and the generator
	MemoryMiB  float64 `json:"memory_mib"`
	Load       string  `json:"load"` // averages over 1, 5 and 15 minutes at the beginning
}

func thisMachine() machine {
	m := machine{OS: runtime.GOOS, Arch: runtime.GOARCH, Cores: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0)}
	m.Kernel = strings.TrimSpace(textOf("/proc/sys/kernel/osrelease"))
	for line := range strings.Lines(textOf("/proc/cpuinfo")) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
			break
		}
	}
	for line := range strings.Lines(textOf("/proc/meminfo")) {
		if strings.HasPrefix(line, "MemTotal:") {
			if n, err := kibibytes([]byte(line), "MemTotal:"); err == nil {
				m.MemoryMiB = mebibytes(n)
			}
		}
	}
	if fields := strings.Fields(textOf("/proc/loadavg")); len(fields) >= 3 {
		m.Load = strings.Join(fields[:3], " ")
	}
	return m
}

// textOf is what a file of the system says, "" where there is none.
func textOf(path string) string {
	text, err := os.ReadFile(path) //nolint:gosec // below /proc
	if err != nil {
		return ""
	}
	return string(text)
}

// commitOf is the commit that is checked out, and whether there are changes to it; ""
// outside a git checkout.
func commitOf(ctx context.Context, root string) (commit string, modified bool) {
	git := func(args ...string) (string, error) {
		c := exec.CommandContext(ctx, "git", args...) //nolint:gosec // fixed arguments
		c.Dir = root
		out, err := c.Output()
		return strings.TrimSpace(string(out)), err
	}
	commit, err := git("rev-parse", "HEAD")
	if err != nil {
		return "", false
	}
	changes, err := git("status", "--porcelain")
	return commit, err != nil || changes != ""
}
