package audit

import (
	"sync"
	"time"
)

const (
	refusalsMax = 60
	windowIs    = time.Minute
	windowsMax  = 10_000
)

// flood keeps calls that change nothing, refused or not, from filling the log: of one
// actor it lets so many through in a window of time, which begins with the first. The
// rest is counted, by method, outcome and reason, and each count becomes one line when the
// window ends. The first of each kind has a line in any case. A call that is refused
// because there is too much to do is only counted: its line would be more to do. What is
// counted and not yet written is lost with a process that is killed.
//
// It holds one window for each actor of the last minute, all of whom had valid tokens; at
// windowsMax of them, another one begins by ending one of the others early.
type flood struct {
	most    int
	length  time.Duration
	write   func(line)
	counted func()

	mu      sync.Mutex
	windows map[person]*window
	writing sync.WaitGroup
}

// person is an actor in a tenant.
type person struct{ tenant, actor, impersonator string }

// kind is what calls have in common that are counted together.
type kind struct{ method, outcome, reason string }

type window struct {
	lines int
	more  map[kind]int // how many have no line; 0: the first had one, and no other came
	timer *time.Timer
}

func newFlood(most int, length time.Duration, write func(line)) *flood {
	if most == 0 {
		most = refusalsMax
	}
	if length == 0 {
		length = windowIs
	}
	return &flood{most: most, length: length, write: write, counted: func() {}, windows: map[person]*window{}}
}

// admit reports whether the call gets a line of its own; otherwise it is counted.
func (f *flood) admit(e line) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.window(e)
	k := kind{e.method, e.outcome, e.reason}
	more, known := w.more[k]
	if e.reason != overloaded && (w.lines < f.most || !known) {
		w.lines++
		w.more[k] = more
		return true
	}
	w.more[k]++
	f.counted()
	return false
}

// count counts a call whose own line could not be written.
func (f *flood) count(e line) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.window(e).more[kind{e.method, e.outcome, e.reason}]++
	f.counted()
}

// window returns the one that the call falls into. The caller holds mu.
func (f *flood) window(e line) *window {
	who := person{e.tenant, e.actor, e.impersonator}
	w := f.windows[who]
	if w == nil {
		f.makeRoom()
		w = &window{more: map[kind]int{}}
		w.timer = time.AfterFunc(f.length, func() { f.end(who, w) })
		f.windows[who] = w
	}
	return w
}

// makeRoom ends a window early where there are too many. The caller holds mu.
func (f *flood) makeRoom() {
	if len(f.windows) < windowsMax {
		return
	}
	for who, w := range f.windows {
		w.timer.Stop()
		delete(f.windows, who)
		f.writing.Go(func() { f.writeAll(who, w) })
		return
	}
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
		if n == 0 {
			continue
		}
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
