package tasks

import (
	"sync"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/time/rate"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// RateLimited is a creation by an organization, or a person in it, that has created too many
// tasks lately. It says when the next one is let through.
var RateLimited = fault.New(connect.CodeResourceExhausted, teamtaskv1.Reason_REASON_RATE_LIMITED,
	"too many tasks were created lately; try again later")

const (
	// RateDefault is how many tasks a second one tenant may create.
	RateDefault = 200

	burstSeconds = 20      // an import may create the tasks of so many seconds at once
	personShare  = 2       // one person may create a tenant's tasks divided by this
	bucketsMax   = 100_000 // tenants and people that are counted at once
	bucketsProbe = 16      // looked at to find one that makes room
)

// creations limits how fast tasks are created, by each tenant and by each person in it, on
// this server alone. It is safe to share.
type creations struct {
	perSecond int // by a tenant; 0: any number
	most      int // buckets
	now       func() time.Time

	mu      sync.Mutex
	buckets map[creator]*rate.Limiter
}

// creator is a tenant, or a person in it.
type creator struct{ tenant, user string }

func newCreations(perSecond int) *creations {
	return &creations{perSecond: perSecond, most: bucketsMax, now: time.Now, buckets: map[creator]*rate.Limiter{}}
}

// admit returns nil where the actor may create a task now, otherwise RateLimited. It counts
// nothing: who is refused behind it, for instance without a seat, must not use up what is
// the tenant's. More are let through than the limits say only while they are under way.
func (c *creations) admit(actor tenancy.Actor) error {
	if c.perSecond == 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	var wait time.Duration
	for _, b := range c.bucketsOf(actor, now) {
		if missing := 1 - b.TokensAt(now); missing > 0 {
			wait = max(wait, time.Duration(missing/float64(b.Limit())*float64(time.Second))+time.Millisecond)
		}
	}
	if wait > 0 {
		return RateLimited.After(wait)
	}
	return nil
}

// count counts a creation that was let through and succeeded.
func (c *creations) count(actor tenancy.Actor) {
	if c.perSecond == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	for _, b := range c.bucketsOf(actor, now) {
		b.AllowN(now, 1)
	}
}

// bucketsOf returns the buckets of the person and of the tenant. The lock is held.
func (c *creations) bucketsOf(actor tenancy.Actor, now time.Time) [2]*rate.Limiter {
	return [...]*rate.Limiter{
		c.bucket(creator{actor.Tenant, actor.User}, now, personShare),
		c.bucket(creator{actor.Tenant, ""}, now, 1),
	}
}

// bucket returns the creator's, a new one where there is none. The lock is held.
func (c *creations) bucket(of creator, now time.Time, share int) *rate.Limiter {
	b := c.buckets[of]
	if b == nil {
		if len(c.buckets) >= c.most {
			c.makeRoom(now)
		}
		perSecond := float64(c.perSecond) / float64(share)
		b = rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond*burstSeconds)))
		c.buckets[of] = b
	}
	return b
}

// makeRoom forgets the fullest bucket of a few: a full one says as much as none.
func (c *creations) makeRoom(now time.Time) {
	var fullest creator
	most, looked := -1.0, 0
	for of, b := range c.buckets {
		if full := b.TokensAt(now) / float64(b.Burst()); full > most {
			fullest, most = of, full
		}
		if looked++; looked == bucketsProbe || most >= 1 {
			break
		}
	}
	delete(c.buckets, fullest)
}
