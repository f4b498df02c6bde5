package billing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/teamtask/teamtask/internal/fault"
)

// queue is callers of a turns: each waits in a goroutine of its own until it is told.
type queue struct {
	turns
	t testing.TB

	mu      sync.Mutex
	has     []string          // who has a turn, in the order in which they got it
	refused []string          // and who was refused
	ends    map[string]func() // of those that have one
}

// comes has somebody of the organization come, and waits until nothing happens any more.
func (q *queue) comes(org, person string) {
	go func() {
		_, end, err := q.take(q.t.Context(), org, person)
		q.mu.Lock()
		defer q.mu.Unlock()
		who := org + "/" + person
		if err != nil {
			q.refused = append(q.refused, who)
			return
		}
		q.has = append(q.has, who)
		q.ends[who] = end
	}()
	synctest.Wait()
}

func (q *queue) ended(who string) {
	q.mu.Lock()
	end := q.ends[who]
	delete(q.ends, who)
	q.mu.Unlock()
	end()
	synctest.Wait()
}

// emptied ends all turns there are and wants nothing left over.
func (q *queue) emptied() {
	q.t.Helper()
	for len(q.ends) > 0 {
		for who := range q.ends {
			q.ended(who)
			break
		}
	}
	if q.places != 0 || len(q.tenants) != 0 || len(q.persons) != 0 {
		q.t.Errorf("left over: %d places, %d organizations, %d persons", q.places, len(q.tenants), len(q.persons))
	}
}

func inQueue(t *testing.T, test func(q *queue)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		q := &queue{t: t, ends: map[string]func(){}}
		test(q)
		q.emptied()
	})
}

// Six organizations with 48 calls each leave room for 68 others, which wait for nobody.
func TestSixOrganizationsDoNotTakeEveryPlace(t *testing.T) {
	t.Parallel()
	inQueue(t, func(q *queue) {
		for i := range 48 {
			for org := range 6 {
				q.comes(fmt.Sprintf("free%d", org), fmt.Sprintf("person%d_%d", org, i))
			}
		}
		if len(q.has) != 6 || q.places != 6*tenantWaitingMax {
			q.t.Errorf("%d have a turn and %d places are taken, want 6 and %d", len(q.has), q.places, 6*tenantWaitingMax)
		}
		before := len(q.refused)
		for i := range 68 {
			q.comes(fmt.Sprintf("other%d", i), fmt.Sprintf("buyer%d", i))
		}
		if len(q.has) != 6+68 || len(q.refused) != before {
			q.t.Errorf("%d of 68 others have their turn, refused were %v", len(q.has)-6, q.refused[before:])
		}
	})
}

// Where every place is taken, the organizations with the most give way to those with fewer,
// newest first, and never the call that has the turn.
func TestAFullRoomGivesWayToThoseWithLess(t *testing.T) {
	t.Parallel()
	inQueue(t, func(q *queue) {
		for i := range tenantWaitingMax {
			for org := range waitingMax / tenantWaitingMax {
				q.comes(fmt.Sprintf("free%02d", org), fmt.Sprintf("person%d_%d", org, i))
			}
		}
		if q.places != waitingMax || len(q.refused) != 0 {
			q.t.Fatalf("%d places are taken and %d were refused, want all and none", q.places, len(q.refused))
		}
		for i := range waitingMax - waitingMax/tenantWaitingMax {
			q.comes(fmt.Sprintf("other%d", i), fmt.Sprintf("buyer%d", i))
		}
		if q.places != waitingMax || len(q.has) != waitingMax || len(q.refused) != waitingMax-waitingMax/tenantWaitingMax {
			q.t.Errorf("%d places, %d with a turn, %d refused; want %d organizations with one each", q.places, len(q.has), len(q.refused), waitingMax)
		}
		if i := slices.IndexFunc(q.refused, func(who string) bool { return !strings.HasPrefix(who, "free") }); i >= 0 {
			q.t.Errorf("%s was refused", q.refused[i])
		}
		if !strings.HasSuffix(q.refused[0], fmt.Sprintf("_%d", tenantWaitingMax-1)) {
			q.t.Errorf("%s gave way first, want the newest of an organization", q.refused[0])
		}
		q.refused = nil
		q.comes("late", "late")
		q.comes("free00", "late")
		if len(q.refused) != 2 {
			q.t.Errorf("refused: %v; want everybody: nobody has more than one place", q.refused)
		}
	})
}

