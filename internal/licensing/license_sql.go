package licensing

import (
	"context"
	"slices"
	"time"

	"github.com/teamtask/teamtask/internal/jobs"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// Statements are all statements of this package, for tenancy.Open.
var Statements = slices.Concat([]tenancy.Statement{
	jobSQL,
	insertLicenseSQL, lockLicenseSQL, selectSummarySQL, updatePurchasedSQL, updateClocksSQL, selectPeriodEndSQL,
	deleteDeadHoldsSQL, releaseHoldsSQL, releaseSeatsSQL,
}, seatStatements, listStatements, followStatements, adoptStatements)

var jobSQL = tenancy.Statement{Name: jobs.InsertName, SQL: jobs.InsertSQL}

var insertLicenseSQL = tenancy.Statement{Name: "licensing_insert_license", SQL: `
	INSERT INTO licenses (tenant_id)
	VALUES ($1)
	ON CONFLICT DO NOTHING`}

// InsertLicense makes the organization's row where there is none.
func InsertLicense(ctx context.Context, tx *tenancy.Tx, tenant string) error {
	_, err := tenancy.Exec(ctx, tx, insertLicenseSQL, tenant)
	return err
}

// lockLicenseSQL makes everybody wait who changes the organization's seats, holds or
// purchases, until the transaction ends. What is counted must be read behind it, by
// another statement: this one's snapshot is from before the wait.
var lockLicenseSQL = tenancy.Statement{Name: "licensing_lock_license", Locks: true, SQL: `
	SELECT coalesce(customer_id, '') AS customer_id, status, working, frozen, purchased, assigned, held,
	       grace_end_time, grace_last_time, grace_next_time, suspend_time, coalesce(checkout_id, '') AS checkout_id, ticket, now() AS now
	  FROM licenses
	 WHERE tenant_id = $1
	   FOR UPDATE`}

// LockLicense returns the organization's license, or nil where there is none.
func LockLicense(ctx context.Context, tx *tenancy.Tx, tenant string) (*License, error) {
	return tenancy.One[License](ctx, tx, lockLicenseSQL, tenant)
}

// selectSummarySQL takes of several subscriptions the best, and of those the newest. A
// seat has a cost where all subscriptions that pay for seats say the same. One that a
// server before migration 9 has written since has none: unit_amount tells.
var selectSummarySQL = tenancy.Statement{Name: "licensing_select_summary", SQL: `
	SELECT coalesce(l.customer_id, '') AS customer_id, l.status, l.working, l.frozen, l.purchased, l.assigned, l.held,
	       l.grace_end_time, l.grace_last_time, l.grace_next_time, l.suspend_time, coalesce(l.checkout_id, '') AS checkout_id, l.ticket, now() AS now,
	       s.known_status <> 'canceled' IS TRUE AS subscribed,
	       CASE WHEN s.unit_amount = least(s.amount, 2147483647)
	             AND NOT EXISTS (SELECT
	                               FROM subscriptions o
	                              WHERE o.tenant_id = l.tenant_id
	                                AND o.seats > 0
	                                AND (o.amount, o.currency, o.interval, o.interval_count)
	                                    IS DISTINCT FROM (s.amount, s.currency, s.interval, s.interval_count))
	            THEN s.amount END AS amount,
	       coalesce(s.currency, '') AS currency, coalesce(s.interval, '') AS interval, coalesce(s.interval_count, 1) AS interval_count,
	       CASE WHEN l.working THEN s.current_period_end_time END AS current_period_end_time,
	       CASE WHEN s.known_status = 'trialing' THEN s.trial_end_time END AS trial_end_time,
	       s.cancel_time
	  FROM licenses l
	  LEFT JOIN LATERAL (SELECT *
	                       FROM subscriptions s
	                      WHERE s.tenant_id = l.tenant_id
	                      ORDER BY array_position(ARRAY['active', 'trialing', 'past_due', 'unpaid', 'paused', 'incomplete', 'canceled']::text[], s.known_status),
	                               s.create_time DESC, s.id
	                      LIMIT 1) s ON true
	 WHERE l.tenant_id = $1`}

func selectSummary(ctx context.Context, tx *tenancy.Tx, tenant string) (Summary, error) {
	found, err := tenancy.One[Summary](ctx, tx, selectSummarySQL, tenant)
	if err != nil || found == nil {
		return Summary{License: License{Status: statusNone}}, err
	}
	return *found, nil
}

var updatePurchasedSQL = tenancy.Statement{Name: "licensing_update_purchased", SQL: `
	UPDATE licenses
	   SET ticket = $2, status = $3, working = $4, frozen = $5, purchased = $6,
	       suspend_time = CASE WHEN $4 THEN NULL ELSE suspend_time END
	 WHERE tenant_id = $1`}

func updatePurchased(ctx context.Context, tx *tenancy.Tx, tenant string, p Purchase) error {
	_, err := tenancy.Exec(ctx, tx, updatePurchasedSQL, tenant, p.Ticket, p.Status, p.Working, p.Frozen, p.Quantity)
	return err
}

var updateClocksSQL = tenancy.Statement{Name: "licensing_update_clocks", SQL: `
	UPDATE licenses
	   SET grace_end_time = $2, suspend_time = $3, grace_last_time = $4, grace_next_time = $5
	 WHERE tenant_id = $1`}

func updateClocks(ctx context.Context, tx *tenancy.Tx, tenant string, l License) error {
	_, err := tenancy.Exec(ctx, tx, updateClocksSQL, tenant, l.GraceEndTime, l.SuspendTime, l.GraceLastTime, l.GraceNextTime)
	return err
}

var selectPeriodEndSQL = tenancy.Statement{Name: "licensing_select_period_end", SQL: `
	SELECT max(current_period_end_time) AS end_time
	  FROM subscriptions
	 WHERE tenant_id = $1
	   AND seats > 0`}

// selectPeriodEnd returns when the present billing period ends, the latest of several, or
// nil where nothing is paid for.
func selectPeriodEnd(ctx context.Context, tx *tenancy.Tx, tenant string) (*time.Time, error) {
	return tenancy.Scalar[*time.Time](ctx, tx, selectPeriodEndSQL, tenant)
}

// deleteDeadHoldsSQL keeps what is kept for an invitation that was accepted: the member
// takes it over. One that nobody takes over, because the person is not a member yet or not any
// more, ends a day after it was seen to be accepted.
var deleteDeadHoldsSQL = tenancy.Statement{Name: "licensing_delete_dead_holds", SQL: `
	DELETE FROM seat_holds h
	 USING invitations i
	 WHERE h.tenant_id = $1
	   AND i.tenant_id = h.tenant_id
	   AND i.id = h.invitation_id
	   AND (i.status NOT IN ('pending', 'accepted')
	        OR i.status = 'pending' AND i.expire_time <= now()
	        OR i.status = 'accepted' AND coalesce(i.accept_time, i.expire_time) <= now() - interval '1 day')
	RETURNING h.invitation_id AS id`}

func deleteDeadHolds(ctx context.Context, tx *tenancy.Tx, tenant string) ([]string, error) {
	return tenancy.Column[string](ctx, tx, deleteDeadHoldsSQL, tenant)
}

var releaseHoldsSQL = tenancy.Statement{Name: "licensing_release_holds", SQL: `
	DELETE FROM seat_holds h
	 USING (SELECT invitation_id
	          FROM seat_holds
	         WHERE tenant_id = $1
	         ORDER BY hold_time DESC, invitation_id DESC
	         LIMIT $2) newest
	 WHERE h.tenant_id = $1
	   AND h.invitation_id = newest.invitation_id
	RETURNING h.invitation_id AS id`}

func releaseHolds(ctx context.Context, tx *tenancy.Tx, tenant string, most int32) ([]string, error) {
	if most <= 0 {
		return nil, nil
	}
	return tenancy.Column[string](ctx, tx, releaseHoldsSQL, tenant, most)
}

var releaseSeatsSQL = tenancy.Statement{Name: "licensing_release_seats", SQL: `
	DELETE FROM seats s
	 USING (SELECT user_id
	          FROM seats
	         WHERE tenant_id = $1
	         ORDER BY assign_time DESC, user_id DESC
	         LIMIT $2) newest
	 WHERE s.tenant_id = $1
	   AND s.user_id = newest.user_id
	RETURNING s.user_id AS id`}

func releaseSeats(ctx context.Context, tx *tenancy.Tx, tenant string, most int32) ([]string, error) {
	if most <= 0 {
		return nil, nil
	}
	return tenancy.Column[string](ctx, tx, releaseSeatsSQL, tenant, most)
}
