package jobs_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/teamtask/teamtask/internal/jobs"
	"github.com/teamtask/teamtask/internal/pgtest"
)

// Jobs need notifications and locks of a session: a pooler that does not keep sessions is
// refused, and one that does is as good as none.
func TestPoolerKeepsSessionsOrIsRefused(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	for mode, want := range map[string]string{"session": "", "transaction": "set its pool_mode to session"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			b, err := jobs.Open(t.Context(), jobs.Options{URL: pgtest.Pooler(t, base.AppURL, mode), Log: slog.New(slog.DiscardHandler)})
			if want != "" {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(b.Close)
			if err := b.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := b.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
