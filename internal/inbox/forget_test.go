package inbox_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/pgtest"
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
		`{"type":"session.ended","data":{"user_id":"user_1","first_name":"canary"}}`,
		membership,
	} {
		x.put(body)
	}
	const told = `SELECT count(*) FROM inbox_events WHERE position('canary' IN convert_from(body, 'UTF8')) > 0`
	if n := x.count(told); n != 1 {
		t.Fatalf("%d events tell of the person, want the one that waits: nobody wants the others", n)
	}
	x.put(`{"type":"user.deleted","data":{"id":"user_1","deleted":true}}`)
	x.start()
	x.until(1, doneSQL+` AND consumer = 'effects'`)
	x.until(1, `SELECT count(*) FROM river_job WHERE kind = 'inbox_forget' AND state = 'completed'`)
	if n := x.count(`SELECT count(*) FROM inbox_events WHERE kind IN ('user.updated', 'session.ended', 'user.deleted')`); n != 1 {
		t.Errorf("%d events are left, want somebody else's", n)
	}
	x.put(membership) // and the other one may have waited
	x.until(0, `SELECT count(*) FROM inbox_deliveries WHERE state = 'pending'`)
	const again = `SELECT count(*) FROM river_job WHERE kind = 'inbox_forget' AND state = 'scheduled' AND scheduled_at > now() + interval '30 h'`
	if n := x.count(again); n != 1 {
		t.Fatalf("%d jobs forget again later, want 1", n)
	}
	x.exec(`UPDATE river_job SET scheduled_at = now(), state = 'available' WHERE kind = 'inbox_forget' AND state = 'scheduled'`)
	x.until(2, `SELECT count(*) FROM river_job WHERE kind = 'inbox_forget' AND state = 'completed'`)
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

// An invitation names an address and nobody's id: no body keeps anything but ids, whatever
// has become of its event.
func TestNoBodyKeepsPersonalTextOnceAPersonIsForgotten(t *testing.T) {
	t.Parallel()
	x := newBox(t, withEffects(nil))
	bodies := []string{"not json, but of kim.canary@example.test", `{"data":{"mail":"kim.canary@example.test"}}`}
	for _, mail := range []string{
		`"Kim.Canary@example.test"`, `["a", {"KIM.CANARY@example.test": 1}]`, `"kim\u002ecanary@example.test"`, `"to kim.canary@example.test"`,
		`"JÜRGEN CANARY"`, `1e999, "mail": "Kim\u002eCanary@example.test"`, `{"id":"kim.canary@example.test"}`,
	} {
		bodies = append(bodies, `{"type":"`+kind+`","data":{"id":"orgmem_1","mail":`+mail+`,"organization":{"id":"org_1","name":"canary"}}}`)
	}
	for _, body := range bodies {
		x.put(body)
	}
	stripes := signStripe(secretA, "", time.Now(), `{"id":"evt_1","type":"`+stripeKind+`","livemode":true,"data":{"object":{"id":"sub_1","object":"subscription",
		"customer":{"id":"cus_1","email":"kim.canary@example.test"},"billing_details":{"name":"Canary"}}}}`)
	x.send(stripes)
	x.exec(`UPDATE inbox_deliveries SET state = 'failed' WHERE event_id % 2 = 0`)
	x.exec(`UPDATE inbox_deliveries SET state = 'done' WHERE event_id % 3 = 0 AND state = 'pending'`)
	const canaries = `SELECT count(*) FROM inbox_events WHERE lower(convert_from(body, 'UTF8')) ~ 'canary|example|person' OR about ~* 'canary' OR person <> ''`
	if n := x.count(canaries); n != len(bodies)+1 {
		t.Fatalf("%d of %d events hold personal text", n, len(bodies)+1)
	}
	if err := x.inbox.Forget(t.Context(), "user_1"); err != nil {
		t.Fatal(err)
	}
	x.start()
	x.until(1, `SELECT count(*) FROM river_job WHERE kind = 'inbox_forget' AND state = 'completed'`)
	if n := x.count(canaries); n != 0 {
		t.Errorf("%d events still hold personal text", n)
	}
	x.until(0, `SELECT count(*) FROM inbox_deliveries WHERE state = 'pending'`)
	for id, want := range map[string]string{
		"evt_1": `{"id":"evt_1","type":"customer.subscription.updated","livemode":true,` +
			`"data":{"object":{"id":"sub_1","object":"subscription","customer":"cus_1"}}}`,
	} {
		body, err := x.inbox.Body(t.Context(), x.show(id).ID)
		if err != nil || string(body) != want {
			t.Errorf("got %s, %v, want %s", body, err, want)
		}
	}
	if n := x.events(); n != len(bodies)+1 {
		t.Errorf("%d events are left, want all", n)
	}
	for _, none := range []string{"", "user", "kim.canary@example.test", "%"} {
		if err := x.inbox.Forget(t.Context(), none); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("forget %q: %v", none, err)
		}
	}
}

