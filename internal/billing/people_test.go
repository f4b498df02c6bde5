package billing

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/directory"
	"github.com/teamtask/teamtask/internal/inbox"
)

// spot is an id within an organization.
type spot struct{ org, id string }

// people is a Clerk that can be looked at, made to lie and held where it answers.
type people struct {
	directory.Source // nil: what is not below is not asked

	mu            sync.Mutex
	organizations map[string]clerk.Organization
	members       map[spot]clerk.Membership
	persons       map[string]clerk.User // those of whom more is known than that they are members
	invited       map[spot]clerk.Invitation
	writes        []string // of metadata, in order

	blind bool                   // memberships cannot be read
	lies  bool                   // writes are answered and not done
	fails func(user string) bool // writes to them are refused; may be nil
	hold  func(user string)      // called before a write is done; may be nil
}

var (
	_ Source           = (*people)(nil)
	_ directory.Source = (*people)(nil)
)

func newPeople() *people {
	return &people{organizations: map[string]clerk.Organization{}, members: map[spot]clerk.Membership{}, persons: map[string]clerk.User{}, invited: map[spot]clerk.Invitation{}}
}

func found[T any](p *people, from map[spot]T, key spot) (T, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t, ok := from[key]
	if !ok {
		return t, clerk.NotFound
	}
	return t, nil
}

func (p *people) Organization(_ context.Context, id string) (clerk.Organization, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o, ok := p.organizations[id]
	if !ok {
		return o, clerk.NotFound
	}
	return o, nil
}

func (p *people) Membership(_ context.Context, org, user string) (clerk.Membership, error) {
	p.mu.Lock()
	blind := p.blind
	p.mu.Unlock()
	if blind {
		return clerk.Membership{}, clerk.Unavailable
	}
	return found(p, p.members, spot{org, user})
}

// User is the person, whose primary address is that of their memberships.
func (p *people) User(_ context.Context, id string) (clerk.User, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u, ok := p.persons[id]
	if !ok {
		u = clerk.User{Name: id, Email: id + "@A.test", Verified: []string{id + "@A.test"}}
	}
	u.ID = id
	return u, nil
}

func (p *people) UserAt(_ context.Context, address string) (clerk.User, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, u := range p.persons {
		if slices.ContainsFunc(u.Verified, func(a string) bool { return strings.EqualFold(a, address) }) {
			u.ID = id
			return u, nil
		}
	}
	return clerk.User{}, clerk.NotFound
}

func (p *people) MembershipsOf(_ context.Context, user string) iter.Seq2[clerk.Membership, error] {
	return p.listed(func(m clerk.Membership) bool { return m.User == user })
}

func (p *people) Memberships(_ context.Context, org string) iter.Seq2[clerk.Membership, error] {
	return p.listed(func(m clerk.Membership) bool { return m.Organization == org })
}

func (p *people) listed(which func(clerk.Membership) bool) iter.Seq2[clerk.Membership, error] {
	return func(yield func(clerk.Membership, error) bool) {
		p.mu.Lock()
		all := slices.Collect(maps.Values(p.members))
		p.mu.Unlock()
		for _, m := range all {
			if which(m) && !yield(m, nil) {
				return
			}
		}
	}
}

func (p *people) Invitations(_ context.Context, org string, _ ...string) iter.Seq2[clerk.Invitation, error] {
	return func(yield func(clerk.Invitation, error) bool) {
		p.mu.Lock()
		all := slices.Collect(maps.Values(p.invited))
		p.mu.Unlock()
		for _, i := range all {
			if i.Organization == org && !yield(i, nil) {
				return
			}
		}
	}
}

func (p *people) Organizations(context.Context) iter.Seq2[clerk.Organization, error] {
	return func(yield func(clerk.Organization, error) bool) {
		p.mu.Lock()
		all := slices.Collect(maps.Values(p.organizations))
		p.mu.Unlock()
		for _, o := range all {
			if !yield(o, nil) {
				return
			}
		}
	}
}

func (p *people) Users(ctx context.Context) iter.Seq2[clerk.User, error] {
	return func(yield func(clerk.User, error) bool) {
		p.mu.Lock()
		all := slices.Collect(maps.Keys(p.persons))
		p.mu.Unlock()
		for _, id := range all {
			u, err := p.User(ctx, id)
			if !yield(u, err) {
				return
			}
		}
	}
}

// know has Clerk know more of the person.
func (p *people) know(id string, how func(*clerk.User)) {
	p.did(func() {
		u, ok := p.persons[id]
		if !ok {
			u = clerk.User{Name: id, Email: id + "@A.test", Verified: []string{id + "@A.test"}, CreateTime: epoch}
		}
		how(&u)
		p.persons[id] = u
	})
}

func (p *people) Invitation(_ context.Context, org, id string) (clerk.Invitation, error) {
	return found(p, p.invited, spot{org, id})
}

