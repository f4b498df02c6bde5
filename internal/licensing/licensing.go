// Package licensing is the ledger of seats: licenses, the seats that organizations assign
// to their members, what is held for invitations, and grace periods. Package billing says
// how many seats are paid for; the directory writes to Clerk who holds one.
package licensing

import (
	"strconv"
	"time"

	"connectrpc.com/connect"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/tenancy"
)

var (
	errMemberNotFound = fault.New(connect.CodeNotFound, teamtaskv1.Reason_REASON_MEMBER_NOT_FOUND,
		"there is no such member in this organization")
	errMemberBarred = fault.New(connect.CodeNotFound, teamtaskv1.Reason_REASON_MEMBER_NOT_FOUND,
		"this member cannot be given a seat: they are banned, or were deprovisioned, and cannot sign in")
	errSeatsExhausted = fault.New(connect.CodeResourceExhausted, teamtaskv1.Reason_REASON_SEATS_EXHAUSTED,
		"no seat is free: buy more, revoke one, or settle what is unpaid")
)

// origin is the name under which this package acts by itself.
const origin = "licensing"

// Options set up a Licensing.
type Options struct {
	DB        *tenancy.DB // opened with Statements
	Billing   bool        // seats are sold; else every method returns fault.BillingNotConfigured
	Directory bool        // members are known; else every method returns fault.DirectoryNotConfigured
	// SoldPrice returns what a seat costs that is sold now, or nil where that is not known.
	// It must not wait; may be nil.
	SoldPrice func() *Price
	Grace     time.Duration // for a license with more seats assigned than paid for
}

// Price is what a seat costs exactly.
type Price struct {
	Amount        int64  // in the currency's smallest unit
	Currency      string // three lower-case letters
	Interval      string // "day", "week", "month" or "year"
	IntervalCount int32  // between two payments
}

// Licensing is the licenses of all organizations. It is safe to share.
type Licensing struct {
	db        *tenancy.DB
	billing   bool
	directory bool
	sold      func() *Price
	grace     time.Duration
}

// New returns the licensing.
func New(o Options) *Licensing {
	l := &Licensing{db: o.DB, billing: o.Billing, directory: o.Directory, sold: o.SoldPrice, grace: o.Grace}
	if l.sold == nil {
		l.sold = func() *Price { return nil }
	}
	return l
}

// configured returns the fault of what is not. Seats are the members', of whom only the
// directory knows.
func (l *Licensing) configured() error {
	switch {
	case !l.billing:
		return fault.BillingNotConfigured
	case !l.directory:
		return fault.DirectoryNotConfigured
	}
	return nil
}

func system(tenant string) tenancy.Actor { return tenancy.System(tenant, origin) }

// exhausted is errSeatsExhausted with the numbers.
func exhausted(lic License) error {
	return errSeatsExhausted.With("purchased", strconv.Itoa(int(lic.Purchased))).With("assigned", strconv.Itoa(int(lic.Assigned)))
}