// The body is reduced when everybody who wants the event is done with it, and an event that
// is reduced is applied again from its ids.
func TestABodyIsReducedToIDsOnceItIsApplied(t *testing.T) {
	t.Parallel()
	x := newBox(t, func(x *box, o *options) {
		withEffects(nil)(x, o)
		o.Attempts = 1
		o.Consumers = append(o.Consumers, inbox.Consumer{
			Name: "fails", Wants: func(k string) bool { return k == "user.created" },
			Apply: func(context.Context, inbox.Event) error { return errors.New("never") },
		})
	})
	person := `{"type":"organizationMembership.created","object":"event","instance_id":"ins_1","data":{"id":"orgmem_1","object":"organization_membership",
		"organization":{"id":"org_1","name":"Acme"},"public_user_data":{"user_id":"user_1","first_name":"Canary"}}}`
	done, failed := x.put(person), x.put(`{"type":"user.created","data":{"id":"user_2","first_name":"Canary"}}`)
	ignored := x.put(`{"type":"user.updated","data":{"id":"user_3","first_name":"Canary"}}`)
	old := x.put(person)
	x.exec(`UPDATE inbox_events SET about = '', person = '' WHERE id = $1`, old.ID) // as an older server stores it
	if !ignored.Reduced || done.Reduced || ignored.About != "user user_3" || done.Person != "user_1" || done.About != "user user_1 in organization org_1" {
		t.Errorf("ignored: %+v, waits: %+v", ignored, done)
	}
	x.start()
	x.until(1, `SELECT count(*) FROM inbox_deliveries WHERE state = 'failed'`)
	x.until(2, doneSQL)
	if err := x.inbox.Reduce(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := `{"object":"event","type":"organizationMembership.created","instance_id":"ins_1","data":{"id":"orgmem_1","object":"organization_membership",` +
		`"organization":{"id":"org_1"},"public_user_data":{"user_id":"user_1"}}}`
	for _, e := range []inbox.StoredEvent{done, old} {
		now := x.show(e.ExternalID)
		body, err := x.inbox.Body(t.Context(), e.ID)
		if err != nil || string(body) != want || !now.Reduced || now.Person != "user_1" {
			t.Errorf("got %s, %+v, %v, want %s", body, now, err, want)
		}
	}
	if now := x.show(failed.ExternalID); now.Reduced {
		t.Error("what was set aside is reduced: nobody can look at it")
	}
	if names, err := x.inbox.Replay(t.Context(), done, true); err != nil || len(names) != 1 {
		t.Fatalf("replay: %v, %v", names, err)
	}
	x.until(2, `SELECT count(*) FROM effects`) // the two had merged
}

func TestAnEventThatCannotBeReadIsKeptAWeekAndThenAHashOfIt(t *testing.T) {
	t.Parallel()
	var shift atomic.Int64
	x := newBox(t, func(_ *box, o *options) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }
	})
	e := x.put("canary, not json")
	for _, c := range []struct {
		after time.Duration
		want  bool
	}{{6 * 24 * time.Hour, false}, {8 * 24 * time.Hour, true}} {
		shift.Store(int64(c.after))
		if err := x.inbox.Reduce(t.Context()); err != nil {
			t.Fatal(err)
		}
		body, err := x.inbox.Body(t.Context(), e.ID)
		if hash := strings.HasPrefix(string(body), `{"sha256":"`); err != nil || hash != c.want {
			t.Errorf("after %v: %s, %v", c.after, body, err)
		}
	}
}

