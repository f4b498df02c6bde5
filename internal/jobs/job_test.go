package jobs_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/teamtask/teamtask/internal/jobs"
)

// asker enqueues jobs as the runtime role, in transactions that are not the client's.
type asker struct {
	*stage

	pool *pgxpool.Pool
}

func newAsker(t *testing.T, all []jobs.Job, change func(o *jobs.Options)) asker {
	t.Helper()
	x := newStage(t, func(o *jobs.Options) {
		o.Jobs = all
		if change != nil {
			change(o)
		}
	})
	pool, err := pgxpool.New(t.Context(), x.db.AppURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return asker{stage: x, pool: pool}
}

func (a asker) ask(name, subject string) { a.askFor(name, subject, nil) }

func (a asker) askFor(name, subject string, notBefore *time.Time) {
	a.t.Helper()
	err := pgx.BeginFunc(a.t.Context(), a.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(a.t.Context(), jobs.InsertSQL, name, "org_1", subject, notBefore)
		return err
	})
	if err != nil {
		a.t.Error(err)
	}
}

const (
	jobsLeft = `SELECT count(*) FROM river_job WHERE kind = 'inbox_job' AND state <> 'completed'`
	jobsDone = `SELECT count(*) FROM river_job WHERE kind = 'inbox_job' AND state = 'completed'`
)

func doing(f func(ctx context.Context, c jobs.Call) error) []jobs.Job {
	return []jobs.Job{{Name: "job", Do: f}}
}

func nothingDone(context.Context, jobs.Call) error { return nil }

// The statement writes by hand what belongs to River: a version that writes something
// else shows here.
func TestAskingForAJobIsTheSameAsRiversInsert(t *testing.T) {
	t.Parallel()
	a := newAsker(t, doing(nothingDone), nil)
	heard := a.listen()
	later := time.Now().Add(time.Hour).Truncate(time.Microsecond)
	for _, notBefore := range []time.Time{{}, later} {
		a.exec(`DELETE FROM river_job`)
		if err := a.client.InsertJob(t.Context(), "job", "org_1", `sub"ject`, notBefore); err != nil {
			t.Fatal(err)
		}
		var asked *time.Time
		if !notBefore.IsZero() {
			asked = &notBefore
		}
		a.askFor("job", `sub"ject`, asked)
		rows, err := a.admin.Query(t.Context(), `
			SELECT to_jsonb(j) - 'id' - 'created_at' - 'scheduled_at'
			       || jsonb_build_object('waits', extract(epoch FROM scheduled_at - created_at)::int,
			                             'recent', abs(extract(epoch FROM now() - created_at)) < 60) AS row
			  FROM river_job j ORDER BY id`)
		if err != nil {
			t.Fatal(err)
		}
		got, err := pgx.CollectRows(rows, pgx.RowTo[map[string]any])
		if err != nil || len(got) != 2 {
			t.Fatalf("%d rows, %v", len(got), err)
		}
		if len(got[0]) < 17 {
			t.Errorf("only the columns %v are compared", got[0])
		}
		if diff := cmp.Diff(got[0], got[1]); diff != "" {
			t.Errorf("not before %v: the row differs from River's (-river +ours):\n%s", notBefore, diff)
		}
		if state := got[1]["state"]; state != "available" && notBefore.IsZero() || state != "scheduled" && !notBefore.IsZero() {
			t.Errorf("not before %v: state %v", notBefore, state)
		}
	}
	past := time.Now().Add(-time.Hour)
	a.askFor("job", "past", &past) // River's would wait for its scheduler
	if n := a.count(`SELECT count(*) FROM river_job WHERE state = 'available' AND args->>'subject' = 'past'`); n != 1 {
		t.Error("a time in the past is waited for")
	}
	if got, want := heard(), `public.river_insert {"queue": "jobs"}`; !slices.Equal(got, []string{want, want, want}) {
		t.Errorf("heard %q, want %q by River, by us, and for a time in the past", got, want)
	}
}

