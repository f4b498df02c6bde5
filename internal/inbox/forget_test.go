package inbox_test

import (
	"strings"
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

// An invitation names an address and nobody's id.
func TestEventsThatHoldATextAreForgotten(t *testing.T) {
	t.Parallel()
	const kim, umlaut, and = "Kim.Canary@example.test", "jürgen@example.test", "o&m@example.test"
	x := newBox(t, withEffects(nil))
	for _, mail := range []string{
		`"Kim.Canary@example.test"`, `"kim.canary@EXAMPLE.test"`, `["a", {"KIM.CANARY@example.test": 1}]`, `"kim\u002ecanary@example.test"`,
		`"JÜRGEN@example.test"`, `"j\u00dcrgen@example.test"`, `"o\u0026m@example.test"`, `"O&M@example.test"`, `1e999, "mail": "Kim\u002eCanary@example.test"`,
	} {
		x.put(`{"type":"gone","data":{"mail":` + mail + `}}`)
	}
	x.put(`not json, but of "kim.Canary@example.test"`)
	for _, mail := range []string{
		`"a.kim.canary@example.test"`, `"kim.canary@example.test.example"`, `"to kim.canary@example.test"`, `"kimXcanary@example.test"`, `"kim.canary"`,
		`"\"kim.canary@example.test\""`, `"jurgen@example.test"`, `"o\\u0026m@example.test"`, `""`, `" "`, `"ünrelated"`,
	} {
		x.put(`{"type":"stays","data":{"mail":` + mail + `}}`)
	}
	x.put(`not json, but of kim.Canary@example.test`)
	x.put(`{"type":"` + kind + `","data":{"mail":"` + kim + `"}}`) // waits
	stays := 13
	before := x.events()
	for _, none := range [][]string{nil, {}, {""}, {" ", "\t"}} {
		if err := x.inbox.Forget(t.Context(), none); err != nil || x.events() != before {
			t.Fatalf("%q: %v, %d of %d events are left", none, err, x.events(), before)
		}
	}
	texts := []string{kim, "", umlaut, and}
	if err := x.inbox.Forget(t.Context(), texts); err != nil {
		t.Fatal(err)
	}
	if n := x.count(`SELECT count(*) FROM inbox_events WHERE kind = 'gone'`); n != 0 || x.events() != stays {
		t.Errorf("%d events are left, %d of them to be gone; want %d and 0", x.events(), n, stays)
	}
	if n := x.count(`SELECT count(*) FROM inbox_events WHERE kind = $1`, kind); n != 1 {
		t.Error("an event that waits was removed")
	}
	x.start()
	x.until(1, doneSQL)
	if err := x.inbox.Forget(t.Context(), texts); err != nil || x.events() != stays-1 {
		t.Errorf("%v, %d events are left when nothing waits, want %d", err, x.events(), stays-1)
	}
}

func TestEveryPageOfEventsIsLookedAtForTexts(t *testing.T) {
	t.Parallel()
	x := newBox(t, nil)
	x.exec(`INSERT INTO inbox_events (provider, external_id, kind, instance, body, receive_time)
		SELECT 'clerk', 'msg_' || i, 'k', '', convert_to('{"n":"' || i % 350 || '"}', 'UTF8'), now() FROM generate_series(1, 701) i`)
	if err := x.inbox.Forget(t.Context(), []string{"1"}); err != nil || x.events() != 701-3 {
		t.Errorf("%v, %d events are left, want those that are not number 1, 351 and 701", err, x.events())
	}
}

func TestNoErrorOfForgettingQuotesAText(t *testing.T) {
	t.Parallel()
	x := newBox(t, nil)
	x.put(`{"type":"k","data":"canary"}`)
	hidden := func(what string, err error) {
		if err == nil || strings.Contains(err.Error()+x.log.String(), "canary") {
			t.Errorf("%s: %v\n%s", what, err, x.log)
		}
	}
	x.exec(`REVOKE DELETE ON inbox_events FROM teamtask_runtime`)
	hidden("no right to delete", x.inbox.Forget(t.Context(), []string{"canary"}))
	x.exec(`REVOKE SELECT ON inbox_events FROM teamtask_runtime`)
	hidden("no right to read", x.inbox.Forget(t.Context(), []string{"canary"}))
	if err := x.inbox.Forget(t.Context(), []string{"canary\x00", "canary\xff"}); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("texts that PostgreSQL does not take: %v", err)
	}
	x.exec(`GRANT SELECT, DELETE ON inbox_events TO teamtask_runtime`)
	if err := x.inbox.Forget(t.Context(), []string{"canary\x00", "canary\xff"}); err != nil || x.events() != 1 {
		t.Errorf("%v, %d events", err, x.events())
	}
}
