package billing

import (
	"context"

	"github.com/teamtask/teamtask/internal/tenancy"
)

var reconcileStatements = []tenancy.Statement{selectOrganizationsSQL, selectAllCustomersSQL}

// selectOrganizationsSQL returns those that were ever kept, and those that have a customer.
var selectOrganizationsSQL = tenancy.Statement{Name: "billing_select_organizations", SQL: `
	SELECT id
	  FROM directory_tenants
	 WHERE NOT person
	 UNION
	SELECT organization_id
	  FROM licensing_customers
	 ORDER BY id`}

func selectOrganizations(ctx context.Context, tx *tenancy.Tx) ([]string, error) {
	return ids(tenancy.Rows[idRow](ctx, tx, selectOrganizationsSQL))
}

type customerRow struct{ CustomerID, OrganizationID string }

var selectAllCustomersSQL = tenancy.Statement{Name: "billing_select_all_customers", SQL: `
	SELECT customer_id, organization_id
	  FROM licensing_customers`}

func selectAllCustomers(ctx context.Context, tx *tenancy.Tx) ([]customerRow, error) {
	return tenancy.Rows[customerRow](ctx, tx, selectAllCustomersSQL)
}
