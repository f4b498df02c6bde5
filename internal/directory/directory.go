// Package directory is our copy of Clerk's organizations, their members and invitations.
// Clerk stays the source of truth. What an event says is a hint of what to fetch; what
// was fetched is written only where its ticket, taken before the fetch, is newer than
// the one written last. So events may come in any order, any number of times, and end
// in one state: the fetch for the last event begins after the last change.
package directory

import (
	"context"
	"errors"
	"iter"

	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// Consumer is the name of this package's deliveries.
const Consumer = "directory"

// Source is what is asked of Clerk. *clerk.Client is one.
type Source interface {
	Organization(ctx context.Context, id string) (clerk.Organization, error)
	Membership(ctx context.Context, org, user string) (clerk.Membership, error)
	Invitation(ctx context.Context, org, id string) (clerk.Invitation, error)
	User(ctx context.Context, id string) (clerk.User, error)
	UserAt(ctx context.Context, address string) (clerk.User, error)
	MembershipsOf(ctx context.Context, user string) iter.Seq2[clerk.Membership, error]
	SetMembershipMetadata(ctx context.Context, org, user string, public map[string]any) (clerk.Membership, error)

	Organizations(ctx context.Context) iter.Seq2[clerk.Organization, error]
	Users(ctx context.Context) iter.Seq2[clerk.User, error]
	Memberships(ctx context.Context, org string) iter.Seq2[clerk.Membership, error]
	Invitations(ctx context.Context, org string, statuses ...string) iter.Seq2[clerk.Invitation, error]
}

var _ Source = (*clerk.Client)(nil)

// Directory keeps the copy. It is safe to share.
type Directory struct {
	db     *tenancy.DB
	clerk  Source
	forget func(ctx context.Context, person string) error // may be nil

	observer Observer
	observed bool // there is an observer
	ledger   bool
}

// Options set up a Directory.
type Options struct {
	DB       *tenancy.DB // opened with Statements
	Clerk    Source
	Observer Observer // may be nil
	// Ledger reports that seats are sold here: then Clerk is written to who holds one.
	Ledger bool
}

// New returns the directory stored in the database.
func New(o Options) *Directory {
	d := &Directory{db: o.DB, clerk: o.Clerk, observer: o.Observer, observed: o.Observer != nil, ledger: o.Ledger}
	if !d.observed {
		d.observer = nobody{}
	}
	return d
}

// OnEnd has forget called with the id of a person who is gone and is in no answer any more,
// so that they are removed where events keep them. It must not wait for that. It must be
// called before d is used.
func (d *Directory) OnEnd(forget func(ctx context.Context, person string) error) { d.forget = forget }

// Refresh fetches a membership and writes what there is.
func (d *Directory) Refresh(ctx context.Context, org, user string) error {
	return d.refresh(ctx, hint{about: aboutMembership, organization: org, user: user}, nil)
}

// Consumer applies Clerk's events.
func (d *Directory) Consumer() inbox.Consumer {
	return inbox.Consumer{
		Name:  Consumer,
		Wants: func(kind string) bool { return aboutOf(kind) != "" },
		Apply: func(ctx context.Context, e inbox.Event) error {
			if e.Provider != provider {
				return errProvider
			}
			h, err := readHint(e.Kind, e.Body)
			if err != nil {
				return err
			}
			return d.refresh(ctx, h, &e.ID)
		},
	}
}

// refresh fetches what the hint is about and writes it. Event is the delivery that is
// done with it, or nil.
func (d *Directory) refresh(ctx context.Context, h hint, event *int64) error {
	ticket, err := d.ticket(ctx)
	if err != nil {
		return err
	}
	switch h.about {
	case aboutOrganization:
		found, err := here(d.clerk.Organization(ctx, h.organization))
		if err != nil {
			return err
		}
		return d.in(ctx, h.organization, event, func(tx *tenancy.Tx) error {
			return d.keepOrganization(ctx, tx, ticket, h.organization, found)
		})
	case aboutMembership:
		return d.refreshMember(ctx, ticket, h.organization, h.user, event)
	case aboutInvitation:
		found, err := here(d.clerk.Invitation(ctx, h.organization, h.invitation))
		if err != nil {
			return err
		}
		if found != nil {
			if found.User == "" {
				found.User = h.user
			}
			if err := d.findAccepter(ctx, found); err != nil {
				return err
			}
		}
		return d.in(ctx, h.organization, event, func(tx *tenancy.Tx) error {
			return d.keepInvitation(ctx, tx, ticket, h.organization, h.invitation, found)
		})
	default:
		if err := d.refreshUser(ctx, ticket, h.user); err != nil || event == nil {
			return err
		}
		return d.db.In(ctx, system(h.user), func(tx *tenancy.Tx) error { return done(ctx, tx, *event) })
	}
}

func (d *Directory) refreshMember(ctx context.Context, ticket int64, org, user string, event *int64) error {
	found, err := here(d.clerk.Membership(ctx, org, user))
	if err != nil {
		return err
	}
	if found == nil {
		return d.in(ctx, org, event, func(tx *tenancy.Tx) error { return d.keepMember(ctx, tx, ticket, org, user, nil, nil) })
	}
	addresses, err := d.newcomersAddresses(ctx, org, user)
	if err != nil {
		return err
	}
	return d.in(ctx, org, event, func(tx *tenancy.Tx) error { return d.keepMember(ctx, tx, ticket, org, user, found, addresses) })
}

// refreshUser writes every place of a person: those that Clerk lists, and those that
// only we still have. Each is a transaction of its own, because each is another tenant's;
// the delivery is done when all of them are.
func (d *Directory) refreshUser(ctx context.Context, ticket int64, user string) error {
	person, err := here(d.clerk.User(ctx, user))
	if err != nil {
		return err
	}
	if person == nil {
		return d.endUser(ctx, ticket, user)
	}
	err = d.in(ctx, user, nil, func(tx *tenancy.Tx) error { return keepUser(ctx, tx, ticket, user, person) })
	if err != nil {
		return err
	}
	places, err := d.places(ctx, user)
	if err != nil {
		return err
	}
	listed := make(map[string]bool)
	for m, err := range d.clerk.MembershipsOf(ctx, user) {
		if err != nil {
			return err
		}
		listed[m.Organization] = true
		err := d.in(ctx, m.Organization, nil, func(tx *tenancy.Tx) error {
			return d.keepMember(ctx, tx, ticket, m.Organization, user, &m, person.Verified)
		})
		if err != nil {
			return err
		}
	}
	for _, org := range places {
		if listed[org] {
			continue
		}
		// A list that is read page by page may miss one: what it lacks is asked for.
		if err := d.refreshMember(ctx, ticket, org, user, nil); err != nil {
			return err
		}
	}
	return nil
}

// endUser ends every place of somebody who is gone, and leaves nothing of them but ids.
// Their own row goes last, because it knows their address until then: repeated after a
// fault, this does the rest.
func (d *Directory) endUser(ctx context.Context, ticket int64, user string) error {
	addresses := make([]string, 0, 2)
	err := d.in(ctx, user, nil, func(tx *tenancy.Tx) error {
		was, err := selectUser(ctx, tx, user)
		if err != nil {
			return err
		}
		if was != nil {
			addresses = append(addresses, was.Email)
		}
		return insertGone(ctx, tx, user, ticket)
	})
	if err != nil {
		return err
	}
	places, err := d.places(ctx, user)
	if err != nil {
		return err
	}
	for _, org := range places {
		err := d.in(ctx, org, nil, func(tx *tenancy.Tx) error {
			was, err := selectMember(ctx, tx, org, user)
			if err != nil {
				return err
			}
			if was != nil {
				addresses = append(addresses, was.Email)
			}
			invited, err := forgetInvitations(ctx, tx, org, user, addresses)
			if err != nil {
				return err
			}
			addresses = append(addresses, invited...)
			return d.keepMember(ctx, tx, ticket, org, user, nil, nil)
		})
		if err != nil {
			return err
		}
	}
	if d.forget != nil {
		if err := d.forget(ctx, user); err != nil {
			return err
		}
	}
	return d.in(ctx, user, nil, func(tx *tenancy.Tx) error { return keepUser(ctx, tx, ticket, user, nil) })
}

// here answers what was found, or nil where Clerk says that there is no such thing.
func here[T any](found T, err error) (*T, error) {
	if errors.Is(err, clerk.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &found, nil
}

// in runs fn in a transaction of the tenant, one at a time for each tenant, and marks
// the delivery done in it.
func (d *Directory) in(ctx context.Context, tenant string, event *int64, fn func(*tenancy.Tx) error) error {
	return d.db.In(ctx, system(tenant), func(tx *tenancy.Tx) error {
		if err := lock(ctx, tx, tenant); err != nil {
			return err
		}
		if err := d.observer.Lock(ctx, tx, tenant); err != nil {
			return err
		}
		if err := fn(tx); err != nil {
			return err
		}
		if event == nil {
			return nil
		}
		return done(ctx, tx, *event)
	})
}

func system(tenant string) tenancy.Actor { return tenancy.System(tenant, Consumer) }

// ticket is newer than all that were taken before. It is taken before a fetch.
func (d *Directory) ticket(ctx context.Context) (ticket int64, err error) {
	err = d.db.Once(ctx, system(""), func(tx *tenancy.Tx) (err error) {
		ticket, err = nextTicket(ctx, tx)
		return err
	})
	return ticket, err
}

// places are the organizations in which the person is, or was, a member.
func (d *Directory) places(ctx context.Context, user string) (organizations []string, err error) {
	err = d.db.Once(ctx, system(""), func(tx *tenancy.Tx) (err error) {
		organizations, err = selectPlaces(ctx, tx, user)
		return err
	})
	return organizations, err
}
