package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/teamtask/teamtask/internal/admission"
	"github.com/teamtask/teamtask/internal/billing"
	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/directory"
	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/jobs"
	"github.com/teamtask/teamtask/internal/licensing"
	"github.com/teamtask/teamtask/internal/stripe"
	"github.com/teamtask/teamtask/internal/telemetry"
	"github.com/teamtask/teamtask/internal/tenancy"
	"github.com/teamtask/teamtask/migrations"
)

const (
	reconcileEvery  = 6 * time.Hour
	reconcileWithin = 2 * time.Hour
)

// Domains are our copy of Clerk and the ledger of seats, as they work together.
type Domains struct {
	Directory *directory.Directory // nil: not configured
	Licensing *licensing.Licensing
	Billing   *billing.Billing
	Billed    bool // Stripe is configured
}

// newDomains connects the domains: the ledger observes what the directory writes, in the
// same transaction. Without metrics nothing is counted.
func newDomains(c Config, db *tenancy.DB, client *clerk.Client, m *telemetry.Metrics, log *slog.Logger) Domains {
	seats := licensing.Options{DB: db, Billing: c.Billing, Directory: client != nil, Grace: c.Grace}
	money := billing.Options{DB: db, AppURL: c.AppURL, Log: log, Away: admission.Yield}
	if m != nil {
		money.Alert = m.Alert
	}
	if c.Billing {
		options := c.Stripe
		if m != nil {
			options.Observe = countStripeCalls(m)
		}
		money.Stripe = stripe.New(options)
		seats.SoldPrice = billing.SoldPrice(money.Stripe)
	}
	d := Domains{Billed: c.Billing, Licensing: licensing.New(seats)}
	money.Licensing = d.Licensing
	if client != nil {
		money.Clerk = client
		d.Directory = directory.New(directory.Options{DB: db, Clerk: client, Observer: d.Licensing, Ledger: c.Billing})
	}
	d.Billing = billing.New(money)
	return d
}

// consumers returns the consumers of events.
func (d Domains) consumers() []inbox.Consumer {
	var all []inbox.Consumer
	if d.Directory != nil {
		all = append(all, d.Directory.Consumer())
	}
	if d.Billed {
		all = append(all, d.Billing.Consumer())
	}
	return all
}

// jobs returns what runs later. A server without the directory knows its jobs, which
// another server may have enqueued, and leaves them to that one.
func (d Domains) jobs() []jobs.Job {
	members := d.Directory
	if members == nil {
		members = directory.New(directory.Options{})
	}
	return slices.Concat(members.Jobs(), d.Licensing.Jobs(), d.Billing.Jobs())
}

// periodic returns the periodic jobs, which one of all servers does.
func (d Domains) periodic(log *slog.Logger) []jobs.Periodic {
	return []jobs.Periodic{{
		Name: "reconcile", Every: reconcileEvery, Within: reconcileWithin,
		Do: func(ctx context.Context) error {
			return errors.Join(d.reconcileDirectory(ctx, log), d.reconcileLicensing(ctx, log))
		},
	}}
}

func (d Domains) reconcileDirectory(ctx context.Context, log *slog.Logger) error {
	if d.Directory == nil {
		return nil
	}
	sum, err := d.Directory.Reconcile(ctx, directory.Reconciliation{Apply: true, Drift: func(found directory.Drift) {
		log.InfoContext(ctx, "our copy differed from Clerk", slog.String("tenant", found.Tenant),
			slog.String("about", found.About), slog.String("id", found.ID), slog.String("what", found.What))
	}})
	if err != nil {
		return err
	}
	log.InfoContext(ctx, "reconciled with Clerk", slog.Int("organizations", sum.Organizations), slog.Int("people", sum.People),
		slog.Int("differences", sum.Drifts), slog.Int("written", sum.Applied))
	return nil
}

func (d Domains) reconcileLicensing(ctx context.Context, log *slog.Logger) error {
	if d.Directory == nil || !d.Billed {
		return nil
	}
	sum, err := d.Billing.Reconcile(ctx, billing.Reconciliation{Apply: true, Drift: func(found billing.Drift) {
		log.InfoContext(ctx, "the ledger differed", slog.String("tenant", found.Tenant),
			slog.String("about", found.About), slog.String("id", found.ID), slog.String("what", found.What))
	}})
	if err != nil {
		return err
	}
	log.InfoContext(ctx, "reconciled with Stripe", slog.Int("organizations", sum.Organizations), slog.Int("differences", sum.Drifts))
	return nil
}

// OpenDomains opens the domains of a server in the same configuration, without serving.
func OpenDomains(ctx context.Context, c Config) (d Domains, closeAll func(), err error) {
	client, err := newClerk(c.Clerk, nil)
	if err != nil {
		return Domains{}, nil, err
	}
	db, err := tenancy.Open(ctx, tenancy.Options{URL: c.DatabaseURL, Schema: migrations.Latest(), Statements: Statements()})
	if err != nil {
		return Domains{}, nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	log := slog.New(slog.NewJSONHandler(c.LogTo, &slog.HandlerOptions{Level: c.LogLevel}))
	queue, err := jobs.Open(ctx, jobs.Options{URL: c.DatabaseURL, Log: log})
	if err != nil {
		db.Close()
		return Domains{}, nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	events, err := inbox.New(queue, inbox.Options{Log: log})
	if err != nil {
		queue.Close()
		db.Close()
		return Domains{}, nil, err
	}
	d = newDomains(c, db, client, nil, log)
	d.Directory.OnEnd(events.Forget)
	return d, func() { queue.Close(); db.Close() }, nil
}

// Consumers returns the consumers of events of a server, which applies them. They cannot
// apply any here.
func Consumers(billed bool) []inbox.Consumer {
	all := []inbox.Consumer{directory.New(directory.Options{}).Consumer()}
	if billed {
		all = append(all, billing.New(billing.Options{}).Consumer())
	}
	return all
}
