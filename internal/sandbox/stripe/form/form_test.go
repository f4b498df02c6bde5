package form_test

import (
	"encoding/json"
	"testing"

	"github.com/stripe/stripe-go/v76"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestBadParametersAreRefusedByName(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	c := s.NewCustomer(t)
	line := "&line_items[0][price]=" + s.SeatPrice() + "&line_items[0][quantity]="
	checkout := "/checkout/sessions?mode=subscription&success_url=http://a.test&customer=" + c.ID
	for _, c := range []struct {
		method, path string
		status       int
		code, param  string
	}{
		{"POST", "/customers?nonsense=1", 400, "parameter_unknown", "nonsense"},
		{"POST", "/customers?address[planet]=1", 400, "parameter_unknown", "address[planet]"},
		{"POST", "/customers?metadata=x", 400, "", "metadata"},
		{"GET", "/customers/cus_no", 404, "resource_missing", "id"},
		{"POST", "/customers/cus_no", 404, "resource_missing", "id"},
		{"DELETE", "/customers/cus_no", 404, "resource_missing", "id"},
		{"GET", "/subscriptions/sub_no", 404, "resource_missing", "id"},
		{"GET", "/subscriptions?customer=cus_no", 400, "resource_missing", "customer"},
		{"GET", "/subscriptions?status=some", 400, "", "status"},
		{"DELETE", "/subscriptions/sub_no", 404, "resource_missing", "id"},
		{"POST", "/subscriptions/sub_d2gamers?quantity=4", 400, "parameter_unknown", "quantity"},
		{"POST", "/subscriptions/sub_d2gamers?items[0][id]=si_no", 400, "resource_missing", "items[0][id]"},
		{"POST", "/subscriptions/sub_d2gamers?items[0][price]=" + s.SeatPrice(), 400, "", "items[0][price]"},
		{"POST", "/subscription_items/si_d2gamers?quantity=x", 400, "parameter_invalid_integer", "quantity"},
		{"POST", "/subscription_items/si_d2gamers?quantity=-1", 400, "parameter_invalid_integer", "quantity"},
		{"POST", "/subscription_items/si_d2gamers?proration_behavior=half", 400, "", "proration_behavior"},
		{"GET", "/subscription_items", 400, "parameter_missing", "subscription"},
		{"POST", checkout, 400, "parameter_missing", "line_items"},
		{"POST", checkout + line + "0", 400, "parameter_invalid_integer", "line_items[0][quantity]"},
		{"POST", checkout + line + "1&line_items[0][nonsense]=1", 400, "parameter_unknown", "line_items[0][nonsense]"},
		{"POST", checkout + line + "100&line_items[0][adjustable_quantity][enabled]=true", 400, "", "line_items[0][quantity]"},
		{"POST", checkout + line + "1&mode=payment", 400, "", "mode"},
		{"POST", checkout + line + "1&cancel_url=javascript:alert(1)", 400, "url_invalid", "cancel_url"},
		{"POST", "/checkout/sessions?mode=subscription" + line + "1", 400, "parameter_missing", "success_url"},
		{"POST", "/checkout/sessions?mode=subscription&success_url=http://a.test&customer_update[name]=auto" + line + "1", 400, "", "customer_update"},
		{"POST", "/checkout/sessions/cs_no/expire", 404, "resource_missing", "id"},
		{"POST", "/billing_portal/sessions", 400, "parameter_missing", "customer"},
		{"POST", "/billing_portal/sessions?customer=cus_no", 400, "resource_missing", "customer"},
		{"POST", "/billing_portal/sessions?customer=" + c.ID + "&configuration=bpc_no", 400, "resource_missing", "configuration"},
		{"POST", "/billing_portal/configurations?features[zzz]=1", 400, "parameter_unknown", "features[zzz]"},
		{"POST", "/billing_portal/configurations", 400, "parameter_missing", "features"},
		{"POST", "/prices?currency=eur&unit_amount=1", 400, "parameter_missing", "product"},
		{"POST", "/webhook_endpoints?url=ftp://a&enabled_events[]=*", 400, "url_invalid", "url"},
		{"POST", "/webhook_endpoints?url=http://a.test&enabled_events[]=*&api_version=2020-01-01", 400, "", "api_version"},
		{"POST", "/payment_methods/pm_card_chargeDeclined/attach?customer=" + c.ID, 402, "card_declined", ""},
		{"POST", "/subscriptions?customer=" + c.ID + "&items[0][price]=" + s.SeatPrice(), 400, "resource_missing", ""},
		{"GET", "/customers/cus_d2gamers?expand[]=nonsense", 400, "", "expand"},
	} {
		a := sandboxtest.Send(t, c.method, s.URL+"/stripe/v1"+c.path, "Bearer "+s.StripeSecretKey())
		var body struct{ Error stripe.Error }
		err := json.Unmarshal([]byte(a.Body), &body)
		got := &body.Error
		if err != nil || a.Status != c.status || string(got.Code) != c.code || got.Param != c.param || got.Msg == "" {
			t.Errorf("%s %s: %d %s, want %d %s %s", c.method, c.path, a.Status, a.Body, c.status, c.code, c.param)
		}
		if a.Header.Get("Request-Id") == "" || a.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: headers %v", c.method, c.path, a.Header)
		}
	}
	if got := s.Subscription(t, "sub_d2gamers").Items.Data[0].Quantity; got != 5 {
		t.Errorf("a refused request changed the quantity to %d", got)
	}
}
