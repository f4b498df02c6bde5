package billing

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/teamtask/teamtask/internal/licensing"
)

// The history checker: several people and Stripe change one license at once, each writes
// down when a call began, when it ended and what it answered. A history is legal where the
// calls can be put in an order in which each lies between its beginning and its end, and in
// which a model that knows of no concurrency answers the same.

// call is one call of a history.
type call struct {
	what       string // "assign", "revoke" or "resize"
	user       int
	seats      int32 // of a resize: the quantity
	paid       int32 // of a resize: how many of them
	works      bool  // of a resize: the subscription is live
	begin, end int64
	answer     string // "": it is not known whether it was done
}

func (c call) String() string {
	return fmt.Sprintf("[%d-%d] %s user %d seats %d paid %d works %t: %s", c.begin, c.end, c.what, c.user, c.seats, c.paid, c.works, c.answer)
}

// model is a license without concurrency.
type model struct {
	purchased int32
	works     bool
	given     uint64 // a bit for each user
}

func (m model) assigned() (n int32) {
	for given := m.given; given > 0; given &= given - 1 {
		n++
	}
	return n
}

// does returns what a call answers, and the license afterwards.
func (m model) does(c call) (string, model) {
	bit := uint64(1) << c.user
	switch c.what {
	case "assign":
		if m.given&bit == 0 && m.assigned() >= m.purchased {
			return "exhausted", m
		}
		m.given |= bit
	case "revoke":
		m.given &^= bit
	default:
		m.purchased, m.works = min(c.seats, c.paid), c.works
		if !m.works {
			m.purchased = 0
		}
		return "kept", m
	}
	return totals(m.purchased, m.assigned(), m.works), m
}

func totals(purchased, assigned int32, works bool) string {
	return fmt.Sprintf("%d of %d %t", assigned, purchased, works)
}

// legal reports whether there is an order. A call whose end is not known may come anywhere
// behind its beginning, or not at all.
func legal(history []call, from model) bool {
	type at struct {
		done  uint64
		state model
	}
	seen := map[at]bool{}
	var search func(done uint64, state model) bool
	search = func(done uint64, state model) bool {
		here := at{done, state}
		if seen[here] {
			return false
		}
		seen[here] = true
		first := int64(1) << 62 // the end of the call that ended first of those that are left
		for i, c := range history {
			if done&(1<<i) == 0 && c.answer != "" {
				first = min(first, c.end)
			}
		}
		if first == 1<<62 {
			return true
		}
		for i, c := range history {
			if done&(1<<i) != 0 || c.begin > first {
				continue
			}
			answer, next := state.does(c)
			if (c.answer == "" || answer == c.answer) && search(done|1<<i, next) {
				return true
			}
		}
		return false
	}
	return search(0, from)
}

// D21. TEAMTASK_SEAT_ROUNDS is the number of seeds.
func TestEveryHistoryOfALicenseIsLegal(t *testing.T) {
	t.Parallel()
	f := newFixtureWith(t, setting{grace: week, connections: 12})
	const lanes = 3
	seeds := seatRounds(t) / 2
	var wg sync.WaitGroup
	var overlaps, lost atomic.Int64
	for lane := range lanes {
		wg.Go(func() {
			for seed := lane; seed < seeds && !t.Failed(); seed += lanes {
				history := f.writesDown(t, fmt.Sprintf("org_%d", seed), uint64(seed))
				if !legal(history, model{purchased: 3, works: true}) {
					t.Errorf("seed %d:\n%v", seed, lined(history))
				}
				for i, c := range history {
					if c.answer == "" {
						lost.Add(1)
					}
					if i > 0 && slices.ContainsFunc(history[:i], func(o call) bool { return o.begin < c.begin && o.end > c.begin }) {
						overlaps.Add(1)
					}
				}
			}
		})
	}
	wg.Wait()
	if overlaps.Load() < int64(seeds) || lost.Load() == 0 {
		t.Errorf("%d calls overlap, of %d it is not known whether they were done: this test sees too little", overlaps.Load(), lost.Load())
	}
}

