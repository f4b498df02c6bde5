package jobs

import (
	"context"
	"sync"
)

// running are the jobs that this process is doing. The zero value is none. It is safe to
// share.
type running struct {
	mu  sync.Mutex
	all map[jobArgs]*run
}

// run is one worker doing a job.
type run struct {
	args  jobArgs
	ended func() error // non-nil once its time is over
	again bool         // it was enqueued since Do was last called
}

// begin begins a run until ctx ends. If one of the same arguments is running, it returns nil
// and joins that one, which does not finish before Do has been called again. A run whose time
// is over cannot be joined: another worker may have its row already, and may have begun too
// early.
func (r *running) begin(ctx context.Context, args jobArgs) (mine *run, joined bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if other, ok := r.all[args]; ok {
		if other.ended() != nil {
			return nil, false
		}
		other.again = true
		return nil, true
	}
	if r.all == nil {
		r.all = make(map[jobArgs]*run)
	}
	mine = &run{args: args, ended: ctx.Err}
	r.all[args] = mine
	return mine, false
}

// finish ends the run and reports true, unless another joined since it began or since the last
// finish: then it must go on. No other can join between the check and the end.
func (r *running) finish(mine *run) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if mine.again {
		mine.again = false
		return false
	}
	r.remove(mine)
	return true
}

// abandon ends the run if it has not ended, even if another joined: its row stays, and the job
// is repeated.
func (r *running) abandon(mine *run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remove(mine)
}

func (r *running) remove(mine *run) {
	if r.all[mine.args] == mine {
		delete(r.all, mine.args)
	}
}
