package billing

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/jobs"
	"github.com/teamtask/teamtask/internal/stripe"
)

// pages returns the checkouts on which can be bought.
func (f *fixture) pages() []string {
	f.till.mu.Lock()
	defer f.till.mu.Unlock()
	var open []string
	for _, id := range slices.Sorted(maps.Keys(f.till.sessions)) {
		if f.till.sessions[id] == pageOpen {
			open = append(open, id)
		}
	}
	return open
}

func (f *fixture) wantPages(when string, want ...string) {
	f.t.Helper()
	if diff := cmp.Diff(want, f.pages()); diff != "" {
		f.t.Errorf("%s: pages on which can be bought (-want +got):\n%s", when, diff)
	}
}

// opens has the boss open a page for so many seats.
func (f *fixture) opens(quantity int32) string {
	f.t.Helper()
	url, err := f.Checkout(f.t.Context(), boss(ours), quantity, "/a", "/b")
	if err != nil {
		f.t.Fatalf("checkout of %d: %v", quantity, err)
	}
	return url
}

// shop is an organization that has bought nothing.
func shop(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	f.put(ours, "user_boss")
	return f
}

func TestTheSamePageIsGivenOutWhileItIsOpen(t *testing.T) {
	t.Parallel()
	f := shop(t)
	first := f.opens(5)
	if again := f.opens(5); again != first {
		t.Errorf("got %s, want %s again", again, first)
	}
	f.till.did(func() { f.till.sessions["cs_1"] = "expired" }) // in the dashboard
	if other := f.opens(5); other == first {
		t.Error("a page that has expired was given out")
	}
	f.till.did(func() { f.till.sessions["cs_2"] = "complete" })
	f.till.sells("sub_1", "cus_made_"+ours, statusCanceled, 5) // bought and canceled, and neither was heard of
	if other := f.opens(5); !strings.HasSuffix(other, "cs_3") {
		t.Errorf("got %s, want a page of its own", other)
	}
}

func TestTwoPagesAreNeverOpen(t *testing.T) {
	t.Parallel()
	f := shop(t)
	f.opens(5)
	f.till.did(func() { f.till.broken["checkout/sessions/cs_1/expire"] = http.StatusBadRequest })
	if _, err := f.Checkout(t.Context(), boss(ours), 6, "/a", "/b"); !errors.Is(err, errPaymentRefused) {
		t.Fatalf("got %v, want PAYMENT_REFUSED", err)
	}
	f.wantPages("after a page could not be closed", "cs_1")
	f.till.did(func() { clear(f.till.broken) })
	f.opens(6)
	f.wantPages("afterwards", "cs_2")

	// Stripe makes a page and the answer is lost: its id is not known here.
	f.exec(`UPDATE licenses SET checkout_id = NULL`)
	f.opens(7)
	f.wantPages("after an answer was lost", "cs_3")
}

func TestPagesThatAreAskedForAtOnceAreOne(t *testing.T) {
	t.Parallel()
	f := shop(t)
	urls := make(chan string, tenantWaitingMax)
	buyers := persons(cap(urls))
	f.put(ours, buyers...)
	var all sync.WaitGroup
	for _, user := range buyers {
		all.Go(func() {
			actor := boss(ours)
			actor.User = user
			url, err := f.Checkout(t.Context(), actor, 5, "/a", "/b")
			if err != nil {
				t.Errorf("checkout by %s: %v", user, err)
			}
			urls <- url
		})
	}
	all.Wait()
	close(urls)
	for url := range urls {
		if !strings.HasSuffix(url, "cs_1") {
			t.Errorf("got %s, want the one page", url)
		}
	}
	f.wantPages("at once", "cs_1")
}

