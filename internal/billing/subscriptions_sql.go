package billing

import (
	"context"

	"github.com/teamtask/teamtask/internal/tenancy"
)

var subscriptionStatements = []tenancy.Statement{ticketSQL, selectEndedSQL, selectSubscriptionsSQL, upsertSubscriptionSQL}

var ticketSQL = tenancy.Statement{Name: "billing_ticket", SQL: `SELECT nextval('licensing_tickets') AS ticket`}

func nextTicket(ctx context.Context, tx *tenancy.Tx) (int64, error) {
	return tenancy.Scalar[int64](ctx, tx, ticketSQL)
}

var selectSubscriptionsSQL = tenancy.Statement{Name: "billing_select_subscriptions", SQL: `
	SELECT id, customer_id, status, known_status, quantity, seats, amount, currency, interval, interval_count, create_time,
	       current_period_end_time, trial_end_time, cancel_time
	  FROM subscriptions
	 WHERE tenant_id = $1
	 ORDER BY id`}

func selectSubscriptions(ctx context.Context, tx *tenancy.Tx, tenant string) ([]stored, error) {
	return tenancy.Rows[stored](ctx, tx, selectSubscriptionsSQL, tenant)
}

// upsertSubscriptionSQL also writes unit_amount, which servers before migration 9 read.
var upsertSubscriptionSQL = tenancy.Statement{Name: "billing_upsert_subscription", SQL: `
	INSERT INTO subscriptions (tenant_id, id, customer_id, status, known_status, quantity, seats, amount, unit_amount, currency, interval,
	                           interval_count, create_time, current_period_end_time, trial_end_time, cancel_time)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, least(coalesce($8::bigint, 0), 2147483647)::integer, $9, $10, $11, $12, $13, $14, $15)
	ON CONFLICT (tenant_id, id) DO UPDATE
	   SET customer_id = excluded.customer_id, status = excluded.status, known_status = excluded.known_status,
	       quantity = excluded.quantity, seats = excluded.seats, amount = excluded.amount, unit_amount = excluded.unit_amount,
	       currency = excluded.currency, interval = excluded.interval, interval_count = excluded.interval_count,
	       create_time = excluded.create_time, current_period_end_time = excluded.current_period_end_time,
	       trial_end_time = excluded.trial_end_time, cancel_time = excluded.cancel_time`}

func upsertSubscription(ctx context.Context, tx *tenancy.Tx, tenant string, k stored) error {
	_, err := tenancy.Exec(ctx, tx, upsertSubscriptionSQL, tenant, k.ID, k.CustomerID, k.Status, k.KnownStatus, k.Quantity, k.Seats,
		k.Amount, k.Currency, k.Interval, k.IntervalCount, k.CreateTime, k.CurrentPeriodEndTime, k.TrialEndTime, k.CancelTime)
	return err
}

var selectEndedSQL = tenancy.Statement{Name: "billing_select_ended", SQL: `
	SELECT tenant_id AS id
	  FROM organizations
	 WHERE tenant_id = $1
	   AND delete_time IS NOT NULL`}

// selectEnded reports whether the organization is gone.
func selectEnded(ctx context.Context, tx *tenancy.Tx, org string) (bool, error) {
	gone, err := tenancy.Scalar[string](ctx, tx, selectEndedSQL, org)
	return gone != "", err
}