// listen answers what is heard of what was inserted so far.
func (a asker) listen() func() []string {
	a.t.Helper()
	conn, err := pgx.Connect(a.t.Context(), a.db.AdminURL)
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	if _, err := conn.Exec(a.t.Context(), `LISTEN "public.river_insert"; LISTEN "end"`); err != nil {
		a.t.Fatal(err)
	}
	return func() (heard []string) {
		a.t.Helper()
		a.exec(`SELECT pg_notify('end', '')`)
		for {
			ctx, cancel := context.WithTimeout(a.t.Context(), patience)
			note, err := conn.WaitForNotification(ctx)
			cancel()
			if err != nil {
				a.t.Fatal(err)
			}
			if note.Channel == "end" {
				return heard
			}
			heard = append(heard, note.Channel+" "+note.Payload)
		}
	}
}

func TestAJobIsDoneAtOnceAndOnlyWhereItsTransactionCommits(t *testing.T) {
	t.Parallel()
	begun := make(chan jobs.Call, 20)
	a := newAsker(t, doing(func(_ context.Context, c jobs.Call) error { begun <- c; return nil }), nil)
	a.start()
	tx, err := a.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), jobs.InsertSQL, "job", "org_1", "taken back", nil); err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	var took []time.Duration
	for i := range 9 {
		asked := time.Now()
		a.ask("job", "user_1")
		if got, want := <-begun, (jobs.Call{Tenant: "org_1", Subject: "user_1", Attempt: 1}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		a.until(i+1, jobsDone)
		took = append(took, time.Since(asked))
	}
	// Without the notification all but the first would wait for the next poll, a second later.
	if best := slices.Min(took[1:]); best > 500*time.Millisecond {
		t.Errorf("taken up after %v at best", best)
	}
	if n := a.count(`SELECT count(*) FROM river_job WHERE args->>'subject' = 'taken back'`); n != 0 {
		t.Error("the job of a transaction that did not commit is there")
	}
}

func TestAJobIsNotDoneBeforeItsTime(t *testing.T) {
	t.Parallel()
	begun := make(chan time.Time, 1)
	a := newAsker(t, doing(func(context.Context, jobs.Call) error { begun <- time.Now(); return nil }), nil)
	a.start()
	later := time.Now().Add(2 * time.Second)
	a.askFor("job", "user_1", &later)
	if at := <-begun; at.Before(later) {
		t.Errorf("done %v too early", later.Sub(at))
	}
}

// However often it is asked for, what was wanted last is seen.
func TestAHundredAsksAreDoneAFewTimesAndTheLastTimeAfterTheLastAsk(t *testing.T) {
	t.Parallel()
	const asks, callers = 96, 12
	var wanted, seen, calls, at, most atomic.Int64
	slow := make(chan bool)
	a := newAsker(t, doing(func(ctx context.Context, _ jobs.Call) error {
		calls.Add(1)
		most.Store(max(most.Load(), at.Add(1)))
		defer at.Add(-1)
		sees := wanted.Load()
		if calls.Load() == 1 {
			select { // the others come meanwhile
			case <-slow:
			case <-ctx.Done():
			}
		}
		seen.Store(sees)
		return nil
	}), nil)
	a.start()
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for range asks / callers {
				a.ask("job", "user_1")
				wanted.Add(1) // right after the commit: a run that joins it may not see it yet, a later one has to
			}
		})
	}
	group.Wait()
	wanted.Add(1000)
	a.ask("job", "user_1") // whoever sees this one sees all
	a.until(asks, jobsDone)
	close(slow)
	a.until(0, jobsLeft)
	if n := calls.Load(); n < 2 || n > 10 {
		t.Errorf("done %d times for %d asks, want a few", n, asks+1)
	}
	if seen.Load() != asks+1000 || most.Load() != 1 {
		t.Errorf("saw %d of %d, %d at once", seen.Load(), asks+1000, most.Load())
	}
}