func TestNobodyBuysOnAPageOnceSomethingIsBought(t *testing.T) {
	t.Parallel()
	f := shop(t)
	f.opens(3)
	f.till.sells("sub_1", "cus_made_"+ours, statusIncomplete, 3) // the card was declined: they may try another
	if err := f.sync(t.Context(), ours, nil); err != nil {
		t.Fatal(err)
	}
	if got := f.jobsFor(jobClose); len(got) != 0 {
		t.Errorf("%v are closed while the first payment is awaited", got)
	}
	f.till.sells("sub_1", "cus_made_"+ours, statusActive, 3) // in the portal
	if err := f.sync(t.Context(), ours, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"cs_1"}, f.jobsFor(jobClose)); diff != "" {
		t.Fatalf("pages that are closed (-want +got):\n%s", diff)
	}
	if err := f.job(jobClose)(t.Context(), jobs.Call{Tenant: ours, Subject: "cs_1"}); err != nil {
		t.Fatal(err)
	}
	f.wantPages("after it was bought elsewhere")
}

// jobsFor returns the subjects of the jobs of that name.
func (f *fixture) jobsFor(name string) []string {
	return f.texts(`SELECT args->>'subject' FROM river_job WHERE kind = 'inbox_job' AND args->>'name' = $1 ORDER BY id`, name)
}

func TestWhatIsBoughtAfterTheOrganizationHasEndedIsCanceled(t *testing.T) {
	t.Parallel()
	f := shop(t)
	f.opens(5)
	f.people.did(func() { delete(f.people.organizations, ours) })
	f.hearsOf(ours, "")
	if err := f.cancelAll(t.Context(), ours); err != nil {
		t.Fatal(err)
	}
	f.wantPages("of an organization that is gone")
	f.exec(`DELETE FROM river_job`)
	f.till.sells("sub_1", "cus_made_"+ours, statusActive, 5)
	if err := f.sync(t.Context(), ours, nil); err != nil {
		t.Fatal(err)
	}
	if got := f.jobsFor(jobCancel); len(got) != 1 {
		t.Fatalf("%d jobs cancel it, want 1", len(got))
	}
	if err := f.cancelAll(t.Context(), ours); err != nil {
		t.Fatal(err)
	}
	if got := f.till.subscriptions["sub_1"].status; got != statusCanceled {
		t.Errorf("it is %s", got)
	}
}

func TestAnOrganizationThatIsThereAgainKeepsItsSubscription(t *testing.T) {
	t.Parallel()
	f, _ := customered(t)
	o := f.people.organizations[ours]
	f.people.did(func() { delete(f.people.organizations, ours) })
	f.hearsOf(ours, "")
	f.people.did(func() { f.people.organizations[ours] = o })
	f.hearsOf(ours, "")
	if err := f.cancelAll(t.Context(), ours); err != nil {
		t.Fatal(err)
	}
	for id, sold := range f.till.subscriptions {
		if sold.status != statusActive {
			t.Errorf("%s is %s, want that it goes on", id, sold.status)
		}
	}
}

// An answer that is no list, or lacks what goes on, suspends nobody and sells nothing.
func TestAListThatCannotBeIsNotBelieved(t *testing.T) {
	t.Parallel()
	f, _ := customered(t)
	before := f.texts(`SELECT l::text FROM licenses l`)
	for name, body := range map[string]string{
		"nothing": `{}`, "no data": `{"object":"list"}`, "null": `{"object":"list","data":null}`, "empty": listText(nil),
		"no items":  `{"object":"list","has_more":false,"data":[{"id":"sub_1","object":"subscription","customer":"cus_1","status":"active"}]}`,
		"null item": `{"object":"list","has_more":false,"data":[{"id":"sub_1","object":"subscription","customer":"cus_1","status":"active","items":{}}]}`,
	} {
		f.till.did(func() {
			f.till.transport = func(r *http.Request) *http.Response {
				response := f.till.answer(r)
				if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/subscriptions") {
					response.Body = io.NopCloser(strings.NewReader(body))
				}
				return response
			}
		})
		if err := f.sync(t.Context(), ours, nil); !errors.Is(err, stripe.Unavailable) {
			t.Errorf("%s: got %v, want that Stripe cannot be asked", name, err)
		}
		if name == "empty" {
			if _, err := f.Checkout(t.Context(), boss(ours), 5, "/a", "/b"); !errors.Is(err, fault.ProviderUnavailable) {
				t.Errorf("%s: a checkout: got %v, want that Stripe cannot be asked", name, err)
			}
		}
		f.till.did(func() { f.till.transport = nil })
	}
	if diff := cmp.Diff(before, f.texts(`SELECT l::text FROM licenses l`)); diff != "" {
		t.Errorf("the license has changed:\n%s", diff)
	}
}