func lined(history []call) string {
	var b strings.Builder
	for _, c := range history {
		fmt.Fprintln(&b, c)
	}
	return b.String()
}

// writesDown lets four people and Stripe change the license, and answers the history.
func (f *fixture) writesDown(t *testing.T, org string, seed uint64) []call {
	t.Helper()
	const people, users, each = 4, 6, 8
	f.put(org, persons(users)...)
	f.has(org, bought("sub_1", statusActive, 3))
	var clock atomic.Int64
	histories := make([][]call, people+1)
	together(people+1, func(who int) error {
		random := rand.New(rand.NewPCG(seed, uint64(who))) // a story that can be told again
		for range each {
			c := call{what: []string{"assign", "assign", "revoke"}[random.IntN(3)], user: random.IntN(users)}
			if who == people {
				seats := int32(1 + random.IntN(5))
				c = call{what: "resize", seats: seats, paid: seats, works: random.IntN(4) > 0}
				if random.IntN(3) == 0 {
					c.seats += int32(1 + random.IntN(900)) // a raise that is not paid
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			if random.IntN(8) == 0 {
				go cancel() // the caller goes away at some moment
			}
			c.begin = clock.Add(1)
			c.answer = f.calls(ctx, t, org, c)
			c.end = clock.Add(1)
			cancel()
			histories[who] = append(histories[who], c)
		}
		return nil
	})
	f.sound(org)
	return slices.Concat(histories...)
}

// calls makes the call and answers what the model is to answer.
func (f *fixture) calls(ctx context.Context, t *testing.T, org string, c call) string {
	t.Helper()
	var s licensing.Summary
	var err error
	user := persons(c.user + 1)[c.user]
	switch c.what {
	case "assign":
		_, s, err = f.Assign(ctx, boss(org), user)
	case "revoke":
		_, s, err = f.Revoke(ctx, boss(org), user)
	default:
		status := statusUnpaid
		if c.works {
			status = statusActive
		}
		if err = f.keeps(ctx, org, raised("sub_1", status, int64(c.paid), int64(c.seats))); err == nil {
			return "kept"
		}
	}
	switch {
	case err == nil:
		return totals(s.Purchased, s.Assigned, s.Working)
	case ended(err, seatsExhausted):
		return "exhausted"
	case ctx.Err() == nil:
		t.Errorf("%v: %v", c, err)
	}
	return ""
}

// The checker itself: what must not be is found.
func TestTheHistoryCheckerFindsWhatIsNotLegal(t *testing.T) {
	t.Parallel()
	from := model{purchased: 1, works: true}
	assign := func(user int, begin, end int64, answer string) call {
		return call{what: "assign", user: user, begin: begin, end: end, answer: answer}
	}
	for name, c := range map[string]struct {
		history []call
		want    bool
	}{
		"one after the other":          {[]call{assign(0, 1, 2, "1 of 1 true"), assign(1, 3, 4, "exhausted")}, true},
		"both at once":                 {[]call{assign(0, 1, 3, "exhausted"), assign(1, 2, 4, "1 of 1 true")}, true},
		"oversold":                     {[]call{assign(0, 1, 3, "1 of 1 true"), assign(1, 2, 4, "2 of 1 true")}, false},
		"the last seat twice":          {[]call{assign(0, 1, 3, "1 of 1 true"), assign(1, 2, 4, "1 of 1 true")}, false},
		"undersold":                    {[]call{assign(0, 1, 2, "exhausted")}, false},
		"refused before it was taken":  {[]call{assign(0, 1, 2, "exhausted"), assign(1, 3, 4, "1 of 1 true")}, false},
		"taken by a call that is lost": {[]call{assign(0, 1, 2, ""), assign(1, 3, 4, "exhausted")}, true},
		"a lost call that was not":     {[]call{assign(0, 1, 2, ""), assign(1, 3, 4, "1 of 1 true")}, true},
		"a lost call of the future":    {[]call{assign(1, 1, 2, "exhausted"), assign(0, 3, 4, "")}, false},
	} {
		if got := legal(c.history, from); got != c.want {
			t.Errorf("%s: got legal: %t, want %t", name, got, c.want)
		}
	}
}
