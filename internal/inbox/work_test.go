package inbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/jobs"
)

// put sends an event and answers its row.
func (x *box) put(body string) inbox.StoredEvent {
	x.t.Helper()
	s := sign(secretA, newID(), time.Now(), body)
	if status, answer := x.send(s); status != http.StatusNoContent {
		x.t.Fatalf("status %d %s", status, answer)
	}
	return x.show(s.id)
}

func (x *box) show(id string) inbox.StoredEvent {
	x.t.Helper()
	all, err := x.inbox.Show(x.t.Context(), id)
	if err != nil || len(all) != 1 {
		x.t.Fatalf("show %s: %v, %v", id, all, err)
	}
	return all[0]
}

const doneSQL = `SELECT count(*) FROM inbox_deliveries WHERE state = 'done'`

// E16: that an event is stored does not mean that it is done.
func TestAnEventWhoseFirstAttemptFailsIsAppliedAgain(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	x := newBox(t, withEffects(func(e inbox.Event) error {
		if n := calls.Add(1); int(n) != e.Attempt {
			t.Errorf("attempt %d at call %d", e.Attempt, n)
		}
		if e.Attempt == 1 {
			return errors.New("not this time")
		}
		return nil
	}))
	x.start()
	e := x.put(eventBody(kind))
	x.until(1, doneSQL)
	if x.effects() != 1 || calls.Load() != 2 {
		t.Errorf("%d effects after %d calls", x.effects(), calls.Load())
	}
	if d := x.show(e.ExternalID).Deliveries[0]; d.State != "done" || d.Attempts != 1 || d.LastError != "" {
		t.Errorf("delivery %+v", d)
	}
	if e.Instance != "ins_1" || e.Kind != kind || e.Provider != "clerk" {
		t.Errorf("entry %+v", e)
	}
}

// E19 and G21: errors and panics are counted, and others go on.
func TestAPoisonousEventIsSetAsideAndTheQueueGoesOn(t *testing.T) {
	t.Parallel()
	x := newBox(t, func(x *box, o *options) {
		o.Attempts = 3
		withEffects(func(e inbox.Event) error {
			if strings.Contains(string(e.Body), "explode") {
				panic("about " + string(e.Body))
			}
			if strings.Contains(string(e.Body), "poison") {
				return errors.New("cannot apply " + string(e.Body))
			}
			return nil
		})(x, o)
	})
	x.start()
	poison := x.put(`{"type":"` + kind + `","data":{"note":"poison canary-note","id":"orgmem_9"}}`)
	panics := x.put(`{"type":"` + kind + `","data":{"note":"explode canary-note"}}`)
	well := x.put(eventBody(kind))
	x.until(2, `SELECT count(*) FROM inbox_deliveries WHERE state = 'failed'`)
	x.until(1, doneSQL)
	for id, want := range map[string]string{poison.ExternalID: "cannot apply", panics.ExternalID: "panic: value of type string", well.ExternalID: ""} {
		d := x.show(id).Deliveries[0]
		if want != "" && (d.Attempts != 3 || !strings.HasPrefix(d.LastError, want)) || want == "" && d.State != "done" {
			t.Errorf("%s: %+v", id, d)
		}
	}
	x.until(0, `SELECT count(*) FROM river_job WHERE kind = 'inbox_delivery' AND state NOT IN ('completed')`)
	listed, err := x.inbox.List(t.Context(), true, 10)
	if err != nil || len(listed) != 2 {
		t.Errorf("failed: %v, %v", listed, err)
	}
	if strings.Count(x.log.String(), "event set aside") != 2 {
		t.Errorf("the log does not say so:\n%s", x.log)
	}
	if strings.Contains(x.log.String(), "canary") {
		t.Errorf("the log quotes a body:\n%s", x.log)
	}
}