func TestACustomerWhoIsNotThereIsNotKept(t *testing.T) {
	t.Parallel()
	f := shop(t)
	f.till.did(func() { f.till.lies = true })
	if _, err := f.Checkout(t.Context(), boss(ours), 5, "/a", "/b"); !errors.Is(err, fault.ProviderUnavailable) {
		t.Errorf("got %v, want that Stripe cannot be asked", err)
	}
	f.till.did(func() { f.till.lies = false })
	f.opens(5)
	if got := f.texts(`SELECT customer_id FROM licenses WHERE customer_id IS NOT NULL`); len(got) != 1 || f.till.customers[got[0]] == nil {
		t.Errorf("customers %v are kept, want one that is there", got)
	}
}

func TestThePortalOfADeletedCustomerIsNoFaultOfOurs(t *testing.T) {
	t.Parallel()
	f, _ := customered(t)
	f.till.did(func() {
		for _, c := range f.till.customers {
			c.deleted = true
		}
	})
	if _, err := f.Portal(t.Context(), boss(ours), "/x"); !errors.Is(err, errNoSubscription) {
		t.Errorf("got %v, want NO_SUBSCRIPTION", err)
	}
	if s := f.summary(ours); s.Status != statusCanceled || s.CustomerID != "" || s.CancelTime == nil || s.CancelTime.After(s.Now) {
		t.Errorf("got %s, customer %q, ended %v; want CANCELED, none, by now", s.Status, s.CustomerID, s.CancelTime)
	}
}

func TestTheCustomerWhoPaysIsAdopted(t *testing.T) {
	t.Parallel()
	f := shop(t)
	for _, id := range []string{"cus_1", "cus_2", "cus_3"} {
		f.till.knows(id, ours)
	}
	f.till.sells("sub_1", "cus_2", statusActive, 5)
	f.reconciles(Reconciliation{Apply: true, Adopt: true})
	if s := f.summary(ours); s.CustomerID != "cus_2" || s.Purchased != 5 {
		t.Errorf("got customer %q, %d seats; want cus_2, 5", s.CustomerID, s.Purchased)
	}
}

// Revoking everybody does not make a ledger empty.
func TestFlagsAreAdoptedOnce(t *testing.T) {
	t.Parallel()
	f, users := inherited(t, 6)
	f.reconciles(Reconciliation{Apply: true, Adopt: true})
	f.takes(ours, f.holders(ours)...)
	f.reconciles(Reconciliation{Apply: true, Adopt: true})
	if got := f.holders(ours); len(got) != 0 {
		t.Errorf("%v of %v hold seats that were revoked", got, users)
	}
}

// What cannot be fetched is not adopted by halves: the flags are there for the next time.
func TestAdoptingIsAllOrNothing(t *testing.T) {
	t.Parallel()
	f, _ := inherited(t, 6)
	f.till.did(func() { f.till.broken["subscriptions"] = http.StatusBadRequest })
	if _, err := f.Reconcile(t.Context(), Reconciliation{Apply: true, Adopt: true}); err == nil {
		t.Fatal("nothing could be fetched, and that is no error")
	}
	if got := f.texts(`SELECT customer_id FROM licensing_customers`); len(got) != 0 {
		t.Errorf("%v was adopted without what it has bought", got)
	}
	f.till.did(func() { clear(f.till.broken) })
	f.reconciles(Reconciliation{Apply: true, Adopt: true})
	if got := f.holders(ours); len(got) != 4 {
		t.Errorf("%v hold seats, want 4", got)
	}
}

func TestEventsAboutNobodyAreDone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.till.knows("cus_other", "")
	for kind, body := range map[string]string{
		"charge.refunded":            `{"data":{"object":{"id":"ch_1","customer":null}}}`,
		"checkout.session.completed": `{"data":{"object":{"id":"cs_1","customer":null}}}`,
		"invoice.paid":               `{"data":{"object":{"id":"in_1","customer":"cus_other"}}}`,
	} {
		if err := f.comes(kind, body); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
