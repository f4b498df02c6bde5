package inbox_test

import (
	"testing"
	"time"
)

// H18: an event is deleted with the person it tells of, at once where it is done and
// later where it waits or comes late; others' events stay.
func TestWhatEventsSayOfADeletedPersonIsRemoved(t *testing.T) {
	t.Parallel()
	x := newBox(t, withEffects(nil))
	membership := `{"type":"` + kind + `","data":{"public_user_data":{"user_id":"user_1","first_name":"canary"}}}`
	for _, body := range []string{
		`{"type":"user.updated","data":{"id":"user_1","first_name":"canary"}}`,
		`{"type":"user.updated","data":{"id":"user_12","first_name":"somebody else"}}`,
		`{"type":"future","data":{"by":["user_1"],"first_name":"canary"}}`,
		membership,
	} {
		x.put(body)
	}
	const told = `SELECT count(*) FROM inbox_events WHERE position('canary' IN convert_from(body, 'UTF8')) > 0`
	if n := x.count(told); n != 3 {
		t.Fatalf("%d events tell of the person, want 3", n)
	}
	x.put(`{"type":"user.deleted","data":{"id":"user_1","deleted":true}}`)
	x.start()
	x.until(1, doneSQL+` AND consumer = 'effects'`)
	x.until(1, `SELECT count(*) FROM river_job WHERE kind = 'inbox_forget' AND state = 'completed'`)
	if n := x.count(`SELECT count(*) FROM inbox_events WHERE kind IN ('user.updated', 'future', 'user.deleted')`); n != 1 {
		t.Errorf("%d events are left, want somebody else's", n)
	}
	x.put(membership) // and the other one may have waited
	x.until(0, `SELECT count(*) FROM inbox_deliveries WHERE state = 'pending'`)
	const again = `SELECT count(*) FROM river_job WHERE kind = 'inbox_forget' AND state = 'scheduled' AND scheduled_at > now() + interval '30 h'`
	if n := x.count(again); n != 1 {
		t.Fatalf("%d jobs forget again later, want 1", n)
	}
	x.exec(`UPDATE river_job SET scheduled_at = now(), state = 'available' WHERE kind = 'inbox_forget' AND state = 'scheduled'`)
	x.until(0, told)
	if n := x.count(`SELECT count(*) FROM inbox_events WHERE kind = 'user.updated'`); n != 1 || x.events() != 1 {
		t.Errorf("%d events are left, %d of them somebody else's, want 1 and 1", x.events(), n)
	}
	if b, err := x.inbox.Backlog(t.Context()); err != nil || b.Failed+b.Pending != 0 {
		t.Errorf("backlog %+v, %v", b, err)
	}
}

// The job is in the transaction of the event, also where no consumer wants it; and an
// id that could match anything forgets nobody.
func TestOnlyARealIDIsForgotten(t *testing.T) {
	t.Parallel()
	x := newBox(t, nil)
	for _, id := range []string{`""`, `"a"`, `"id"`, `"user_"`, `"user_%"`, `"user_1\" "`, `7`, `null`, `{"id":"user_1"}`} {
		x.put(`{"type":"user.deleted","data":{"id":` + id + `}}`)
	}
	x.put(`{"type":"user.deleted","data":null}`)
	x.put(`{"type":"organization.deleted","data":{"id":"org_1"}}`)
	const jobs = `SELECT count(*) FROM river_job WHERE kind = 'inbox_forget'`
	if n := x.count(jobs); n != 0 {
		t.Errorf("%d jobs of ids that are none", n)
	}
	s := sign(secretA, newID(), time.Now(), `{"type":"user.deleted","data":{"id":"user_1"}}`)
	for range 3 {
		x.send(s)
	}
	if n := x.count(jobs); n != 2 {
		t.Errorf("%d jobs of one deletion, want 2", n)
	}
}
