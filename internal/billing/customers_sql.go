package billing

import (
	"context"

	"github.com/teamtask/teamtask/internal/tenancy"
)

var customerStatements = []tenancy.Statement{
	lockIntentSQL, updateIntentSQL, forgetIntentSQL, setCustomerSQL, insertCustomerSQL, selectCustomerSQL, selectCustomersSQL, selectOrganizationOfSQL,
	lockPageSQL, updatePageSQL, setPageSQL, forgetPageSQL, endCustomerPageSQL, selectNameSQL,
}

// lockIntentSQL makes whoever makes the same customer wait until the key is stored.
var lockIntentSQL = tenancy.Statement{Name: "billing_lock_intent", Locks: true, SQL: `
	SELECT coalesce(customer_id, '') AS customer_id, coalesce(customer_key, '') AS key, customer_name AS name,
	       customer_key_time AS key_time, now() AS now
	  FROM licenses
	 WHERE tenant_id = $1
	   FOR UPDATE`}

func lockIntent(ctx context.Context, tx *tenancy.Tx, tenant string) (*intent, error) {
	return tenancy.One[intent](ctx, tx, lockIntentSQL, tenant)
}

var updateIntentSQL = tenancy.Statement{Name: "billing_update_intent", SQL: `
	UPDATE licenses
	   SET customer_key = $2, customer_name = $3, customer_key_time = now()
	 WHERE tenant_id = $1`}

func updateIntent(ctx context.Context, tx *tenancy.Tx, tenant, key, name string) error {
	_, err := tenancy.Exec(ctx, tx, updateIntentSQL, tenant, key, name)
	return err
}

var forgetIntentSQL = tenancy.Statement{Name: "billing_forget_intent", SQL: `
	UPDATE licenses
	   SET customer_key = NULL
	 WHERE tenant_id = $1
	   AND customer_key = $2`}

func forgetIntent(ctx context.Context, tx *tenancy.Tx, tenant, key string) error {
	_, err := tenancy.Exec(ctx, tx, forgetIntentSQL, tenant, key)
	return err
}

var setCustomerSQL = tenancy.Statement{Name: "billing_set_customer", SQL: `
	UPDATE licenses
	   SET customer_id = $2
	 WHERE tenant_id = $1`}

func setCustomer(ctx context.Context, tx *tenancy.Tx, tenant, customer string) error {
	_, err := tenancy.Exec(ctx, tx, setCustomerSQL, tenant, customer)
	return err
}

// insertCustomerSQL returns whose the customer is: the first to say so has it.
var insertCustomerSQL = tenancy.Statement{Name: "billing_insert_customer", SQL: `
	WITH added AS (
	    INSERT INTO licensing_customers (customer_id, organization_id)
	    VALUES ($1, $2)
	    ON CONFLICT DO NOTHING
	 RETURNING organization_id
	)
	SELECT organization_id AS id
	  FROM added
	 UNION ALL
	SELECT organization_id
	  FROM licensing_customers
	 WHERE customer_id = $1`}

func insertCustomer(ctx context.Context, tx *tenancy.Tx, customer, org string) (string, error) {
	return tenancy.Scalar[string](ctx, tx, insertCustomerSQL, customer, org)
}

var selectCustomersSQL = tenancy.Statement{Name: "billing_select_customers", SQL: `
	SELECT customer_id AS id
	  FROM licensing_customers
	 WHERE organization_id = $1
	 ORDER BY customer_id`}

// selectCustomers returns all customers that the organization has, or had.
func selectCustomers(ctx context.Context, tx *tenancy.Tx, org string) ([]string, error) {
	return tenancy.Column[string](ctx, tx, selectCustomersSQL, org)
}

var selectCustomerSQL = tenancy.Statement{Name: "billing_select_customer", SQL: `
	SELECT coalesce(customer_id, '') AS id
	  FROM licenses
	 WHERE tenant_id = $1`}

// selectCustomer returns the customer that the organization has, or "".
func selectCustomer(ctx context.Context, tx *tenancy.Tx, org string) (string, error) {
	return tenancy.Scalar[string](ctx, tx, selectCustomerSQL, org)
}

var selectOrganizationOfSQL = tenancy.Statement{Name: "billing_select_organization_of", SQL: `
	SELECT organization_id AS id
	  FROM licensing_customers
	 WHERE customer_id = $1`}

