package seats

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// This is the whole life of an organization that buys seats, by public calls, the pages
// of Stripe and what Stripe does by itself. It is the same however events arrive.
func TestTheLifeOfASubscription(t *testing.T) {
	t.Parallel()
	t.Run("with events as they are sent", func(t *testing.T) {
		t.Parallel()
		life(t, newShop(t, nil))
	})
	t.Run("with events shuffled, doubled and late", func(t *testing.T) {
		t.Parallel()
		s := newShop(t, nil)
		s.Control(http.MethodPost, "/sandbox/webhooks", `{"shuffle": true, "duplicate": 2, "delay_ms": 20, "retry_ms": [50, 100, 200, 400, 800]}`)
		life(t, s)
	})
	t.Run("with no event at all, by reconciliation", func(t *testing.T) {
		t.Parallel()
		s := newShop(t, nil)
		s.Control(http.MethodPost, "/sandbox/webhooks", `{"drop": true, "retry_ms": []}`)
		reconcile := s.reconciler()
		s.arrive = func() { reconcile("--apply") }
		life(t, s)
	})
}

func life(t *testing.T, s *shop) {
	t.Helper()
	people := []string{"p1", "p2", "p3", "p4", "p5", "p6", "p7"}
	nora := s.found("new-co", "nora", people...)
	all := s.team("new-co", people...)
	s.Until("it is known what a seat costs", func() bool { return nora.license().GetPrice() != nil })
	if got := nora.license(); got.GetStatus() != teamtaskv1.LicenseStatus_LICENSE_STATUS_NONE || got.GetWorking() || got.GetPurchased() != 0 || got.GetPrice().GetUnitAmount() != 1000 {
		t.Errorf("before anything is bought: %v", got)
	}
	nora.refuses("p1", exhaustedAt(0, 0))
	all.works("before anything is bought")

	// Five seats.
	subscription := nora.buys(5)
	s.arrive()
	bought := nora.has("ACTIVE", 5, 0, 0)
	if !bought.GetWorking() || bought.GetAvailable() != 5 || bought.GetCurrentPeriodEndTime() == nil || bought.GetPrice().GetCurrency() != "eur" || bought.GetPrice().GetInterval() != "month" {
		t.Errorf("what was bought: %v", bought)
	}
	nora.assigns("p1", "p2", "p3", "p4", "p5")
	nora.refuses("p6", exhaustedAt(5, 5))
	all.works("five of five", "p1", "p2", "p3", "p4", "p5")
	s.shown("new-co", "p1", "p2", "p3", "p4", "p5")
	_, err := nora.licensing.CreateCheckoutSession(t.Context(), &teamtaskv1.CreateCheckoutSessionRequest{Quantity: 1, SuccessPath: "/", CancelPath: "/"})
	if diff := cmp.Diff(stacktest.Refused(connect.CodeFailedPrecondition, "SUBSCRIPTION_EXISTS"), stacktest.RefusalOf(t, err)); diff != "" {
		t.Errorf("a second purchase (-want +got):\n%s", diff)
	}

	// Eight, then three with six given: nobody is thrown out at once, and nobody new comes in.
	nora.portal(`{"quantity": 8}`)
	s.arrive()
	nora.has("ACTIVE", 8, 5, 0)
	nora.assigns("p6")
	nora.portal(`{"quantity": 3}`)
	s.arrive()
	over := nora.has("ACTIVE", 3, 6, 3)
	if left := time.Until(over.GetGraceEndTime().AsTime()); over.GetAvailable() != 0 || !over.GetWorking() || left < 6*24*time.Hour || left > 8*24*time.Hour {
		t.Errorf("over the limit: %v", over)
	}
	nora.refuses("p7", exhaustedAt(3, 6))
	six := []string{"p1", "p2", "p3", "p4", "p5", "p6"}
	all.works("over the limit", six...)
	nora.portal(`{"quantity": 6}`)
	s.arrive()
	if fits := nora.has("ACTIVE", 6, 6, 0); fits.GetGraceEndTime() != nil {
		t.Errorf("enough again: %v", fits)
	}

	// What was added in the middle of a period is paid with the next one.
	s.advance(subscription, "paid")
	s.arrive()
	nora.has("ACTIVE", 6, 6, 0)

	// The card fails: the seats work while the payment is tried again, and not after.
	s.advance(subscription, "failed")
	s.arrive()
	nora.has("PAST_DUE", 6, 6, 0)
	all.works("past due", six...)
	s.advance(subscription, "failed")
	s.arrive()
	if unpaid := nora.has("UNPAID", 0, 6, 6); unpaid.GetWorking() || unpaid.GetAvailable() != 0 || unpaid.GetGraceEndTime() != nil {
		t.Errorf("unpaid: %v", unpaid)
	}
	all.works("unpaid")
	nora.refuses("p7", exhaustedAt(0, 6))
	s.shown("new-co")
	s.advance(subscription, "paid")
	s.arrive()
	nora.has("ACTIVE", 6, 6, 0)
	all.works("paid again", six...)
	s.shown("new-co", six...)

	// It ends with the period, then it does not, then it ends now.
	nora.portal(`{"cancel": "period_end"}`)
	s.arrive()
	s.Until("the end is known", func() bool { return nora.license().GetCancelTime() != nil })
	nora.has("ACTIVE", 6, 6, 0)
	nora.portal(`{"resume": true}`)
	s.arrive()
	s.Until("the end is taken back", func() bool { return nora.license().GetCancelTime() == nil })
	all.works("resumed", six...)
	nora.portal(`{"cancel": "now"}`)
	s.arrive()
	nora.has("CANCELED", 0, 6, 6)
	all.works("canceled")
	s.shown("new-co")

	// It buys again: who had a seat has it.
	again := nora.buys(7)
	s.arrive()
	nora.has("ACTIVE", 7, 6, 0)
	all.works("bought again", six...)
	nora.assigns("p7")
	all.works("all of them", people...)
	s.shown("new-co", people...)
	if again == subscription {
		t.Error("the subscription is the old one")
	}
	if diff := cmp.Diff([]string{again + " active 7"}, s.subscriptions("new-co")); diff != "" {
		t.Errorf("subscriptions at Stripe (-want +got):\n%s", diff)
	}
	if got := s.customers("new-co"); len(got) != 1 {
		t.Errorf("customers at Stripe: %v, want one", got)
	}
	for _, secret := range []string{"Bearer ", "sk_test", "whsec_", "@new-co"} {
		if strings.Contains(s.Log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

// Without days of grace what is too much is released at once, the newest first.
func TestWithoutGraceTheNewestSeatsAreReleasedAtOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t, map[string]string{"SEAT_GRACE_DAYS": "0"})
	people := []string{"p1", "p2", "p3", "p4", "p5", "p6"}
	nora := s.found("new-co", "nora", people...)
	all := s.team("new-co", people...)
	nora.buys(6)
	nora.has("ACTIVE", 6, 0, 0)
	nora.assigns("p4", "p2", "p6", "p1", "p5", "p3")
	all.works("six of six", people...)
	nora.portal(`{"quantity": 3}`)
	if fits := nora.has("ACTIVE", 3, 3, 0); fits.GetGraceEndTime() != nil || fits.GetAvailable() != 0 {
		t.Errorf("released: %v", fits)
	}
	all.works("three of three", "p4", "p2", "p6")
	s.shown("new-co", "p4", "p2", "p6")
	if n := s.count(`SELECT count(*) FROM audit_events WHERE method = 'licensing.seat.release' AND target IN ('user_p1', 'user_p3', 'user_p5')`); n != 3 {
		t.Errorf("%d lines of what was released, want 3", n)
	}
}

// reconciler runs the command over the shop's database and answers what it says.
func (s *shop) reconciler() func(args ...string) string {
	s.T.Helper()
	c := stacktest.Build(s.T)
	var env []string
	for _, name := range []string{"DATABASE_URL", "CLERK_SECRET_KEY", "CLERK_API_URL", "STRIPE_SECRET_KEY", "STRIPE_API_URL", "STRIPE_SEAT_PRICE"} {
		env = append(env, name+"="+s.Env[name])
	}
	return func(args ...string) string {
		s.T.Helper()
		code, stdout, stderr := c.Run(s.T, env, append([]string{"reconcile"}, args...)...)
		if code != 0 {
			s.T.Errorf("reconcile %v: %d\n%s%s", args, code, stdout, stderr)
		}
		return stdout
	}
}

// Seats that were bought and given before this server came are taken over where somebody
// asks for it, and what has come to differ is told and repaired.
func TestWhatWasThereBeforeIsAdoptedAndWhatDiffersRepaired(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	reconcile := s.reconciler()
	dana := s.buyer("dana", "d2-gamers")
	all := s.team("d2-gamers", "dana", "alice", "bob", "ben")
	says := func(stdout string, words ...string) {
		t.Helper()
		for _, word := range words {
			if !strings.Contains(stdout, word) {
				t.Errorf("want %q in:\n%s", word, stdout)
			}
		}
	}
	says(reconcile("--adopt"), "org_d2gamers customer cus_d2gamers: ", "adopted", "nothing was changed")
	dana.has("NONE", 0, 0, 0)
	all.works("before")
	says(reconcile("--apply"), "org_d2gamers customer cus_d2gamers: at Stripe, not kept here")
	dana.has("NONE", 0, 0, 0)

	says(reconcile("--apply", "--adopt", "--org", "org_d2gamers"), "seat user_dana: adopted", "seat user_charlie: adopted")
	dana.has("ACTIVE", 5, 4, 0)
	all.works("adopted", "dana", "alice", "bob")
	dana.assigns("ben")
	all.works("all five", "dana", "alice", "bob", "ben")
	s.shown("d2-gamers", "dana", "alice", "bob", "ben", "charlie")
	says(reconcile("--apply", "--adopt", "--org", "org_d2gamers"), "compared the seats of 1 organizations: 0 differences")
	if got, _ := dana.asks(1, 0); got.Reason != "SUBSCRIPTION_EXISTS" {
		t.Errorf("a second purchase: got %v", got)
	}
	dana.portal(`{"quantity": 6}`)
	dana.has("ACTIVE", 6, 5, 0)

	s.rests() // no event is to repair it
	s.exec(`UPDATE licenses SET purchased = 50 WHERE tenant_id = 'org_d2gamers'`)
	says(reconcile(), "org_d2gamers license org_d2gamers: purchased: 50 here, 6 at Stripe", "nothing was changed")
	dana.has("ACTIVE", 50, 5, 0)
	says(reconcile("--apply"), "purchased: 50 here, 6 at Stripe")
	dana.has("ACTIVE", 6, 5, 0)
}
