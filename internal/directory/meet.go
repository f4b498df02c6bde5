package directory

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/teamtask/teamtask/internal/tenancy"
)

const (
	meetAgain  = time.Minute // before somebody is asked for once more
	meetMax    = 10_000      // people who are remembered to have been asked for
	meetQueue  = 1000        // people who wait to be asked for; more are met another time
	meetWithin = 30 * time.Second
)

// Meetings are people who call and whom our copy does not know, or knows otherwise than
// their token: its news of them is on its way, or lost. They are asked for one by one.
type Meetings struct {
	log   *slog.Logger
	queue chan hint

	mu    sync.Mutex
	asked map[hint]time.Time
}

// NewMeetings makes an empty queue.
func NewMeetings(log *slog.Logger) *Meetings {
	return &Meetings{log: log, queue: make(chan hint, meetQueue), asked: make(map[hint]time.Time)}
}

// Meet has somebody asked for who was let in by their token. It does not wait.
func (m *Meetings) Meet(a tenancy.Actor) {
	h := hint{about: aboutUser, user: a.User}
	if !a.Personal() {
		h = hint{about: aboutMembership, organization: a.Tenant, user: a.User}
	}
	if !m.first(h, time.Now()) {
		return
	}
	select {
	case m.queue <- h:
	default: // met at a later call
		m.forget(h)
	}
}

// first tells whether the hint has not been taken for a minute, and takes it.
func (m *Meetings) first(h hint, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at, ok := m.asked[h]; ok && now.Sub(at) < meetAgain {
		return false
	}
	if len(m.asked) >= meetMax {
		clear(m.asked) // somebody is asked for twice
	}
	m.asked[h] = now
	return true
}

func (m *Meetings) forget(h hint) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.asked, h)
}

// Run asks for people until ctx ends.
func (m *Meetings) Run(ctx context.Context, d *Directory) {
	for {
		select {
		case <-ctx.Done():
			return
		case h := <-m.queue:
			m.ask(ctx, d, h)
		}
	}
}

// ask writes what Clerk has. An organization that is not known either comes first.
func (m *Meetings) ask(ctx context.Context, d *Directory, h hint) {
	ctx, cancel := context.WithTimeout(ctx, meetWithin)
	defer cancel()
	if h.organization != "" && m.first(hint{about: aboutOrganization, organization: h.organization}, time.Now()) {
		if err := d.refresh(ctx, hint{about: aboutOrganization, organization: h.organization}, nil); err != nil {
			m.log.WarnContext(ctx, "organization not fetched", "organization", h.organization, "error", err)
		}
	}
	if err := d.refresh(ctx, h, nil); err != nil && ctx.Err() == nil {
		m.log.WarnContext(ctx, "person not fetched", "user", h.user, "organization", h.organization, "error", err)
	}
}
