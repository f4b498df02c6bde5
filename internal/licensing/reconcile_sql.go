package licensing

import (
	"context"

	"github.com/teamtask/teamtask/internal/tenancy"
)

var reconcileStatements = []tenancy.Statement{selectOrganizationsSQL, selectAllCustomersSQL, insertFlaggedSQL, selectBarredSQL}

// selectOrganizationsSQL answers those that were ever kept, and those that have a customer.
var selectOrganizationsSQL = tenancy.Statement{Name: "licensing_select_organizations", SQL: `
	SELECT id
	  FROM directory_tenants
	 WHERE NOT person
	 UNION
	SELECT organization_id
	  FROM licensing_customers
	 ORDER BY id`}

func selectOrganizations(ctx context.Context, tx *tenancy.Tx) ([]string, error) {
	return tenancy.Column[string](ctx, tx, selectOrganizationsSQL)
}

type customerRow struct{ CustomerID, OrganizationID string }

var selectAllCustomersSQL = tenancy.Statement{Name: "licensing_select_all_customers", SQL: `
	SELECT customer_id, organization_id
	  FROM licensing_customers`}

func selectAllCustomers(ctx context.Context, tx *tenancy.Tx) ([]customerRow, error) {
	return tenancy.Rows[customerRow](ctx, tx, selectAllCustomersSQL)
}

// insertFlaggedSQL gives the seats in the order in which people became members, so that
// the newest go first where there are too many.
var insertFlaggedSQL = tenancy.Statement{Name: "licensing_insert_flagged", SQL: `
	INSERT INTO seats (tenant_id, user_id, assigned_by, assign_time, carried)
	SELECT tenant_id, user_id, $2, least(create_time, now()), true
	  FROM members
	 WHERE tenant_id = $1
	   AND remove_time IS NULL
	   AND licensed
	   AND NOT EXISTS (SELECT FROM directory_barred b WHERE b.user_id = members.user_id)
	ON CONFLICT DO NOTHING
	RETURNING user_id AS id`}

func insertFlagged(ctx context.Context, tx *tenancy.Tx, org, by string) ([]string, error) {
	return tenancy.Column[string](ctx, tx, insertFlaggedSQL, org, by)
}

type barredSeat struct{ UserID, Why string }

var selectBarredSQL = tenancy.Statement{Name: "licensing_select_barred", SQL: `
	SELECT s.user_id, b.why
	  FROM seats s
	  JOIN directory_barred b ON b.user_id = s.user_id
	 WHERE s.tenant_id = $1
	 ORDER BY s.user_id`}

// selectBarred returns the seats of people who cannot sign in any more.
func selectBarred(ctx context.Context, tx *tenancy.Tx, org string) ([]barredSeat, error) {
	return tenancy.Rows[barredSeat](ctx, tx, selectBarredSQL, org)
}
