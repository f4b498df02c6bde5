package membership

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/fault"
)

const (
	rolesFreshFor   = time.Minute     // no newer answer is asked for
	rolesUsableFor  = 24 * time.Hour  // while Clerk does not answer
	rolesRetryPause = 5 * time.Second // after a question that failed
	rolesPatience   = time.Second     // of a caller for whom there is an older answer
	rolesAskWithin  = 8 * time.Second // for Clerk to answer: less than a call may take
)

// roleBook remembers what Clerk says of roles. Clerk is asked one question at a time,
// whoever waits for the answer; it is safe to share.
type roleBook struct {
	ask func(context.Context) ([]clerk.Role, error)
	now func() time.Time

	mu      sync.Mutex
	known   rolesAnswer
	failed  time.Time // when asking failed last
	cause   error     // why
	pending chan struct{}
}

// rolesAnswer is what Clerk said.
type rolesAnswer struct {
	offered bool // Clerk has a list of roles
	roles   []clerk.Role
	at      time.Time // zero: Clerk never said anything
}

func newRoleBook(ask func(context.Context) ([]clerk.Role, error), now func() time.Time) *roleBook {
	if now == nil {
		now = time.Now
	}
	return &roleBook{ask: ask, now: now}
}

// read answers what Clerk says, or said within the last minute; or within the last day,
// where it does not answer now. The answer is shared: do not change it.
//
// Faults: fault.ProviderUnavailable.
func (b *roleBook) read(ctx context.Context) (rolesAnswer, error) {
	pending := b.begin()
	if pending == nil {
		return b.best()
	}
	var impatient <-chan time.Time
	if _, err := b.best(); err == nil {
		timer := time.NewTimer(rolesPatience)
		defer timer.Stop()
		impatient = timer.C
	}
	select {
	case <-pending:
	case <-impatient:
	case <-ctx.Done():
		return rolesAnswer{}, ctx.Err()
	}
	return b.best()
}

// begin asks Clerk, unless it is being asked, and answers what is closed when that has
// ended; nil where there is nothing to wait for.
func (b *roleBook) begin() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if now.Sub(b.known.at) < rolesFreshFor {
		return nil
	}
	if b.pending == nil && now.Sub(b.failed) >= rolesRetryPause {
		b.pending = make(chan struct{})
		go b.fetch(b.pending)
	}
	return b.pending
}

// fetch belongs to nobody's context: it is for all who wait.
func (b *roleBook) fetch(done chan<- struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), rolesAskWithin)
	defer cancel()
	roles, err := b.ask(ctx)
	notOffered := errors.Is(err, clerk.NotOffered)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil || notOffered {
		b.known = rolesAnswer{offered: err == nil, roles: roles, at: b.now()}
	} else {
		b.failed, b.cause = b.now(), err
	}
	b.pending = nil
	close(done)
}

// best is the last answer while it is usable.
func (b *roleBook) best() (rolesAnswer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.known.at.IsZero() && b.now().Sub(b.known.at) < rolesUsableFor {
		return b.known, nil
	}
	if errors.Is(b.cause, fault.ProviderUnavailable) {
		return rolesAnswer{}, b.cause // with the time to wait, where it is known
	}
	return rolesAnswer{}, fault.ProviderUnavailable.Because(b.cause)
}
