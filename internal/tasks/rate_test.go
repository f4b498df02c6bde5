package tasks

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/tenancy"
)

func creationsAt(perSecond int) (c *creations, at *time.Time) {
	c = newCreations(perSecond)
	at = new(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	c.now = func() time.Time { return *at }
	return c, at
}

// admitted is how many of so many creations are let through.
func admitted(t *testing.T, c *creations, who tenancy.Actor, of int) (n int) {
	t.Helper()
	for range of {
		err := c.admit(who)
		if err == nil {
			c.count(who)
			n++
		} else if !errors.Is(err, RateLimited) {
			t.Fatalf("got %v, want RATE_LIMITED", err)
		}
	}
	return n
}

func TestCreationsAreLimitedByTenantAndByPerson(t *testing.T) {
	t.Parallel()
	c, at := creationsAt(50)
	person := func(tenant, user string) tenancy.Actor { return tenancy.Actor{Tenant: tenant, User: user} }
	for _, step := range []struct {
		after time.Duration
		who   tenancy.Actor
		want  int
	}{
		{0, person("a", "ann"), 500},          // a person's burst
		{0, person("a", "ben"), 500},          // what the tenant has left
		{0, person("a", "cat"), 0},            // the tenant's is used up
		{0, person("b", "ann"), 500},          // another tenant's is its own
		{time.Second, person("a", "cat"), 50}, // the tenant's second
		{time.Second, person("a", "ann"), 50}, // what the person has gathered in two seconds
		{time.Second, person("a", "ann"), 25}, // the person's second
		{0, person("a", "ben"), 25},           // a person who is refused uses up nothing
		{time.Hour, person("a", "ann"), 500},  // no more than a burst is gathered
	} {
		*at = at.Add(step.after)
		if got := admitted(t, c, step.who, 2000); got != step.want {
			t.Errorf("%+v: got %d let through, want %d", step, got, step.want)
		}
	}
	if n := len(c.buckets); n != 6 {
		t.Errorf("%d are counted, want 2 tenants and 4 people", n)
	}
	if unlimited, _ := creationsAt(0); admitted(t, unlimited, person("a", "ann"), 5000) != 5000 {
		t.Error("a rate of 0 limits")
	}
}

// What is counted is bounded, and forgetting does not let through who was just refused.
func TestCountedCreatorsAreBounded(t *testing.T) {
	t.Parallel()
	c, at := creationsAt(50)
	c.most = 100
	busy := tenancy.Actor{Tenant: "busy", User: "ann"}
	admitted(t, c, busy, 1000)
	for i := range 10_000 {
		*at = at.Add(time.Microsecond)
		if admitted(t, c, tenancy.Actor{Tenant: fmt.Sprint(i), User: "x"}, 1) != 1 {
			t.Fatal("a new person is refused")
		}
		if len(c.buckets) > c.most {
			t.Fatalf("%d are counted, want %d at most", len(c.buckets), c.most)
		}
	}
	if got := admitted(t, c, busy, 1000); got > 1 {
		t.Errorf("got %d let through, want 1 at most: it was forgotten", got)
	}
}
