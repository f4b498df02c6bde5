package directory

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// interleavings is how many stories are told; TEAMTASK_INTERLEAVINGS says otherwise.
func interleavings(t *testing.T) int {
	t.Helper()
	text, ok := os.LookupEnv("TEAMTASK_INTERLEAVINGS")
	if !ok {
		return 1000
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatal("TEAMTASK_INTERLEAVINGS: not a number from 1")
	}
	return n
}

// TestAnyOrderEndsInOneState tells random stories: Clerk changes, its events arrive
// shuffled, doubled and late, or never, and are applied many at once, each held at any
// of its steps while others go on. Where all have arrived, our copy is Clerk's; where
// some have not, it is after a reconciliation.
func TestAnyOrderEndsInOneState(t *testing.T) {
	t.Parallel()
	n := interleavings(t)
	d := openDirectory(t, nil)
	const lanes = 8
	var wg sync.WaitGroup
	for lane := range lanes {
		wg.Go(func() {
			for seed := lane; seed < n && !t.Failed(); seed += lanes {
				tell(t, d, uint64(seed))
			}
		})
	}
	wg.Wait()
}

// tell tells the story of one seed, in organizations and with people of its own.
func tell(t *testing.T, over *Directory, seed uint64) {
	t.Helper()
	s := newStory(t, over, seed)
	s.begin()
	for range 10 + s.rand.IntN(16) {
		s.change()
		for range s.rand.IntN(4) {
			s.step()
		}
	}
	for s.step() {
	}
	if s.dropped == 0 && !agree(t, s.d, s.model, s.organizations, s.users) {
		t.Errorf("seed %d", seed)
		return
	}
	s.model.hold = nil
	c := comparison{d: s.d, r: Reconciliation{Apply: true}}
	for _, id := range s.organizations {
		if err := c.organization(t.Context(), id); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
	for _, id := range s.users {
		if err := c.person(t.Context(), id); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
	if !agree(t, s.d, s.model, s.organizations, s.users) {
		t.Errorf("seed %d, %d events dropped, after a reconciliation", seed, s.dropped)
	}
}

// story is a Clerk that changes and events of it on their way.
type story struct {
	t             *testing.T
	rand          *rand.Rand
	d             *Directory
	model         *model
	organizations []string
	users         []string
	lossy         bool
	dropped       int

	waiting []hint          // sent by Clerk, not begun
	held    []chan struct{} // workers that wait to go on
	paused  chan chan struct{}
	ended   chan error
}

func newStory(t *testing.T, over *Directory, seed uint64) *story {
	t.Helper()
	s := &story{
		t: t, rand: rand.New(rand.NewPCG(seed, 7)), model: newModel(), lossy: seed%2 == 1,
		paused: make(chan chan struct{}), ended: make(chan error),
	}
	for i := range 2 {
		s.organizations = append(s.organizations, fmt.Sprintf("org_%d_%d", seed, i))
	}
	for i := range 3 {
		s.users = append(s.users, fmt.Sprintf("user_%d_%d", seed, i))
	}
	s.d = New(Options{DB: over.db, Clerk: s.model})
	s.model.hold = func() {
		mine := make(chan struct{})
		s.paused <- mine
		<-mine
	}
	return s
}

func (s *story) organization() string { return s.organizations[s.rand.IntN(len(s.organizations))] }
func (s *story) user() string         { return s.users[s.rand.IntN(len(s.users))] }

// change lets something happen at Clerk. Its events are put on their way.
func (s *story) change() {
	name := fmt.Sprintf("n%d", s.rand.IntN(1000))
	role := []string{"org:admin", "org:manager", "org:member"}[s.rand.IntN(3)]
	status := []string{"pending", "accepted", "revoked"}[s.rand.IntN(3)]
	invitation := "orginv_" + strconv.Itoa(s.rand.IntN(2))
	var sent []hint
	switch s.rand.IntN(12) {
	case 0, 1:
		sent = s.model.addOrganization(s.organization(), name)
	case 2:
		sent = s.model.deleteOrganization(s.organization())
	case 3, 4:
		sent = s.model.addUser(s.user(), name)
	case 5:
		sent = s.model.deleteUser(s.user())
	case 6, 7, 8:
		sent = s.model.addMember(s.organization(), s.user(), role)
	case 9:
		sent = s.model.removeMember(s.organization(), s.user())
	default:
		sent = s.model.invite(s.organization(), invitation, status)
	}
	s.send(sent)
}

// begin fills Clerk.
func (s *story) begin() {
	for _, user := range s.users {
		s.send(s.model.addUser(user, "first"))
	}
	for _, org := range s.organizations {
		s.send(s.model.addOrganization(org, "first"))
		for _, user := range s.users {
			s.send(s.model.addMember(org, user, "org:member"))
		}
	}
}

func (s *story) send(all []hint) {
	for _, h := range all {
		if s.lossy && s.rand.IntN(4) == 0 {
			s.dropped++
			continue
		}
		for range 1 + s.rand.IntN(2) {
			s.waiting = append(s.waiting, h)
		}
	}
}

// step begins an event, or lets a held worker go on to where it is held next. False:
// there is nothing left.
func (s *story) step() bool {
	choices := len(s.waiting) + len(s.held)
	if choices == 0 {
		return false
	}
	if i := s.rand.IntN(choices); i < len(s.waiting) {
		h := s.waiting[i]
		s.waiting = slices.Delete(s.waiting, i, i+1)
		go func() { s.ended <- s.d.refresh(s.t.Context(), h, nil) }()
	} else {
		i -= len(s.waiting)
		worker := s.held[i]
		s.held = slices.Delete(s.held, i, i+1)
		close(worker)
	}
	select {
	case worker := <-s.paused:
		s.held = append(s.held, worker)
	case err := <-s.ended:
		if err != nil {
			s.t.Errorf("%v", err)
		}
	}
	return true
}
