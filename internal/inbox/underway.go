package inbox

import (
	"context"
	"sync"
)

// underWay are the jobs that this process is doing. The zero value is none.
type underWay struct {
	mu  sync.Mutex
	all map[askedJob]*run
}

// run is one worker doing a job.
type run struct {
	of    askedJob
	ended func() error // tells whether its time is over
	again bool         // it was asked for since Do was last called
}

// take begins a run until ctx ends. Where one is under way it answers none: that one is
// joined, and will not finish before Do has been called again. One whose time is over
// cannot be joined: its row may be with another worker already, which began too early.
func (u *underWay) take(ctx context.Context, of askedJob) (r *run, joined bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if r, ok := u.all[of]; ok {
		if r.ended() != nil {
			return nil, false
		}
		r.again = true
		return nil, true
	}
	if u.all == nil {
		u.all = make(map[askedJob]*run)
	}
	r = &run{of: of, ended: ctx.Err}
	u.all[of] = r
	return r, false
}

// finish ends the run, unless it was asked for since it began or since the last finish:
// then it goes on. Between looking and ending nobody can ask.
func (u *underWay) finish(r *run) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if r.again {
		r.again = false
		return false
	}
	u.remove(r)
	return true
}

// leave ends the run, if it has not ended, whatever was asked for: its row stays, and
// the job is done again.
func (u *underWay) leave(r *run) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.remove(r)
}

func (u *underWay) remove(r *run) {
	if u.all[r.of] == r {
		delete(u.all, r.of)
	}
}
