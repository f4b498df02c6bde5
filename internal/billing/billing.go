// Package billing is what organizations buy at Stripe: customers, checkouts, the portal,
// subscriptions, and reconciliation with Stripe. An event is a hint: the present state is
// fetched and merged, and package licensing decides what follows for the seats.
package billing

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"connectrpc.com/connect"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/audit"
	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/jobs"
	"github.com/teamtask/teamtask/internal/licensing"
	"github.com/teamtask/teamtask/internal/stripe"
	"github.com/teamtask/teamtask/internal/tenancy"
)

var (
	errSubscriptionExists = fault.New(connect.CodeFailedPrecondition, teamtaskv1.Reason_REASON_SUBSCRIPTION_EXISTS,
		"the organization has a subscription: change it in the portal")
	errNoSubscription = fault.New(connect.CodeFailedPrecondition, teamtaskv1.Reason_REASON_NO_SUBSCRIPTION,
		"the organization has never bought anything: begin with a checkout")
	errPaymentRefused = fault.New(connect.CodeFailedPrecondition, teamtaskv1.Reason_REASON_PAYMENT_REFUSED,
		"the payment provider refuses this purchase; trying again will not help: tell the operator of this service")
	errImpersonation = fault.New(connect.CodeFailedPrecondition, teamtaskv1.Reason_REASON_IMPERSONATION_NOT_ALLOWED,
		"a person who is impersonated cannot buy: sign in as yourself")
)

// Consumer is the name of this package's deliveries, and of what it does by itself.
// Deliveries of that name are stored, so that it stays what it was first called.
const Consumer = "licensing"

// Source is what is fetched from Clerk. *clerk.Client is one.
type Source interface {
	Organization(ctx context.Context, id string) (clerk.Organization, error)
}

// Options set up a Billing.
type Options struct {
	DB        *tenancy.DB // opened with Statements
	Licensing *licensing.Licensing
	Stripe    *stripe.Client // nil: not configured, and every method returns fault.BillingNotConfigured
	Clerk     Source         // nil: not configured
	AppURL    string         // the frontend's origin
	Log       *slog.Logger
	// Away is called when a call begins to wait for Stripe and is at work no more, so that
	// it takes no other call's place; may be nil.
	Away func(ctx context.Context)
	// Alert is called with what a person should look at, by a word of a short list; may be nil.
	Alert func(kind string)
}

// Billing is what all organizations buy. It is safe to share.
type Billing struct {
	db     *tenancy.DB
	ledger *licensing.Licensing
	stripe *stripe.Client
	clerk  Source
	appURL string
	log    *slog.Logger
	away   func(ctx context.Context)
	alerts func(kind string)
	turns  turns // of organizations that buy
}

// New returns the billing.
func New(o Options) *Billing {
	b := &Billing{
		db: o.DB, ledger: o.Licensing, stripe: o.Stripe, clerk: o.Clerk, appURL: o.AppURL, log: o.Log, away: o.Away, alerts: o.Alert,
	}
	if b.away == nil {
		b.away = func(context.Context) {}
	}
	if b.alerts == nil {
		b.alerts = func(string) {}
	}
	return b
}

// SoldPrice returns a function that returns what a seat costs that is sold now, as Stripe
// said last.
func SoldPrice(client *stripe.Client) func() *licensing.Price {
	return func() *licensing.Price {
		c := client.SoldPrice()
		if c == nil {
			return nil
		}
		return &licensing.Price{Amount: c.Amount, Currency: c.Currency, Interval: c.Interval, IntervalCount: c.IntervalCount}
	}
}

// configured returns the fault of what is not.
func (b *Billing) configured() error {
	switch {
	case b.stripe == nil:
		return fault.BillingNotConfigured
	case b.clerk == nil:
		return fault.DirectoryNotConfigured
	}
	return nil
}

// alert raises an alert. The ids are of Stripe and Clerk; no personal text.
func (b *Billing) alert(ctx context.Context, kind, tenant, subject string) {
	b.alerts(kind)
	b.log.LogAttrs(ctx, slog.LevelError, "licensing alert", slog.String("kind", kind), slog.String("tenant", tenant), slog.String("subject", subject))
}

func system(tenant string) tenancy.Actor { return tenancy.System(tenant, Consumer) }

// record writes into the audit log what was done without a caller.
func record(ctx context.Context, tx *tenancy.Tx, tenant, what, target string, details map[string]any) error {
	return audit.Record(ctx, tx, system(tenant), audit.Line{Method: "licensing." + what, Target: target, Details: details})
}

// openLicense returns the organization's license, locked; it makes the row where there is
// none.
func openLicense(ctx context.Context, tx *tenancy.Tx, org string) (*licensing.License, error) {
	if err := licensing.InsertLicense(ctx, tx, org); err != nil {
		return nil, err
	}
	return licensing.LockLicense(ctx, tx, org)
}

func same(a, b *time.Time) bool { return a == b || a != nil && b != nil && a.Equal(*b) }

// Statements are all statements of this package, for tenancy.Open.
var Statements = slices.Concat([]tenancy.Statement{doneSQL, jobSQL}, subscriptionStatements, customerStatements, reconcileStatements)

var (
	doneSQL = tenancy.Statement{Name: inbox.DoneName, SQL: inbox.DoneSQL}
	jobSQL  = tenancy.Statement{Name: jobs.InsertName, SQL: jobs.InsertSQL}
)

// enqueue asks for a job in the caller's transaction. At is when it is due; nil: now.
func enqueue(ctx context.Context, tx *tenancy.Tx, job, tenant, subject string, at *time.Time) error {
	_, err := tenancy.Exec(ctx, tx, jobSQL, job, tenant, subject, at)
	return err
}

type idRow struct{ ID string }

func ids(rows []idRow, err error) ([]string, error) {
	all := make([]string, len(rows))
	for i, r := range rows {
		all[i] = r.ID
	}
	return all, err
}