func TestAConsumerThatDoesNotMarkIsMarkedForIt(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	x := newBox(t, func(_ *box, o *options) {
		o.Consumers = []inbox.Consumer{
			{Name: "one", Wants: all, Apply: func(context.Context, inbox.Event) error { calls.Add(1); return nil }},
			{Name: "two", Wants: all, Apply: func(context.Context, inbox.Event) error { calls.Add(1); return nil }},
			{Name: "none", Wants: func(string) bool { return false }, Apply: func(context.Context, inbox.Event) error { calls.Add(100); return nil }},
		}
	})
	x.start()
	x.put(eventBody(kind))
	x.until(2, doneSQL)
	if calls.Load() != 2 {
		t.Errorf("%d calls, want one for each consumer", calls.Load())
	}
}

// Two jobs of one delivery at once: the mark lets one of them commit.
func TestADeliveryThatIsAppliedTwiceAtOnceHasOneEffect(t *testing.T) {
	t.Parallel()
	both := make(chan bool)
	var calls atomic.Int32
	x := newBox(t, withEffects(func(inbox.Event) error {
		if calls.Add(1) == 2 {
			close(both)
		}
		<-both
		return nil
	}))
	e := x.put(eventBody(kind))
	if names, err := x.inbox.Replay(t.Context(), e, false); err != nil || !slices.Equal(names, []string{consumer}) {
		t.Fatalf("a second job: %v, %v", names, err)
	}
	x.start()
	x.until(0, `SELECT count(*) FROM river_job WHERE kind = 'inbox_delivery' AND state <> 'completed'`)
	if calls.Load() != 2 || x.effects() != 1 || x.show(e.ExternalID).Deliveries[0].State != "done" {
		t.Errorf("%d calls, %d effects", calls.Load(), x.effects())
	}
}

// E26.
func TestReplayLeavesAloneWhatIsDone(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	broken.Store(true)
	x := newBox(t, func(x *box, o *options) {
		o.Attempts = 2
		withEffects(func(inbox.Event) error {
			if broken.Load() {
				return errors.New("broken")
			}
			return nil
		})(x, o)
	})
	x.start()
	e := x.put(eventBody(kind))
	x.until(1, `SELECT count(*) FROM inbox_deliveries WHERE state = 'failed'`)
	broken.Store(false)
	if names, err := x.inbox.Replay(t.Context(), e, false); err != nil || !slices.Equal(names, []string{consumer}) {
		t.Fatalf("replay of a failed one: %v, %v", names, err)
	}
	x.until(1, doneSQL)
	for range 3 {
		if names, err := x.inbox.Replay(t.Context(), e, false); err != nil || len(names) != 0 {
			t.Errorf("replay of a done one: %v, %v", names, err)
		}
	}
	x.until(0, `SELECT count(*) FROM river_job WHERE kind = 'inbox_delivery' AND state <> 'completed'`)
	if x.effects() != 1 {
		t.Errorf("%d effects", x.effects())
	}
	if names, err := x.inbox.Replay(t.Context(), e, true); err != nil || len(names) != 1 {
		t.Errorf("again: %v, %v", names, err)
	}
	x.until(2, `SELECT count(*) FROM effects`) // a new run, as it was asked for
	x.until(1, doneSQL)
	if d := x.show(e.ExternalID).Deliveries[0]; d.Replays != 2 {
		t.Errorf("%d replays are on record, want 2", d.Replays)
	}
	unread := x.put("not json")
	if names, err := x.inbox.Replay(t.Context(), unread, true); err != nil || len(names) != 0 {
		t.Errorf("replay of what cannot be read: %v, %v", names, err)
	}
	if _, err := x.inbox.Show(t.Context(), "msg_nothing"); !errors.Is(err, inbox.ErrNoEvent) {
		t.Errorf("got %v, want ErrNoEvent", err)
	}
}

