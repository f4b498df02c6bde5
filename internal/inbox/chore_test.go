package inbox_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/inbox"
)

func TestAChoreIsDoneAtTheStartAndAgainAndNeverTwiceAtOnce(t *testing.T) {
	t.Parallel()
	var begun, under, most atomic.Int32
	x := newBox(t, func(_ *box, o *inbox.Options) {
		o.Chores = []inbox.Chore{
			{Name: "slow", Every: time.Second, Within: time.Minute, Do: func(context.Context) error {
				most.Store(max(most.Load(), under.Add(1)))
				defer under.Add(-1)
				begun.Add(1)
				<-time.After(1500 * time.Millisecond) // longer than the time between two
				return nil
			}},
			{Name: "fails", Every: time.Hour, Within: time.Minute, Do: func(context.Context) error { return errors.New("no luck today") }},
			{Name: "panics", Every: time.Hour, Within: time.Minute, Do: func(context.Context) error { panic("no luck at all") }},
			{Name: "hangs", Every: time.Hour, Within: 200 * time.Millisecond, Do: func(ctx context.Context) error {
				<-ctx.Done()
				return errors.New("ended by its time")
			}},
		}
	})
	x.start()
	x.comes("a chore is done twice", func() bool { return begun.Load() >= 2 })
	if got := most.Load(); got != 1 {
		t.Errorf("done %d times at once, want 1", got)
	}
	for _, want := range []string{`"chore":"fails","error":"no luck today"`, `"chore":"panics"`, `"chore":"hangs","error":"ended by its time"`} {
		x.comes(want, func() bool { return strings.Contains(x.log.String(), want) })
	}
}

// comes waits for what is bound to happen.
func (x *box) comes(what string, holds func() bool) {
	x.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			x.t.Fatalf("never: %s\n%s", what, x.log)
		}
	}
}