// The organization that gives a place up is the one with the most, and it is left with no
// fewer than the one that gets it.
func TestThePlaceIsGivenUpByTheOneWithMost(t *testing.T) {
	t.Parallel()
	inQueue(t, func(q *queue) {
		places := func(org string, n int) {
			for i := range n {
				q.comes(org, fmt.Sprintf("%s_%d", org, i))
			}
		}
		places("big", 16)
		for i := range 119 {
			places(fmt.Sprintf("two%d", i), 2)
		}
		places("one", 1)
		places("uno", 1)
		if q.places != waitingMax || len(q.refused) != 0 {
			q.t.Fatalf("%d places are taken, refused were %v", q.places, q.refused)
		}
		for range 14 {
			q.comes("other", fmt.Sprint(len(q.has)+len(q.refused)))
		}
		if i := slices.IndexFunc(q.refused, func(who string) bool { return !strings.HasPrefix(who, "big/") && !strings.HasPrefix(who, "other/") }); i >= 0 || len(q.refused) == 0 {
			q.t.Errorf("refused were %v, want only the largest", q.refused)
		}
	})
	inQueue(t, func(q *queue) {
		for i := range 127 {
			for j := range 2 {
				q.comes(fmt.Sprintf("two%d", i), fmt.Sprintf("person%d_%d", i, j))
			}
		}
		q.comes("one", "kim")
		q.comes("uno", "sam")
		q.comes("one", "ann")
		if got := strings.Join(q.refused, " "); got != "one/ann" {
			q.t.Errorf("refused: %s; want the second call, as nobody has more than two places", got)
		}
	})
}

// A person who has many organizations has few places all the same.
func TestAPersonHasFewPlacesOverAllOrganizations(t *testing.T) {
	t.Parallel()
	inQueue(t, func(q *queue) {
		for i := range 100 {
			q.comes(fmt.Sprintf("org%d", i), "sam")
		}
		if len(q.has) != personWaitingMax || len(q.refused) != 100-personWaitingMax {
			q.t.Errorf("%d places and %d refused, want %d places", len(q.has), len(q.refused), personWaitingMax)
		}
		q.comes("org0", "kim")
		q.ended("org0/sam")
		q.comes("org99", "sam")
		if !slices.Contains(q.has, "org0/kim") || !slices.Contains(q.has, "org99/sam") {
			q.t.Errorf("those with a turn: %v; want kim of org0 and sam again", q.has)
		}
	})
}

func TestAnOrganizationsCallsComeOneAfterTheOther(t *testing.T) {
	t.Parallel()
	inQueue(t, func(q *queue) {
		for i := range 5 {
			q.comes("org", fmt.Sprint(i))
		}
		for i := range 4 {
			if len(q.has) != i+1 {
				t.Fatalf("those with a turn: %v", q.has)
			}
			q.ended(q.has[i])
		}
		if got, want := strings.Join(q.has, " "), "org/0 org/1 org/2 org/3 org/4"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// Whoever gives up gives their place back, also at the moment at which their turn comes.
func TestACallThatGivesUpLeavesItsPlace(t *testing.T) {
	t.Parallel()
	var line turns
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			go cancel()
			if _, end, err := line.take(ctx, fmt.Sprint(i%3), fmt.Sprint(i)); err == nil {
				end()
			} else if !errors.Is(err, context.Canceled) && !errors.Is(err, fault.Overloaded) {
				t.Errorf("got %v", err)
			}
		})
	}
	all.Wait()
	if line.places != 0 || len(line.tenants) != 0 || len(line.persons) != 0 {
		t.Errorf("left over: %d places, %d organizations, %d persons", line.places, len(line.tenants), len(line.persons))
	}
}

// While Stripe hangs for six organizations with 48 buyers each, others buy.
func TestOthersBuyWhileSixOrganizationsWaitForStripe(t *testing.T) {
	t.Parallel()
	const free, buyers, others = 6, 48, 8
	f := newFixture(t)
	goOn := make(chan struct{})
	f.till.asked = func(r *http.Request) {
		if r.GetBody == nil || r.Method != http.MethodPost {
			return
		}
		body, err := r.GetBody()
		if err != nil {
			t.Error(err)
			return
		}
		if text, _ := io.ReadAll(body); strings.Contains(string(text), "org_free") {
			<-goOn
		}
	}
	var all sync.WaitGroup
	results := make(chan error, free*buyers)
	for i := range free {
		org := fmt.Sprintf("org_free%d", i)
		users := persons(buyers)
		for j, user := range users {
			users[j] = fmt.Sprintf("%s_%d", user, i)
		}
		f.put(org, users...)
		for _, user := range users {
			all.Go(func() {
				actor := boss(org)
				actor.User = user
				_, err := f.Checkout(t.Context(), actor, 5, "/a", "/b")
				results <- err
			})
		}
	}
	for range free * (buyers - tenantWaitingMax) { // the rest hang
		if err := <-results; !errors.Is(err, fault.Overloaded) {
			t.Errorf("got %v, want that there is no place", err)
		}
	}
	for i := range others {
		org := fmt.Sprintf("org_other%d", i)
		f.put(org, "user_boss")
		if _, err := f.Checkout(t.Context(), boss(org), 5, "/a", "/b"); err != nil {
			t.Errorf("%s: %v", org, err)
		}
	}
	close(goOn)
	all.Wait()
	urls := f.pages()
	if len(urls) != free+others {
		t.Errorf("%d pages, want one of each organization", len(urls))
	}
}