// E28.
func TestEventsGoAfterNinetyDaysUnlessTheyWait(t *testing.T) {
	t.Parallel()
	var shift atomic.Int64
	x := newBox(t, func(x *box, o *options) {
		withEffects(nil)(x, o)
		o.Now = func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }
	})
	body := eventBody(kind)
	s := sign(secretA, newID(), time.Now(), body)
	x.send(s)
	x.put("not json")
	x.put(eventBody("user.created"))
	x.put(body)
	x.exec(`UPDATE inbox_deliveries SET state = 'done' WHERE event_id = (SELECT id FROM inbox_events WHERE external_id = $1)`, s.id)
	for _, c := range []struct {
		after time.Duration
		gone  int64
	}{{inbox.Retention - time.Hour, 0}, {inbox.Retention + time.Hour, 3}, {inbox.Retention + 2*time.Hour, 0}} {
		shift.Store(int64(c.after))
		if n, err := x.inbox.Sweep(t.Context()); err != nil || n != c.gone {
			t.Errorf("after %v: %d removed, %v, want %d", c.after, n, err, c.gone)
		}
	}
	if n := x.events(); n != 1 {
		t.Errorf("%d rows, want the one that waits", n)
	}
	if n := x.count(`SELECT count(*) FROM inbox_deliveries`); n != 1 {
		t.Errorf("%d deliveries, want 1", n)
	}
	// The same event again, signed anew: it is taken for new, which is what Keep says.
	again := sign(secretA, s.id, time.Now().Add(time.Duration(shift.Load())), body)
	if status, _ := x.send(again); status != http.StatusNoContent || x.events() != 2 {
		t.Errorf("status %d, %d rows", status, x.events())
	}
}

// Stopping waits for an attempt; one that does not end is told to, and does not count.
func TestStoppingDoesNotCountAsAnAttempt(t *testing.T) {
	t.Parallel()
	begun := make(chan int, 10)
	x := newBox(t, func(_ *box, o *options) {
		o.Consumers = []inbox.Consumer{{Name: "slow", Wants: all, Apply: func(ctx context.Context, e inbox.Event) error {
			begun <- e.Attempt
			<-ctx.Done()
			return ctx.Err()
		}}}
	})
	x.put(eventBody(kind))
	if err := x.jobs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := <-begun; n != 1 {
		t.Errorf("attempt %d", n)
	}
	stopping, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := x.jobs.Stop(stopping); err != nil {
		t.Error(err)
	}
	x.until(1, `SELECT count(*) FROM river_job WHERE kind = 'inbox_delivery' AND state = 'available' AND attempt = 0`)
	if n := x.count(`SELECT count(*) FROM inbox_deliveries WHERE state = 'pending' AND attempts = 0`); n != 1 {
		t.Error("the attempt was counted")
	}
}

// H13.
func TestBodiesAreInNoLogErrorOrJob(t *testing.T) {
	t.Parallel()
	x := newBox(t, func(x *box, o *options) {
		o.Attempts = 2
		withEffects(func(e inbox.Event) error {
			var wrong struct {
				Data struct {
					Count json.Number `json:"name"`
				} `json:"data"`
			}
			err := json.Unmarshal(e.Body, &wrong)
			return errors.Join(errors.New("unmarshal "+string(e.Body)), err)
		})(x, o)
	})
	x.start()
	body := `{"type":"` + kind + `","data":{"id":"user_known","name":"Canary Lastname","mail":["canary@example.test"]}}`
	x.put(body)
	x.put("canary, not json")
	bad := sign(secretC, newID(), time.Now(), body)
	x.send(bad)
	x.until(2, `SELECT count(*) FROM inbox_deliveries WHERE state = 'failed'`)
	x.until(0, `SELECT count(*) FROM river_job WHERE kind = 'inbox_delivery' AND state <> 'completed'`)
	rows, err := x.inbox.JobArgs(t.Context())
	if err != nil || !strings.Contains(rows, "inbox_delivery") {
		t.Fatalf("jobs: %q, %v", rows, err)
	}
	listed, err := x.inbox.List(t.Context(), false, 10)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := json.Marshal(listed)
	if err != nil {
		t.Fatal(err)
	}
	for place, text := range map[string]string{"log": x.log.String(), "jobs": rows, "entries": string(entries)} {
		for _, word := range []string{"anary", "Lastname", "example.test", strings.TrimPrefix(secretA, "whsec_"), bad.signature[3:]} {
			if strings.Contains(text, word) {
				t.Errorf("%s: holds %q:\n%s", place, word, text)
			}
		}
	}
	if !strings.Contains(x.log.String(), "user_known") {
		t.Error("ids are struck out too")
	}
}

