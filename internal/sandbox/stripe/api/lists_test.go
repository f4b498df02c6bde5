package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stripe/stripe-go/v76"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestStripesListsArePaged(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	for range 24 {
		s.NewCustomer(t)
	}
	params := &stripe.CustomerListParams{}
	params.Limit = stripe.Int64(10)
	all := s.Customers.List(params)
	var ids []string
	for all.Next() {
		ids = append(ids, all.Customer().ID)
	}
	if all.Err() != nil || len(ids) != 25 || ids[24] != "cus_d2gamers" {
		t.Errorf("%d customers, the last %v: %v", len(ids), ids[24:], all.Err())
	}
	page := &stripe.CustomerListParams{}
	page.Single, page.Limit, page.EndingBefore = true, stripe.Int64(3), stripe.String(ids[10])
	before := s.Customers.List(page).CustomerList()
	if len(before.Data) != 3 || before.Data[2].ID != ids[9] || !before.HasMore || before.URL != "/v1/customers" {
		t.Errorf("before = %+v", before)
	}
	for query, code := range map[string]string{
		"limit=0": "parameter_invalid_integer", "limit=101": "parameter_invalid_integer", "limit=x": "parameter_invalid_integer",
		"starting_after=cus_no": "resource_missing", "page=2": "parameter_unknown", "expand[]=data.zzz": "", "created[gt]=9999999999": "none",
	} {
		a := sandboxtest.Send(t, http.MethodGet, s.URL+"/stripe/v1/customers?"+query, "Bearer "+s.StripeSecretKey())
		if code == "none" && a.Status == 200 && strings.Contains(a.Body, `"data":[]`) {
			continue
		}
		if a.Status != 400 || !strings.Contains(a.Body, `"code":"`+code) && code != "" {
			t.Errorf("%s: %d %s, want %s", query, a.Status, a.Body, code)
		}
	}
}
