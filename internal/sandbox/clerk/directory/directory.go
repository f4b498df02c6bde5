// Package directory is the people, organizations, memberships and invitations of the sandbox's Clerk: what may change, in
// Clerk's shapes, and the events of each change.
package directory

import (
	"maps"
	"time"
)

// Millis returns the time now, in milliseconds.
func (d *Directory) Millis() int64 { return d.now().UnixMilli() }

// emit passes on an event of a kind such as user.created, with the data as it is now.
func (d *Directory) emit(kind string, data any) {
	if d.OnEvent != nil {
		d.OnEvent(kind, data)
	}
}

// Directory is everything that Clerk stores of people and organizations. A change that is refused changes nothing and emits
// nothing. Times are milliseconds since 1970. Metadata is replaced and never changed in place, so that copies may share it. The
// caller serializes all calls.
type Directory struct {
	now     func() time.Time
	baseURL string                      // of the addresses at which invitations are accepted
	OnEvent func(kind string, data any) // called with every event; nil: there are none
	Started int64                       // in milliseconds

	People        map[string]Person        // by user id
	Organizations map[string]*Organization // by organization id
	Invitations   map[string]Invitation    // by invitation id
	gone          map[string]bool          // ids of deleted people, which never come back
	made          int                      // how many things were made: the order in which they were
}

// NextOrder numbers the things that are made.
func (d *Directory) NextOrder() int {
	d.made++
	return d.made
}

// Clone returns a copy without events.
func (d *Directory) Clone() *Directory {
	c := &Directory{
		now: d.now, baseURL: d.baseURL, Started: d.Started,
		People: maps.Clone(d.People), Organizations: map[string]*Organization{},
		Invitations: maps.Clone(d.Invitations), gone: maps.Clone(d.gone), made: d.made,
	}
	for id, o := range d.Organizations {
		copied := *o
		copied.Members = maps.Clone(o.Members)
		c.Organizations[id] = &copied
	}
	return c
}
