package audit

import (
	"sync"
	"time"
)

const (
	refusalsMax = 60
	windowIs    = time.Minute
)

// flood keeps refused calls from filling the log: of one actor it lets so many through
// in a window of time, which begins with the first. The rest is counted, by method,
// outcome and reason, and each count becomes one line when the window ends. A call that
// is refused because there is too much to do is only counted: its line would be more to
// do. What is counted and not yet written is lost with a process that is killed.
//
// It holds one window for each actor who was refused within the last minute; they all
// had valid tokens.
type flood struct {
	most   int
	length time.Duration
	write  func(line)

	mu      sync.Mutex
	windows map[person]*window
	writing sync.WaitGroup
}

// person is an actor in a tenant.
type person struct{ tenant, actor, impersonator string }

// kind is what refusals have in common that are counted together.
type kind struct{ method, outcome, reason string }

type window struct {
	lines int
	more  map[kind]int
	timer *time.Timer
}

func newFlood(most int, length time.Duration, write func(line)) *flood {
	if most == 0 {
		most = refusalsMax
	}
	if length == 0 {
		length = windowIs
	}
	return &flood{most: most, length: length, write: write, windows: map[person]*window{}}
}

// admit tells whether the refusal gets a line of its own; otherwise it is counted.
func (f *flood) admit(e line) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.window(e)
	if w.lines < f.most && e.reason != overloaded {
		w.lines++
		return true
	}
	w.more[kind{e.method, e.outcome, e.reason}]++
	return false
}

// count counts a refusal whose own line could not be written.
func (f *flood) count(e line) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.window(e).more[kind{e.method, e.outcome, e.reason}]++
}

// window is the one that the refusal falls into. The lock is held.
func (f *flood) window(e line) *window {
	who := person{e.tenant, e.actor, e.impersonator}
	w := f.windows[who]
	if w == nil {
		w = &window{more: map[kind]int{}}
		w.timer = time.AfterFunc(f.length, func() { f.end(who, w) })
		f.windows[who] = w
	}
	return w
}

// end writes what the window has counted.
func (f *flood) end(who person, w *window) {
	f.mu.Lock()
	if f.windows[who] != w {
		f.mu.Unlock()
		return // close has it
	}
	delete(f.windows, who)
	f.writing.Add(1)
	f.mu.Unlock()
	defer f.writing.Done()
	f.writeAll(who, w)
}

func (f *flood) writeAll(who person, w *window) {
	for k, n := range w.more {
		f.write(line{
			tenant: who.tenant, actor: who.actor, impersonator: who.impersonator,
			method: k.method, outcome: k.outcome, reason: k.reason, details: map[string]any{repeated: n},
		})
	}
}

// close ends all windows.
func (f *flood) close() {
	f.mu.Lock()
	open := f.windows
	f.windows = map[person]*window{}
	f.mu.Unlock()
	for who, w := range open {
		w.timer.Stop()
		f.writeAll(who, w)
	}
	f.writing.Wait()
}