func TestJobsOfOthersAreDoneMeanwhile(t *testing.T) {
	t.Parallel()
	begun, let := make(chan string, 10), make(chan bool)
	do := func(ctx context.Context, c jobs.Call) error {
		begun <- c.Subject
		select {
		case <-let:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	a := newAsker(t, []jobs.Job{{Name: "job", Do: do}, {Name: "another", Do: do}}, nil)
	a.start()
	a.ask("job", "user_1")
	a.ask("job", "user_2")
	a.ask("another", "user_1")
	a.exec(jobs.InsertSQL, "job", "org_2", "user_1", nil)
	for range 4 {
		select {
		case <-begun:
		case <-time.After(patience):
			t.Fatal("one waits for another's end")
		}
	}
	close(let)
	a.until(4, jobsDone)
}

// Marks and ends race: whoever joined is served by a call that begins afterwards.
func TestWhoeverJoinsARunIsServedAfterwards(t *testing.T) {
	t.Parallel()
	var running jobs.Running
	var at, served, joins atomic.Int64
	var wanted [8]atomic.Int64
	var sees [8]atomic.Int64
	var group sync.WaitGroup
	for i := range wanted {
		group.Go(func() {
			for range 2000 {
				mine := wanted[i].Add(1)
				finish, leave, joined := running.Begin(t.Context(), "user_1")
				if joined {
					joins.Add(1)
					continue
				}
				if at.Add(1) != 1 {
					t.Error("two at once")
				}
				for again := true; again; {
					for k := range wanted {
						sees[k].Store(wanted[k].Load())
					}
					served.Add(1)
					runtime.Gosched() // others come
					at.Add(-1)
					if again = !finish(); again {
						at.Add(1)
					}
				}
				leave() // after the end of it: must not end another's
				if got := sees[i].Load(); got < mine {
					t.Errorf("saw %d, want at least its own %d", got, mine)
				}
			}
		})
	}
	group.Wait()
	for i := range wanted {
		if got, want := sees[i].Load(), wanted[i].Load(); got != want {
			t.Errorf("caller %d: the last run saw %d of %d", i, got, want)
		}
	}
	if joins.Load() == 0 {
		t.Error("nobody joined: this test sees nothing")
	}
}

func TestARunGoesOnAsLongAsItIsJoinedAndEndsNoOther(t *testing.T) {
	t.Parallel()
	var running jobs.Running
	finish, leave, _ := running.Begin(t.Context(), "user_1")
	for range 2 {
		if _, _, joined := running.Begin(t.Context(), "user_1"); !joined {
			t.Error("not joined")
		}
	}
	if finish() {
		t.Error("ended though it was joined")
	}
	if !finish() {
		t.Error("not ended though nobody joined it again")
	}
	if _, _, joined := running.Begin(t.Context(), "user_1"); joined {
		t.Error("joined after its end")
	}
	leave()
	if _, _, joined := running.Begin(t.Context(), "user_1"); !joined {
		t.Error("the end of the first was that of the second too")
	}
}

// A run that does not end in time is done anew by another worker, which began before
// whoever comes now.
func TestARunWhoseTimeIsOverIsNotJoined(t *testing.T) {
	t.Parallel()
	var running jobs.Running
	ctx, cancel := context.WithCancel(t.Context())
	_, leave, _ := running.Begin(ctx, "user_1")
	cancel()
	if finish, _, joined := running.Begin(t.Context(), "user_1"); finish != nil || joined {
		t.Error("joined, or begun beside it")
	}
	leave()
	if finish, _, _ := running.Begin(t.Context(), "user_1"); finish == nil {
		t.Error("not begun after its end")
	}
}

func TestAJobIsTriedAgainUntilItSucceedsAndItsFailuresAreLogged(t *testing.T) {
	t.Parallel()
	const failures = 22
	var calls atomic.Int32
	var mu sync.Mutex
	runs := map[jobs.Run]int{}
	a := newAsker(t, doing(func(_ context.Context, c jobs.Call) error {
		n := int(calls.Add(1))
		if want := min(n, 21); c.Attempt != want {
			t.Errorf("attempt %d at call %d", c.Attempt, n)
		}
		switch {
		case n == 2:
			panic("canary")
		case n <= failures:
			return errors.New("not yet\x00")
		}
		return nil
	}), func(o *jobs.Options) {
		o.Observe = func(r jobs.Run) {
			mu.Lock()
			defer mu.Unlock()
			runs[r]++
		}
	})
	a.start()
	a.ask("job", "user_1")
	a.until(1, jobsDone)
	if n := calls.Load(); n != failures+1 {
		t.Errorf("%d calls", n)
	}
	if n := a.count(`SELECT cardinality(errors) FROM river_job WHERE kind = 'inbox_job'`); n != 20 {
		t.Errorf("%d lines in the row, want 20", n)
	}
	log := a.log.String()
	for level, want := range map[string]int{"WARN": 7, "ERROR": failures - 7} {
		n := 0
		for line := range strings.Lines(log) {
			if strings.Contains(line, `"job failed"`) && strings.Contains(line, `"level":"`+level+`"`) {
				n++
				if !strings.Contains(line, `"tenant":"org_1","subject":"user_1"`) {
					t.Errorf("whose job was it? %s", line)
				}
			}
		}
		if n != want {
			t.Errorf("%d lines of level %s, want %d", n, level, want)
		}
	}
	if strings.Contains(log, "canary") || strings.Contains(log, `\u0000`) {
		t.Error("the log holds what was thrown, or control characters")
	}
	mu.Lock()
	defer mu.Unlock()
	if runs[jobs.Run{Name: "job", Outcome: jobs.Failed, Attempt: 2}] != 1 || runs[jobs.Run{Name: "job", Outcome: jobs.Done, Attempt: 21}] != 1 {
		t.Errorf("observed %v", runs)
	}
}

func TestAJobWaitsFiveMinutesAtMost(t *testing.T) {
	t.Parallel()
	a := newAsker(t, doing(func(context.Context, jobs.Call) error { return errors.New("never") }), func(o *jobs.Options) {
		o.Backoff = jobs.Backoff
	})
	a.ask("job", "user_1")
	a.exec(`UPDATE river_job SET attempt = 12`)
	a.start()
	a.until(1, `SELECT count(*) FROM river_job WHERE state = 'retryable' AND attempt = 13`)
	wait := a.count(`SELECT extract(epoch FROM scheduled_at - attempted_at)::int FROM river_job WHERE kind = 'inbox_job'`)
	if wait < 290 || wait > 330 {
		t.Errorf("waits %d s, want 300", wait)
	}
}

// A server that was there before the job was thought of leaves it to the others.
func TestAJobOfAnUnknownNameIsKept(t *testing.T) {
	t.Parallel()
	a := newAsker(t, doing(nothingDone), nil)
	a.start()
	a.ask("of-tomorrow", "user_1")
	a.until(1, `SELECT count(*) FROM river_job WHERE kind = 'inbox_job' AND state = 'scheduled' AND attempt = 0 AND scheduled_at > now() + interval '4 minutes'`)
	if !strings.Contains(a.log.String(), `"job":"of-tomorrow"`) {
		t.Error("the log does not say so")
	}
}

func TestStoppingDoesNotCountAsAnAttemptOfAJob(t *testing.T) {
	t.Parallel()
	begun := make(chan bool, 1)
	a := newAsker(t, doing(func(ctx context.Context, _ jobs.Call) error {
		begun <- true
		<-ctx.Done()
		return ctx.Err()
	}), nil)
	a.ask("job", "user_1")
	if err := a.client.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-begun
	stopping, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := a.client.Stop(stopping); err != nil {
		t.Error(err)
	}
	a.until(1, `SELECT count(*) FROM river_job WHERE kind = 'inbox_job' AND state = 'available' AND attempt = 0`)
	if strings.Contains(a.log.String(), "job failed") {
		t.Error("it was logged as a failure")
	}
}

// What is done once more late has as much time as what is done first.
func TestWhatIsDoneOnceMoreHasAllOfItsTime(t *testing.T) {
	t.Parallel()
	deadlines, joined := make(chan time.Time, 10), make(chan bool, 10)
	a := newAsker(t, doing(func(ctx context.Context, c jobs.Call) error {
		deadline, _ := ctx.Deadline()
		deadlines <- deadline
		if len(deadlines) == 1 { // the first call, late in its time
			<-joined
			<-time.After(time.Until(deadline) - time.Second)
		}
		if c.Attempt != 1 {
			t.Errorf("attempt %d", c.Attempt)
		}
		return nil
	}), func(o *jobs.Options) {
		o.Timeout = 4 * time.Second
		o.Observe = func(r jobs.Run) {
			if r.Outcome == jobs.Joined {
				joined <- true
			}
		}
	})
	a.start()
	a.ask("job", "user_1")
	a.until(1, `SELECT count(*) FROM river_job WHERE kind = 'inbox_job' AND state = 'running'`)
	a.ask("job", "user_1")
	a.until(2, jobsDone)
	if first, second := <-deadlines, <-deadlines; second.Sub(first) < time.Second {
		t.Errorf("the second call ends %v after the first", second.Sub(first))
	}
}
