package inbox

import (
	"sync"
	"time"
)

const (
	// fetchApart is how long after a fetch for a subject began the next one may, so that a
	// storm about one subject costs a bounded number of requests.
	fetchApart = 500 * time.Millisecond
	fetchesMax = 10_000 // subjects that are stored
)

// fetches are the subjects that this process fetches, or has just fetched. The zero value
// is none. It is safe to share.
type fetches struct {
	mu  sync.Mutex
	all map[fetchKey]fetch
}

type fetchKey struct{ consumer, party, subject string }

type fetch struct {
	began   time.Time
	running bool
}

// begin begins a fetch and returns the function that ends it. Where one of the same subject
// is running, or began a moment ago, it returns nil and how long to wait.
func (f *fetches) begin(of deliveryJob, now time.Time) (end func(), wait time.Duration) {
	key := fetchKey{of.Consumer, of.Party, of.Subject}
	f.mu.Lock()
	defer f.mu.Unlock()
	last, ok := f.all[key]
	if since := now.Sub(last.began); ok && (last.running || since < fetchApart) {
		return nil, max(fetchApart-since, fetchApart/5)
	}
	if len(f.all) >= fetchesMax {
		for other, last := range f.all {
			if !last.running && now.Sub(last.began) >= fetchApart {
				delete(f.all, other)
			}
		}
	}
	if f.all == nil {
		f.all = make(map[fetchKey]fetch)
	}
	f.all[key] = fetch{began: now, running: true}
	return func() { f.end(key, now) }, 0
}

func (f *fetches) end(key fetchKey, began time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all[key] = fetch{began: began}
}
