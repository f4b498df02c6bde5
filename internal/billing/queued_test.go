package billing

import (
	"testing"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
)

// A call that waited for the license goes no further where its caller was removed
// meanwhile, whatever it was about to do.
func TestRemovedAdminsQueuedCallIsRefused(t *testing.T) {
	t.Parallel()
	for title, call := range map[string]func(*fixture) error{
		"assign": func(f *fixture) error {
			_, _, err := f.Assign(t.Context(), boss(ours), "user_one")
			return err
		},
		"revoke": func(f *fixture) error {
			_, _, err := f.Revoke(t.Context(), boss(ours), "user_two")
			return err
		},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.put(ours, "user_boss", "user_one", "user_two")
			f.has(ours, bought("sub_1", statusActive, 3))
			if _, _, err := f.Assign(t.Context(), boss(ours), "user_two"); err != nil {
				t.Fatal(err)
			}
			holding, err := f.admin.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := holding.Exec(t.Context(), `SELECT FROM licenses WHERE tenant_id = $1 FOR UPDATE`, ours); err != nil {
				t.Fatal(err)
			}
			queued := make(chan error, 1)
			go func() { queued <- call(f) }()
			waitsForALock(t, f)
			f.exec(`UPDATE standings SET remove_time = now() WHERE tenant_id = $1 AND user_id = 'user_boss'`, ours)
			if err := holding.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := <-queued; !ended(err, teamtaskv1.Reason_REASON_MEMBERSHIP_ENDED) {
				t.Errorf("got %v, want MEMBERSHIP_ENDED", err)
			}
			if n := f.count(`SELECT count(*) FROM seats WHERE tenant_id = $1 AND user_id = 'user_two'`, ours); n != 1 {
				t.Error("the seat was taken")
			}
			if n := f.count(`SELECT count(*) FROM seats WHERE tenant_id = $1`, ours); n != 1 {
				t.Errorf("%d seats, want 1", n)
			}
		})
	}
}

func waitsForALock(t *testing.T, f *fixture) {
	t.Helper()
	for f.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) == 0 {
		if t.Context().Err() != nil {
			t.Fatal("the call does not wait")
		}
	}
}
