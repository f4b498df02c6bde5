package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/teamtask/teamtask/internal/admission"
	"github.com/teamtask/teamtask/internal/directory"
	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/jobs"
	"github.com/teamtask/teamtask/internal/licensing"
	"github.com/teamtask/teamtask/internal/stripe"
	"github.com/teamtask/teamtask/internal/telemetry"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// books are what is kept of what Clerk and Stripe know, and who holds a seat.
type books struct {
	people *directory.Directory // nil: not configured
	seats  *licensing.Licensing
	billed bool // Stripe is configured
}

// newBooks makes the books kept in db. What the directory writes the ledger is told of, in
// the same transaction. Without metrics nothing is counted.
func newBooks(c config, db *tenancy.DB, copying people, m *telemetry.Metrics, log *slog.Logger) books {
	o := licensing.Options{DB: db, AppURL: c.appURL, Grace: c.grace, Log: log, Away: admission.Yield}
	if m != nil {
		o.Alert = m.Alert
	}
	if c.billing {
		asked := c.stripe
		if m != nil {
			asked.Observe = countStripeCalls(m)
		}
		o.Stripe = stripe.New(asked)
	}
	b := books{billed: c.billing}
	if copying.client != nil {
		b.people = directory.New(db, copying.client)
		o.Clerk, o.Refresh = copying.client, b.people.Refresh
	}
	b.seats = licensing.New(o)
	if b.people != nil {
		b.people.Follow(directory.Follower{
			Lock:              b.seats.Lock,
			Member:            b.seats.Member,
			MemberEnded:       b.seats.MemberEnded,
			Invitation:        b.seats.Invitation,
			OrganizationEnded: b.seats.OrganizationEnded,
		})
	}
	return b
}

// consumers are all who want events.
func (b books) consumers() []inbox.Consumer {
	var all []inbox.Consumer
	if b.people != nil {
		all = append(all, b.people.Consumer())
	}
	if b.billed {
		all = append(all, b.seats.Consumer())
	}
	return all
}

// periodicJobs are what one of all servers does every so often.
func (b books) periodicJobs(log *slog.Logger) []jobs.Periodic {
	return []jobs.Periodic{{
		Name: "reconcile", Every: reconcileEvery, Within: reconcileWithin,
		Do: func(ctx context.Context) error {
			return errors.Join(b.reconcilePeople(ctx, log), b.reconcileSeats(ctx, log))
		},
	}}
}

func (b books) reconcilePeople(ctx context.Context, log *slog.Logger) error {
	if b.people == nil {
		return nil
	}
	sum, err := b.people.Reconcile(ctx, directory.Reconciliation{Apply: true, Drift: func(found directory.Drift) {
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

func (b books) reconcileSeats(ctx context.Context, log *slog.Logger) error {
	if b.people == nil || !b.billed {
		return nil
	}
	sum, err := b.seats.Reconcile(ctx, licensing.Reconciliation{Apply: true, Drift: func(found licensing.Drift) {
		log.InfoContext(ctx, "the ledger differed", slog.String("tenant", found.Tenant),
			slog.String("about", found.About), slog.String("id", found.ID), slog.String("what", found.What))
	}})
	if err != nil {
		return err
	}
	log.InfoContext(ctx, "reconciled with Stripe", slog.Int("organizations", sum.Organizations), slog.Int("differences", sum.Drifts))
	return nil
}
