// Package tenancy knows who is calling and is the only door to tenant data: it
// verifies session tokens, and holds the connections to PostgreSQL, which it lends
// only in the scope of an actor.
package tenancy

import (
	"context"
	"time"
)

// Actor is on whose behalf something is done: the person of a verified session
// token, or the system itself.
type Actor struct {
	User         string       // the person's id, for instance "user_2x"; "system:<why>" for the system
	Session      string       // the session's id
	Tenant       string       // who owns the data: the organization's id, or the person's
	Organization Organization // the active organization; zero in a personal workspace
	Role         string       // the role in the organization, for instance "org:admin"
	Permissions  Permissions  // as in the token until rbac has decided, then what the actor really holds
	IssuedAt     time.Time    // when the token was issued
	Impersonator string       // who acts as the person, or ""
	Licensed     bool         // what the token claims of the seat; a hint
	SeatRequired bool         // the method that is called asks for a seat in an organization
}

// Organization is what a token says of the active organization.
type Organization struct {
	ID   string
	Slug string
}

// Personal tells whether the actor works in their own workspace, without an
// organization.
func (a Actor) Personal() bool { return a.Organization.ID == "" }

// System is the actor for work that nobody asked for, in one tenant. Why says what
// it is, for instance "purge"; it is recorded where a user id would be.
func System(tenant, why string) Actor {
	return Actor{User: "system:" + why, Tenant: tenant, Permissions: AllPermissions}
}

type actorKey struct{}

// WithActor answers a context that carries the actor to the handler.
func WithActor(ctx context.Context, a *Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorOf is the actor of the call that ctx belongs to. Only handlers, and the
// limit on calls, read it; it is an argument from there on. Without one it is zero, whose tenant is empty: its
// scope shows nothing.
func ActorOf(ctx context.Context) Actor {
	if a, ok := ctx.Value(actorKey{}).(*Actor); ok {
		return *a
	}
	return Actor{}
}
