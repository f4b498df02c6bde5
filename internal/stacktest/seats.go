package stacktest

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/teamtask/teamtask/internal/sandbox"
)

// Paying is the environment of a server that sells seats at the sandbox's Stripe, so that
// the ledger decides who holds one.
func Paying(box *sandbox.Sandbox) map[string]string {
	return map[string]string{
		"STRIPE_SECRET_KEY":     box.StripeSecretKey(),
		"STRIPE_API_URL":        box.StripeURL(),
		"STRIPE_WEBHOOK_SECRET": box.StripeWebhookSecret(),
		"STRIPE_SEAT_PRICE":     box.SeatPrice(),
		"APP_URL":               "https://app.example.com",
	}
}

// NewPaying starts a stack that sells seats, with a stocked d2-gamers.
func NewPaying(t testing.TB, overrides map[string]string) *Stack {
	t.Helper()
	env := Paying(SandboxOf(t))
	maps.Copy(env, overrides)
	s := New(t, env)
	s.Stock("org_d2gamers")
	return s
}

// Stock brings the tenant's license back to what the matrices begin with, past the
// server: seats for those of d2-gamers who have one, and for user_seated, not for
// user_spare; some are free. At Stripe it has a customer whose subscription is over, so
// that it may buy and has something to look at in the portal.
func (s *Stack) Stock(tenant string) {
	s.T.Helper()
	batch := &pgx.Batch{}
	QueueStock(batch, tenant, s.Customer(tenant))
	s.SendBatch(batch)
}

// QueueStock queues what Stock writes.
func QueueStock(batch *pgx.Batch, tenant, customer string) {
	for _, table := range []string{"seats", "seat_holds", "subscriptions"} {
		batch.Queue(`DELETE FROM `+pgx.Identifier{table}.Sanitize()+` WHERE tenant_id = $1`, tenant)
	}
	batch.Queue(`DELETE FROM licenses WHERE tenant_id = $1`, tenant)
	batch.Queue(`INSERT INTO licenses (tenant_id, customer_id, status, working, purchased) VALUES ($1, $2, 'active', true, 20)`, tenant, customer)
	batch.Queue(`INSERT INTO subscriptions (tenant_id, id, customer_id, status, known_status, quantity, seats, unit_amount, currency, interval, create_time)
		VALUES ($1, 'sub_over', $2, 'canceled', 'canceled', 5, 0, 1000, 'eur', 'month', now())`, tenant, customer)
	batch.Queue(`INSERT INTO members (tenant_id, user_id, membership_id, role, name, name_key, email, email_key, ticket)
		SELECT $1, 'user_'||who, 'orgmem_'||who, role, who, lower(who), who, lower(who), 1
		  FROM (VALUES ('alice', 'org:manager'), ('bob', 'org:member'), ('ben', 'org:member'), ('charlie', 'org:viewer'), ('dana', 'org:admin'),
		               ('seated', 'org:member'), ('spare', 'org:member')) AS v (who, role)
		ON CONFLICT DO NOTHING`, tenant)
	batch.Queue(`INSERT INTO seats (tenant_id, user_id, assigned_by)
		SELECT $1, 'user_'||who, 'user_dana' FROM unnest(ARRAY['alice', 'bob', 'charlie', 'dana', 'seated']) AS who`, tenant)
}

// Customer is the tenant's customer at Stripe, kept as such.
func (s *Stack) Customer(tenant string) string {
	s.T.Helper()
	if known, ok := s.customers.Load(tenant); ok {
		return known.(string)
	}
	var made struct{ ID string }
	s.Stripe(http.MethodPost, "/v1/customers", url.Values{"metadata[organization_id]": {tenant}}, &made)
	s.Exec(`INSERT INTO licensing_customers (customer_id, organization_id) VALUES ($1, $2)`, made.ID, tenant)
	s.customers.Store(tenant, made.ID)
	return made.ID
}

// Stripe asks the sandbox's Stripe for something, as its own dashboard would.
func (s *Stack) Stripe(method, path string, form url.Values, into any) {
	s.T.Helper()
	AskStripe(s.T, s.Box, method, path, form, into)
}

// AskStripe calls the sandbox's Stripe.
func AskStripe(t testing.TB, box *sandbox.Sandbox, method, path string, form url.Values, into any) {
	t.Helper()
	target, body := box.StripeURL()+path, ""
	if method == http.MethodGet {
		target += "?" + form.Encode()
	} else {
		body = form.Encode()
	}
	request, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+box.StripeSecretKey())
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }() // it has been read
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %d %s %v", method, path, answer.StatusCode, text, err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}