func (p *people) SetMembershipMetadata(_ context.Context, org, user string, public map[string]any) (clerk.Membership, error) {
	if p.hold != nil {
		p.hold(user)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	licensed, ok := public[clerk.MetadataLicensed].(bool)
	if !ok {
		return clerk.Membership{}, fmt.Errorf("metadata %v", public)
	}
	p.writes = append(p.writes, fmt.Sprintf("%s %t", user, licensed))
	if p.fails != nil && p.fails(user) {
		return clerk.Membership{}, clerk.Unavailable
	}
	m, ok := p.members[spot{org, user}]
	if !ok {
		return m, clerk.NotFound
	}
	if !p.lies {
		m.Licensed = licensed
		p.members[spot{org, user}] = m
	}
	return m, nil
}

// did changes something in Clerk.
func (p *people) did(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (p *people) join(org, user string) {
	p.did(func() {
		p.organizations[org] = clerk.Organization{ID: org, Name: org, Slug: org, CreateTime: epoch}
		p.members[spot{org, user}] = clerk.Membership{
			ID: "orgmem_" + user, Organization: org, User: user, Role: "org:member", Name: user, Identifier: user + "@A.test", CreateTime: epoch,
		}
	})
}

func (p *people) leave(org, user string) { p.did(func() { delete(p.members, spot{org, user}) }) }

// invite has a pending invitation to the person's address, which asks for a seat and
// expires in a month.
func (p *people) invite(org, id, user string) {
	p.did(func() {
		p.invited[spot{org, id}] = clerk.Invitation{
			ID: id, Organization: org, Email: user + "@a.TEST", Role: "org:member", Status: clerk.InvitationPending, HoldSeat: true,
			CreateTime: time.Now(), ExpireTime: time.Now().AddDate(0, 1, 0),
		}
	})
}

// change changes an invitation that there is.
func (p *people) change(org, id string, how func(*clerk.Invitation)) {
	p.did(func() {
		i := p.invited[spot{org, id}]
		how(&i)
		p.invited[spot{org, id}] = i
	})
}

// licensed is what Clerk says of the member.
func (p *people) licensed(org, user string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.members[spot{org, user}].Licensed
}

// written returns the writes of metadata since it was asked last.
func (p *people) written() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.writes
	p.writes = nil
	return all
}

// hears has the directory told by Clerk of a membership, as an event does.
func (f *fixture) hears(org, user string) {
	f.t.Helper()
	if err := f.directory.Refresh(f.t.Context(), org, user); err != nil {
		f.t.Fatalf("refresh %s: %v", user, err)
	}
}

// hearsOf has the directory told of an invitation, or ("") of the organization.
func (f *fixture) hearsOf(org, invitation string) {
	f.t.Helper()
	if err := f.tells(f.t.Context(), org, invitation); err != nil {
		f.t.Fatalf("event of %s %s: %v", org, invitation, err)
	}
}

func (f *fixture) tells(ctx context.Context, org, invitation string) error {
	if invitation == "" {
		return f.news(ctx, "organization.updated", fmt.Sprintf(`{"data":{"id":%q}}`, org))
	}
	return f.news(ctx, "organizationInvitation.created", fmt.Sprintf(`{"data":{"id":%q,"organization_id":%q}}`, invitation, org))
}

// hearsThat has the directory told that the person accepted the invitation.
func (f *fixture) hearsThat(user, org, invitation string) {
	f.t.Helper()
	body := fmt.Sprintf(`{"data":{"id":%q,"organization_id":%q,"user_id":%q}}`, invitation, org, user)
	if err := f.news(f.t.Context(), "organizationInvitation.accepted", body); err != nil {
		f.t.Fatalf("acceptance of %s: %v", invitation, err)
	}
}

// hearsOfPerson has the directory told of a person, as user.updated does.
func (f *fixture) hearsOfPerson(user string) {
	f.t.Helper()
	if err := f.news(f.t.Context(), "user.updated", fmt.Sprintf(`{"data":{"id":%q}}`, user)); err != nil {
		f.t.Fatalf("event of %s: %v", user, err)
	}
	if n := f.count(`SELECT count(*) FROM inbox_deliveries d JOIN inbox_events e ON e.id = d.event_id WHERE e.kind = 'user.updated' AND d.state <> 'done'`); n != 0 {
		f.t.Errorf("%d events of people do not settle what their fetch has", n)
	}
}

func (f *fixture) news(ctx context.Context, kind, body string) error {
	id, err := f.delivery(ctx, directory.Consumer, providerClerk, kind, body)
	if err != nil {
		return err
	}
	return f.directory.Consumer().Apply(ctx, inbox.Event{ID: id, Provider: providerClerk, Kind: kind, Body: []byte(body)})
}

// delivery is a stored event that waits to be applied.
func (f *fixture) delivery(ctx context.Context, consumer, provider, kind, body string) (id int64, err error) {
	err = f.admin.QueryRow(ctx, `
		WITH event AS (
		    INSERT INTO inbox_events (provider, external_id, kind, instance, body, receive_time)
		    VALUES ($1, gen_random_uuid()::text, $2, '', $3, now())
		 RETURNING id
		), delivery AS (
		    INSERT INTO inbox_deliveries (event_id, consumer) SELECT id, $4 FROM event
		)
		SELECT id FROM event`, provider, kind, []byte(body), consumer).Scan(&id)
	return id, err
}