func TestEveryPageOfEventsIsReduced(t *testing.T) {
	t.Parallel()
	x := newBox(t, nil)
	x.exec(`INSERT INTO inbox_events (provider, external_id, kind, instance, body, receive_time)
		SELECT 'clerk', 'msg_' || i, 'user.updated', '', convert_to('{"data":{"id":"user_' || i % 350 || '","n":"canary"}}', 'UTF8'), now() FROM generate_series(1, 1501) i`)
	if err := x.inbox.Reduce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := x.count(`SELECT count(*) FROM inbox_events WHERE convert_from(body, 'UTF8') ~ 'canary'`); n != 0 {
		t.Errorf("%d are not reduced", n)
	}
	if n := x.count(`SELECT count(*) FROM inbox_events WHERE person = 'user_1'`); n != 5 {
		t.Errorf("%d are of one person, want 5", n)
	}
}

// What is known to be a deleted person's goes at once, however long the bodies of all others
// take.
func TestADeletedPersonsOwnEventsGoFirst(t *testing.T) {
	t.Parallel()
	x := newBox(t, nil)
	x.put(`{"type":"user.updated","data":{"id":"user_1","first_name":"canary"}}`)
	x.put("canary, not json")
	holding, err := x.admin.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holding.Rollback(context.Background()) }()
	if _, err := holding.Exec(t.Context(), `SELECT FROM inbox_events WHERE kind = '' FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	if err := x.inbox.Forget(t.Context(), "user_1"); err != nil {
		t.Fatal(err)
	}
	x.start()
	x.until(0, `SELECT count(*) FROM inbox_events WHERE person = 'user_1'`)
	if err := holding.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	x.until(0, `SELECT count(*) FROM inbox_events WHERE position('canary' IN convert_from(body, 'UTF8')) > 0`)
}

// A job that has no more time has another one go on behind the last event that it reduced.
func TestErasureGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	x := newBox(t, func(_ *box, o *options) { o.Jobs.Timeout = 3 * time.Second })
	x.exec(`INSERT INTO inbox_events (provider, external_id, kind, instance, body, receive_time)
		SELECT 'clerk', 'msg_' || i, '', '', convert_to('canary', 'UTF8'), now() FROM generate_series(1, 501) i`)
	x.exec(`INSERT INTO inbox_deliveries (event_id, consumer, state) SELECT id, 'inbox', 'failed' FROM inbox_events`)
	holding, err := x.admin.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holding.Rollback(context.Background()) }()
	if _, err := holding.Exec(t.Context(), `SELECT FROM inbox_events WHERE id = (SELECT max(id) FROM inbox_events) FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	if err := x.inbox.Forget(t.Context(), "user_1"); err != nil {
		t.Fatal(err)
	}
	x.start()
	x.comes("another job goes on", func() bool {
		return x.count(`SELECT count(*) FROM river_job WHERE kind = 'inbox_forget' AND (args->>'after')::bigint = (SELECT max(id) - 1 FROM inbox_events)`) > 0
	})
	if err := holding.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	x.until(0, `SELECT count(*) FROM inbox_events WHERE reduce_time IS NULL`)
}

// What an older server has stored does not say whom it is about, until it is reduced.
func TestEventsThatTurnOutToBeADeletedPersonsGoAsWell(t *testing.T) {
	t.Parallel()
	x := newBox(t, nil)
	x.put(`{"type":"user.updated","data":{"id":"user_1","first_name":"canary"}}`)
	x.exec(`UPDATE inbox_events SET person = '', about = '', reduce_time = NULL`)
	if err := x.inbox.Forget(t.Context(), "user_1"); err != nil {
		t.Fatal(err)
	}
	x.start()
	x.until(1, `SELECT count(*) FROM river_job WHERE kind = 'inbox_forget' AND state = 'completed'`)
	if n := x.events(); n != 0 {
		t.Errorf("%d events are left, want none", n)
	}
}

// A person's events are found by an index, and not by looking at all.
func TestAPersonsEventsAreFoundByAnIndex(t *testing.T) {
	t.Parallel()
	x := newBox(t, nil)
	x.exec(`INSERT INTO inbox_events (provider, external_id, kind, instance, body, receive_time, person, reduce_time)
		SELECT 'clerk', 'msg_' || i, 'user.updated', '', '{}', now(), 'user_' || i, now() FROM generate_series(1, 20000) i`)
	for _, p := range pgtest.Explain(t, x.db, pgtest.Explained{SQL: inbox.ForgetPersonSQL, Args: []any{"user_7", 500}}) {
		if p.Buffers > 100 {
			t.Errorf("%s: %d pages, want few\n%s", p.Mode, p.Buffers, p.Text)
		}
	}
}