func selectOrganizationOf(ctx context.Context, tx *tenancy.Tx, customer string) (string, error) {
	return tenancy.Scalar[string](ctx, tx, selectOrganizationOfSQL, customer)
}

var selectNameSQL = tenancy.Statement{Name: "billing_select_name", SQL: `
	SELECT name AS id
	  FROM organizations
	 WHERE tenant_id = $1`}

// selectName returns the organization's name, or "" where it is not known.
func selectName(ctx context.Context, tx *tenancy.Tx, org string) (string, error) {
	return tenancy.Scalar[string](ctx, tx, selectNameSQL, org)
}

// lockPageSQL makes whoever opens a page for the same organization wait until its key is
// stored.
var lockPageSQL = tenancy.Statement{Name: "billing_lock_page", Locks: true, SQL: `
	SELECT coalesce(customer_id, '') AS customer_id, coalesce(checkout_key, '') AS key, checkout_for AS purpose,
	       checkout_time AS key_time, coalesce(checkout_id, '') AS session_id, now() AS now,
	       EXISTS (SELECT
	                 FROM subscriptions s
	                WHERE s.tenant_id = l.tenant_id
	                  AND s.status NOT IN ('canceled', 'incomplete_expired', 'incomplete')) AS subscribed,
	       ARRAY(SELECT s.id
	               FROM subscriptions s
	              WHERE s.tenant_id = l.tenant_id
	                AND s.status = 'incomplete'
	              ORDER BY s.id) AS incomplete,
	       EXISTS (SELECT
	                 FROM subscriptions s
	                WHERE s.tenant_id = l.tenant_id) AS ever
	  FROM licenses l
	 WHERE tenant_id = $1
	   FOR UPDATE`}

func lockPage(ctx context.Context, tx *tenancy.Tx, tenant string) (*openPage, error) {
	return tenancy.One[openPage](ctx, tx, lockPageSQL, tenant)
}

var updatePageSQL = tenancy.Statement{Name: "billing_update_page", SQL: `
	UPDATE licenses
	   SET checkout_key = $2, checkout_for = $3, checkout_time = now(), checkout_id = NULL
	 WHERE tenant_id = $1`}

func updatePage(ctx context.Context, tx *tenancy.Tx, tenant, key, purpose string) error {
	_, err := tenancy.Exec(ctx, tx, updatePageSQL, tenant, key, purpose)
	return err
}

var setPageSQL = tenancy.Statement{Name: "billing_set_page", SQL: `
	UPDATE licenses
	   SET checkout_id = $3
	 WHERE tenant_id = $1
	   AND checkout_key = $2`}

// setPage keeps which page the key has made, and answers whether the key still is the one.
func setPage(ctx context.Context, tx *tenancy.Tx, tenant, key, session string) (bool, error) {
	n, err := tenancy.Exec(ctx, tx, setPageSQL, tenant, key, session)
	return n > 0, err
}

var forgetPageSQL = tenancy.Statement{Name: "billing_forget_page", SQL: `
	UPDATE licenses
	   SET checkout_key = NULL
	 WHERE tenant_id = $1
	   AND checkout_key = $2`}

func forgetPage(ctx context.Context, tx *tenancy.Tx, tenant, key string) error {
	_, err := tenancy.Exec(ctx, tx, forgetPageSQL, tenant, key)
	return err
}

// endCustomerPageSQL forgets a customer that is gone ($2), with the key that made it, and
// the page on which something was bought ($3).
var endCustomerPageSQL = tenancy.Statement{Name: "billing_end_customer_page", SQL: `
	UPDATE licenses
	   SET customer_id = CASE WHEN $2::boolean THEN NULL ELSE customer_id END,
	       customer_key = CASE WHEN $2 THEN NULL ELSE customer_key END,
	       checkout_key = CASE WHEN $3::boolean THEN NULL ELSE checkout_key END,
	       checkout_id = CASE WHEN $3 THEN NULL ELSE checkout_id END
	 WHERE tenant_id = $1`}

func endCustomerPage(ctx context.Context, tx *tenancy.Tx, tenant string, gone, bought bool) error {
	_, err := tenancy.Exec(ctx, tx, endCustomerPageSQL, tenant, gone, bought)
	return err
}