func TestWhatIsKeptOfAnErrorIsShort(t *testing.T) {
	t.Parallel()
	got := inbox.Redacted(strings.Repeat("long ", 10_000)+"\x00", []byte(`{}`))
	if len(got) > 2100 || strings.Contains(got, "\x00") {
		t.Errorf("%d bytes", len(got))
	}
}

func TestNewRefusesConsumersThatCannotWork(t *testing.T) {
	t.Parallel()
	apply := func(context.Context, inbox.Event) error { return nil }
	x := newBox(t, nil)
	for name, consumers := range map[string][]inbox.Consumer{
		"two of one name": {{Name: "a", Wants: all, Apply: apply}, {Name: "a", Wants: all, Apply: apply}},
		"a reserved name": {{Name: "inbox", Wants: all, Apply: apply}},
		"without a name":  {{Wants: all, Apply: apply}},
		"without Apply":   {{Name: "a", Wants: all}},
	} {
		if _, err := inbox.New(x.jobs, inbox.Options{Log: slogDiscard, Consumers: consumers}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// Row security shows this pool nothing of tenants.
func TestTheInboxSeesNoTenantData(t *testing.T) {
	t.Parallel()
	x := newBox(t, nil)
	x.exec(`INSERT INTO tasks (tenant_id, id, name, description, created_by, updated_by) VALUES ('org_1', gen_random_uuid(), 'x', '', 'u', 'u')`)
	seen, err := x.inbox.TasksSeen(t.Context())
	if err != nil || seen != 0 {
		t.Errorf("%d rows, %v", seen, err)
	}
}

// What is at work while the connections are cut ends well, and work goes on by itself
// once there is a database again.
func TestWorkGoesOnAfterItsConnectionsWereCut(t *testing.T) {
	t.Parallel()
	begun, cut := make(chan bool), make(chan bool)
	x := newBox(t, func(x *box, o *options) {
		o.Jobs.Timeout, o.Jobs.Rescue = 20*time.Second, 21*time.Second
		withEffects(func(e inbox.Event) error {
			if strings.Contains(string(e.Body), "slow") && e.Attempt == 1 {
				begun <- true
				<-cut
			}
			return nil
		})(x, o)
	})
	x.start()
	x.put(eventBody(kind))
	x.until(1, doneSQL)
	x.put(`{"type":"` + kind + `","data":"slow"}`)
	<-begun
	x.exec(`REVOKE CONNECT ON DATABASE ` + x.db.Name + ` FROM PUBLIC`)
	const cutAll = `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'teamtask-inbox'`
	if n := x.count(cutAll); n == 0 {
		t.Error("there was nothing to cut")
	}
	late := sign(secretA, newID(), time.Now(), eventBody(kind))
	for range 5 {
		if status, answer := x.send(late); status != http.StatusServiceUnavailable {
			t.Errorf("without a database: %d %s", status, answer)
		}
	}
	close(cut)
	x.until(0, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'teamtask-inbox'`)
	x.exec(`GRANT CONNECT ON DATABASE ` + x.db.Name + ` TO PUBLIC`)
	if status, answer := x.send(late); status != http.StatusNoContent {
		t.Errorf("with a database again: %d %s", status, answer)
	}
	x.until(3, doneSQL)
	x.until(0, `SELECT count(*) FROM river_job WHERE kind = 'inbox_delivery' AND state <> 'completed'`)
	if n := x.effects(); n != 3 {
		t.Errorf("%d effects, want 3", n)
	}
}

// An event that ends the process each time is set aside too: its attempts are counted
// where nobody is left to say that they failed.
func TestAnEventThatEndsTheProcessIsSetAside(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	x := newBox(t, func(x *box, o *options) {
		o.Attempts = 3
		withEffects(func(inbox.Event) error { calls.Add(1); return nil })(x, o)
	})
	e := x.put(eventBody(kind))
	x.exec(`UPDATE river_job SET attempt = 3`) // as it is when it is rescued from the third
	x.start()
	x.until(1, `SELECT count(*) FROM inbox_deliveries WHERE state = 'failed'`)
	if d := x.show(e.ExternalID).Deliveries[0]; calls.Load() != 0 || d.Attempts != 3 || !strings.Contains(d.LastError, "process ended") {
		t.Errorf("%d calls, %+v", calls.Load(), d)
	}
}

// One organization's thousands of new members are no reason for others to wait for
// a removal.
func TestARemovalIsAppliedBeforeAdditionsThatCameEarlier(t *testing.T) {
	t.Parallel()
	const workers = 2
	begun, let := make(chan string, 100), make(chan bool)
	x := newBox(t, func(_ *box, o *options) {
		o.Workers = workers
		o.Consumers = []inbox.Consumer{{Name: "slow", Wants: all, Apply: func(ctx context.Context, e inbox.Event) error {
			begun <- e.Kind
			select {
			case <-let:
			case <-ctx.Done():
			}
			return ctx.Err()
		}}}
	})
	x.start()
	x.until(1, `SELECT count(*) FROM river_job WHERE kind = 'inbox_sweep' AND state = 'completed'`)
	for range workers {
		x.put(eventBody(kind))
	}
	for range workers {
		<-begun
	}
	for range 40 {
		x.put(eventBody(kind))
	}
	x.put(eventBody("user.updated"))
	x.put(eventBody("organizationMembership.deleted"))
	x.put(eventBody("organizationMembership.updated"))
	for i, want := range []string{"organizationMembership.deleted", "organizationMembership.updated", kind} {
		let <- true // one worker is free
		if got := <-begun; got != want {
			t.Errorf("number %d behind those under way: %s, want %s", i+1, got, want)
		}
	}
	close(let)
	x.until(workers+43, doneSQL)
}

// What is not about one event waits, also where it is done again.
func TestEveryJobHasItsPriority(t *testing.T) {
	t.Parallel()
	x := newBox(t, func(_ *box, o *options) {
		o.Consumers = []inbox.Consumer{{Name: "any", Wants: all, Apply: func(context.Context, inbox.Event) error { return nil }}}
		o.Jobs.Periodic = []jobs.Periodic{{Name: "daily", Every: 24 * time.Hour, Within: time.Hour, Do: func(context.Context) error { return nil }}}
	})
	const latest = `SELECT priority FROM river_job WHERE kind = 'inbox_delivery' ORDER BY id DESC LIMIT 1`
	for kind, want := range map[string]int{
		"user.deleted": 1, "organizationMembership.deleted": 1, "organizationMembership.updated": 1, "organization.created": 1,
		"organizationMembership.created": 2, "organizationInvitation.revoked": 2, "organization.updated": 2, "user.created": 2,
		"user.updated": 3, "deleted": 3, "user.deleted.x": 3,
	} {
		e := x.put(strings.Replace(eventBody(kind), "orgmem_1", "user_"+strings.ReplaceAll(kind, ".", "_"), 1))
		if got := x.count(latest); got != want {
			t.Errorf("%s: %d, want %d", kind, got, want)
		}
		if _, err := x.inbox.Replay(t.Context(), e, false); err != nil {
			t.Fatal(err)
		}
		if got := x.count(latest); got != want {
			t.Errorf("%s, replayed: %d, want %d", kind, got, want)
		}
	}
	x.start()
	x.until(6, `SELECT count(*) FROM river_job WHERE kind IN ('inbox_forget', 'inbox_chore', 'inbox_sweep', 'inbox_mend', 'inbox_reduce') AND priority = 4`)
	x.until(0, `SELECT count(*) FROM river_job WHERE kind <> 'inbox_delivery' AND priority <> 4`)
}
