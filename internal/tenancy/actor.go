// Package tenancy defines the actor of a call and is the only door to tenant data: it holds the
// connections to PostgreSQL and lends them only in the scope of an actor.
package tenancy

import (
	"context"
	"time"
)

// Actor is on whose behalf something is done: the person of a verified session token, or the
// system itself.
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
	SeatRequired bool         // the called method requires a seat in an organization
}

// Organization is what a token says of the active organization.
type Organization struct {
	ID   string
	Slug string
}

// Personal reports whether the actor works in their own workspace, without an organization.
func (a Actor) Personal() bool { return a.Organization.ID == "" }

// System returns the actor for work in one tenant that no caller asked for. why is what it is,
// for instance "purge"; it is recorded where a user id would be.
func System(tenant, why string) Actor {
	return Actor{User: "system:" + why, Tenant: tenant, Permissions: AllPermissions}
}

type actorKey struct{}

// WithActor returns a context that carries the actor to the handler.
func WithActor(ctx context.Context, a *Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorOf returns the actor of the call that ctx belongs to. Only handlers and the limit on
// calls read it; from there on it is an argument. Without one it returns the zero Actor, whose
// tenant is empty and whose scope shows nothing.
func ActorOf(ctx context.Context) Actor {
	if a, ok := ctx.Value(actorKey{}).(*Actor); ok {
		return *a
	}
	return Actor{}
}

// RefusedError is the cause of a fault that refuses an actor whose token is valid. It lets the
// audit log name the actor, who must not be let in.
type RefusedError struct {
	Actor *Actor
	Why   string
}

func (e *RefusedError) Error() string { return e.Why }
