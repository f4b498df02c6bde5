package directory

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/teamtask/teamtask/internal/tenancy"
)

// inOrg is a member who calls.
func inOrg(user string) tenancy.Actor {
	return tenancy.Actor{User: user, Tenant: org, Organization: tenancy.Organization{ID: org}}
}

func TestSomebodyUnknownIsFetchedWithTheirOrganization(t *testing.T) {
	t.Parallel()
	m := newModel()
	d := openDirectory(t, m)
	m.addOrganization(org, "A")
	m.addUser(alice, "Alice")
	m.addUser(bob, "Bob")
	m.addMember(org, alice, "org:admin")
	meetings := NewMeetings(slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { meetings.Run(ctx, d); close(ended) }()
	meetings.Meet(inOrg(alice))
	meetings.Meet(tenancy.Actor{User: bob, Tenant: bob})
	want := []string{"org_a A A", "org_a user_alice org:admin Alice Alice@a.test", "user_bob Bob Bob@a.test"}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); ; <-tick.C {
		got := kept(t, d, []string{org}, []string{bob})
		if len(got) == len(want) && got[0] == want[0] && got[1] == want[1] && got[2] == want[2] {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
	cancel()
	<-ended
}

// However often somebody calls, they are asked for once a minute; and however many call,
// nothing waits and memory is bounded.
func TestMeetingsAreRareAndBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		meetings := NewMeetings(slog.New(slog.DiscardHandler))
		for range 100 {
			meetings.Meet(inOrg(alice))
		}
		if got := len(meetings.queue); got != 1 {
			t.Errorf("got %d in the queue after 100 calls of one person, want 1", got)
		}
		<-time.After(meetAgain)
		meetings.Meet(inOrg(alice))
		if got := len(meetings.queue); got != 2 {
			t.Errorf("got %d in the queue a minute later, want 2", got)
		}
		for i := range 3 * meetMax {
			meetings.Meet(inOrg(fmt.Sprintf("user_%d", i)))
		}
		if got := len(meetings.queue); got != meetQueue {
			t.Errorf("got %d in the queue, want it full with %d", got, meetQueue)
		}
		if got := len(meetings.asked); got > meetMax {
			t.Errorf("got %d people remembered, want at most %d", got, meetMax)
		}
		for len(meetings.queue) > 0 {
			<-meetings.queue
		}
		meetings.Meet(inOrg(fmt.Sprintf("user_%d", 3*meetMax-1)))
		if len(meetings.queue) != 1 {
			t.Error("somebody whom there was no room for is not met later")
		}
	})
}
