package main

import (
	"runtime/debug"
	"strings"
	"testing"
)

func TestMigrationsRefuseTwoDatabases(t *testing.T) {
	t.Setenv("MIGRATE_DATABASE_URL", "postgres://o@127.0.0.1:1/one")
	t.Setenv("DATABASE_URL", "postgres://a@127.0.0.1:1/two")
	if err := (migrateUpCommand{}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "different databases") {
		t.Errorf("got %v", err)
	}
}

// No t.Parallel: the limit is that of the process.
func TestTheHeapHasASoftLimitByDefault(t *testing.T) { //nolint:paralleltest // as above
	limit, percent := debug.SetMemoryLimit(-1), debug.SetGCPercent(100)
	defer debug.SetGCPercent(percent)
	defer debug.SetMemoryLimit(limit)
	for _, c := range []struct {
		env     map[string]string
		limit   int64
		percent int
	}{
		{nil, 192 << 20, 200},
		{map[string]string{"GOMEMLIMIT": "1GiB"}, 1 << 40, 200}, // Go has read it by itself
		{map[string]string{"GOGC": "50"}, 192 << 20, 50},
	} {
		debug.SetMemoryLimit(1 << 40)
		debug.SetGCPercent(50)
		collectSeldom(func(name string) (string, bool) { value, ok := c.env[name]; return value, ok })
		if got := debug.SetMemoryLimit(-1); got != c.limit {
			t.Errorf("%v: a limit of %d, want %d", c.env, got, c.limit)
		}
		if got := debug.SetGCPercent(100); got != c.percent {
			t.Errorf("%v: %d percent, want %d", c.env, got, c.percent)
		}
	}
}
