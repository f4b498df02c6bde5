// Package licensing is the LicensingService: seats that organizations buy in Stripe and
// give to their members. The ledger in our database decides who holds one; Stripe decides
// how many are paid for, and is asked whenever an event hints at a change. The directory
// writes to Clerk who holds a seat.
package licensing

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"connectrpc.com/connect"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/stripe"
	"github.com/teamtask/teamtask/internal/tenancy"
)

var (
	errMemberNotFound = fault.New(connect.CodeNotFound, teamtaskv1.Reason_REASON_MEMBER_NOT_FOUND,
		"there is no such member in this organization")
	errMemberBarred = fault.New(connect.CodeNotFound, teamtaskv1.Reason_REASON_MEMBER_NOT_FOUND,
		"this member cannot be given a seat: they are banned, or were deprovisioned, and cannot sign in")
	errSeatsExhausted = fault.New(connect.CodeResourceExhausted, teamtaskv1.Reason_REASON_SEATS_EXHAUSTED,
		"no seat is free: buy more, revoke one, or settle what is unpaid")
	errSubscriptionExists = fault.New(connect.CodeFailedPrecondition, teamtaskv1.Reason_REASON_SUBSCRIPTION_EXISTS,
		"the organization has a subscription: change it in the portal")
	errNoSubscription = fault.New(connect.CodeFailedPrecondition, teamtaskv1.Reason_REASON_NO_SUBSCRIPTION,
		"the organization has never bought anything: begin with a checkout")
	errPaymentRefused = fault.New(connect.CodeFailedPrecondition, teamtaskv1.Reason_REASON_PAYMENT_REFUSED,
		"the payment provider refuses this purchase; trying again will not help: tell the operator of this service")
	errImpersonation = fault.New(connect.CodeFailedPrecondition, teamtaskv1.Reason_REASON_IMPERSONATION_NOT_ALLOWED,
		"whoever acts as somebody else may not buy for them")
)

// Consumer is the name of this package's deliveries, and of what it does by itself.
const Consumer = "licensing"

// Source is what is fetched from Clerk. *clerk.Client is one.
type Source interface {
	Organization(ctx context.Context, id string) (clerk.Organization, error)
}

// Options are what New needs to know.
type Options struct {
	DB     *tenancy.DB    // opened with Statements
	Stripe *stripe.Client // nil: not configured, and every method answers fault.BillingNotConfigured
	Clerk  Source         // nil: not configured
	AppURL string         // the frontend's origin
	Grace  time.Duration  // for a license with more seats given than paid for
	Log    *slog.Logger
	// Away is told that a call waits for Stripe from here on and is at work no more, so that
	// it takes nobody's place; may be nil.
	Away func(ctx context.Context)
	// Alert is told of what somebody should look at, by a word of a short list; may be nil.
	Alert func(kind string)
}

// Licensing is the licenses of all organizations. It is safe to share.
type Licensing struct {
	db     *tenancy.DB
	stripe *stripe.Client
	clerk  Source
	appURL string
	grace  time.Duration
	log    *slog.Logger
	away   func(ctx context.Context)
	alerts func(kind string)
	turns  turns // of organizations that buy
}

// New makes the licensing.
func New(o Options) *Licensing {
	l := &Licensing{
		db: o.DB, stripe: o.Stripe, clerk: o.Clerk,
		appURL: o.AppURL, grace: o.Grace, log: o.Log, away: o.Away, alerts: o.Alert,
	}
	if l.away == nil {
		l.away = func(context.Context) {}
	}
	if l.alerts == nil {
		l.alerts = func(string) {}
	}
	return l
}

// configured answers the fault of what is not. Seats are the members', of whom only the
// directory knows.
func (l *Licensing) configured() error {
	switch {
	case l.stripe == nil:
		return fault.BillingNotConfigured
	case l.clerk == nil:
		return fault.DirectoryNotConfigured
	}
	return nil
}

// alert tells somebody to look. The ids are of Stripe and Clerk; no personal text.
func (l *Licensing) alert(ctx context.Context, kind, tenant, subject string) {
	l.alerts(kind)
	l.log.LogAttrs(ctx, slog.LevelError, "licensing alert", slog.String("kind", kind), slog.String("tenant", tenant), slog.String("subject", subject))
}

func system(tenant string) tenancy.Actor { return tenancy.System(tenant, Consumer) }

// exhausted is errSeatsExhausted with the numbers.
func exhausted(lic license) error {
	return errSeatsExhausted.With("purchased", strconv.Itoa(int(lic.Purchased))).With("assigned", strconv.Itoa(int(lic.Assigned)))
}
