package migrations_test

import (
	"testing"

	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/migrations"
)

// Servers before migration 00008 wrote that a delivery waits into its error.
func TestDeliveriesThatWaitHaveAStateOfTheirOwn(t *testing.T) {
	t.Parallel()
	base := at(t, 12)
	admin := connect(t, base.AdminURL)
	run(t, admin, `INSERT INTO inbox_events (provider, external_id, kind, instance, body, receive_time)
		SELECT 'clerk', 'evt_' || n, 'k', '', '{}', now() FROM generate_series(1, 5) n`)
	run(t, admin, `INSERT INTO inbox_deliveries (event_id, consumer, state, waits, last_error)
		SELECT e.id, 'c', r.state, r.waits, r.last_error
		  FROM inbox_events e
		  JOIN (VALUES ('evt_1', 'pending', false, 'not yet: customer cus_1 is not known'),
		               ('evt_2', 'failed', false, 'not yet: customer cus_1 is not known'),
		               ('evt_3', 'pending', true, 'customer cus_1 is not known'),
		               ('evt_4', 'done', true, ''),
		               ('evt_5', 'pending', false, 'no luck')) r (external_id, state, waits, last_error) USING (external_id)`)
	if _, err := migrations.Up(t.Context(), base.OwnerURL, pgtest.AppUser()); err != nil {
		t.Fatal(err)
	}
	const read = `SELECT string_agg(concat_ws(' ', e.external_id, d.state, d.waits, d.last_error), E'\n' ORDER BY e.external_id)
		FROM inbox_events e JOIN inbox_deliveries d ON d.event_id = e.id`
	const want = "evt_1 pending t customer cus_1 is not known\n" +
		"evt_2 failed f not yet: customer cus_1 is not known\n" +
		"evt_3 pending t customer cus_1 is not known\n" +
		"evt_4 done f \n" +
		"evt_5 pending f no luck"
	if got := one[string](t, admin, read); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if _, err := admin.Exec(t.Context(), `UPDATE inbox_deliveries SET waits = true WHERE state = 'failed'`); sqlState(err) != "23514" {
		t.Errorf("a failed delivery waits: %v", err)
	}
}
