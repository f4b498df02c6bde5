package seats

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// shop is a follower whose server sells seats. Organizations and people are made as a
// test needs them.
type shop struct {
	*stacktest.Follower
	admin *pgxpool.Pool
	// arrive makes what has changed at Clerk or Stripe known, where it does not become known
	// by itself.
	arrive func()
}

func newShop(t *testing.T, overrides map[string]string) *shop {
	t.Helper()
	s := prepareShop(t)
	maps.Copy(s.Env, overrides)
	s.opens()
	return s
}

// prepareShop makes one whose server is not started yet.
func prepareShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{Follower: stacktest.PrepareFollower(t), arrive: func() {}}
	maps.Copy(s.Env, stacktest.Paying(s.Sandbox))
	var err error
	if s.admin, err = pgxpool.New(t.Context(), s.Database.AdminURL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.admin.Close)
	return s
}

// opens starts the server.
func (s *shop) opens() {
	s.T.Helper()
	s.Start()
	s.Until("the first reconciliation is over", func() bool { return strings.Contains(s.Log.String(), "reconciled with Stripe") })
}

// buyer is somebody of an organization who calls with one and the same token.
type buyer struct {
	*shop
	user, org string // the organization's slug
	licensing teamtaskv1connect.LicensingServiceClient
	tasks     teamtaskv1connect.TaskServiceClient
	members   teamtaskv1connect.MembershipServiceClient
}

func (s *shop) buyer(user, org string) *buyer {
	s.T.Helper()
	client := &http.Client{Transport: stacktest.Holding(s.Control(http.MethodGet, "/sandbox/token?ttl=3600&user="+user+"&org="+org, ""))}
	return &buyer{
		shop: s, user: user, org: org,
		licensing: teamtaskv1connect.NewLicensingServiceClient(client, s.URL),
		tasks:     teamtaskv1connect.NewTaskServiceClient(client, s.URL),
		members:   teamtaskv1connect.NewMembershipServiceClient(client, s.URL),
	}
}

// found makes an organization with an administrator and members, and answers the
// administrator once our copy has all of them.
func (s *shop) found(org, admin string, members ...string) *buyer {
	s.T.Helper()
	s.Control(http.MethodPost, "/sandbox/organizations", fmt.Sprintf(`{"name": "The %s", "slug": %q, "admin": %q}`, org, org, admin))
	for _, user := range members {
		s.Control(http.MethodPost, "/sandbox/organizations/"+org+"/members", fmt.Sprintf(`{"user": %q, "role": "org:member"}`, user))
	}
	s.arrive()
	b := s.buyer(admin, org)
	s.Until("the members of "+org+" are known", func() bool {
		answer, err := b.members.ListMembers(s.T.Context(), &teamtaskv1.ListMembersRequest{})
		return err == nil && len(answer.GetMembers()) == 1+len(members)
	})
	return b
}

// checkout opens the page to buy so many seats, and answers the page's session.
func (b *buyer) checkout(quantity int32) string {
	b.T.Helper()
	answer, err := b.licensing.CreateCheckoutSession(b.T.Context(), &teamtaskv1.CreateCheckoutSessionRequest{
		Quantity: quantity, SuccessPath: "/bought?session={CHECKOUT_SESSION_ID}", CancelPath: "/seats",
	})
	if err != nil {
		b.T.Fatalf("checkout of %d: %v", quantity, err)
	}
	return lastOf(answer.GetUrl())
}

func lastOf(address string) string { return address[strings.LastIndexByte(address, '/')+1:] }

// completes does on the page what the outcome says, with the quantity that it was made
// for, and answers the session.
func (s *shop) completes(session, outcome string) (it struct{ Customer, Subscription string }) {
	s.T.Helper()
	text := s.Control(http.MethodPost, "/sandbox/checkout/"+session+"/complete", `{"outcome": "`+outcome+`"}`)
	if err := json.Unmarshal([]byte(text), &it); err != nil {
		s.T.Fatal(err)
	}
	return it
}

// buys opens the page, pays for so many seats, and answers the subscription.
func (b *buyer) buys(quantity int32) string {
	b.T.Helper()
	return b.completes(b.checkout(quantity), "paid").Subscription
}

// portal does something on the page where the subscription is changed.
func (b *buyer) portal(body string) {
	b.T.Helper()
	answer, err := b.licensing.CreatePortalSession(b.T.Context(), &teamtaskv1.CreatePortalSessionRequest{ReturnPath: "/seats"})
	if err != nil {
		b.T.Fatalf("portal: %v", err)
	}
	b.Control(http.MethodPost, "/sandbox/portal/"+lastOf(answer.GetUrl()), body)
}

// advance goes on to the next period, or the next attempt at a payment.
func (s *shop) advance(subscription, payment string) {
	s.T.Helper()
	s.Control(http.MethodPost, "/sandbox/subscriptions/"+subscription+"/advance", `{"payment": "`+payment+`"}`)
}

func (b *buyer) license() *teamtaskv1.License {
	b.T.Helper()
	answer, err := b.licensing.GetLicense(b.T.Context(), &teamtaskv1.GetLicenseRequest{})
	if err != nil {
		b.T.Fatalf("license: %v", err)
	}
	return answer.GetLicense()
}

// has waits until the license is what a test says of it: status, purchased, assigned and
// how many too many.
func (b *buyer) has(status string, purchased, assigned, over int32) *teamtaskv1.License {
	b.T.Helper()
	want := fmt.Sprintf("%s purchased %d assigned %d over %d", status, purchased, assigned, over)
	var l *teamtaskv1.License
	b.Until(want, func() bool {
		l = b.license()
		return fmt.Sprintf("%s purchased %d assigned %d over %d", strings.TrimPrefix(l.GetStatus().String(), "LICENSE_STATUS_"),
			l.GetPurchased(), l.GetAssigned(), l.GetOverAssigned()) == want
	})
	return l
}

// assigns gives the people a seat each.
func (b *buyer) assigns(users ...string) {
	b.T.Helper()
	for _, user := range users {
		answer, err := b.licensing.AssignSeat(b.T.Context(), &teamtaskv1.AssignSeatRequest{UserId: "user_" + user})
		if err != nil || !answer.GetSeat().GetLicensed() {
			b.T.Fatalf("assign a seat to %s: %v, %v", user, answer, err)
		}
	}
}

// refuses wants the seat refused.
func (b *buyer) refuses(user string, want stacktest.Refusal) {
	b.T.Helper()
	_, err := b.licensing.AssignSeat(b.T.Context(), &teamtaskv1.AssignSeatRequest{UserId: "user_" + user})
	if diff := cmp.Diff(want, stacktest.RefusalOf(b.T, err)); diff != "" {
		b.T.Errorf("assign a seat to %s (-want +got):\n%s", user, diff)
	}
}

func exhaustedAt(purchased, assigned int) stacktest.Refusal {
	return stacktest.Refusal{Code: connect.CodeResourceExhausted, Reason: "SEATS_EXHAUSTED", Metadata: map[string]string{"purchased": fmt.Sprint(purchased), "assigned": fmt.Sprint(assigned)}}
}

// works tells why the person may not write tasks, or "".
func (b *buyer) works() string {
	b.T.Helper()
	_, err := b.tasks.CreateTask(b.T.Context(), &teamtaskv1.CreateTaskRequest{Name: "of " + b.user})
	if err == nil {
		return ""
	}
	return stacktest.RefusalOf(b.T, err).Reason
}

// team are people with one and the same token throughout a story.
type team []*buyer

func (s *shop) team(org string, users ...string) team {
	s.T.Helper()
	var all team
	for _, user := range users {
		all = append(all, s.buyer(user, org))
	}
	return all
}

// works wants those who may write, and only them, to be the people named, on their very
// next call.
func (all team) works(title string, users ...string) {
	all[0].T.Helper()
	for _, p := range all {
		want := "SEAT_REQUIRED"
		if slices.Contains(users, p.user) {
			want = ""
		}
		if got := p.works(); got != want {
			p.T.Errorf("%s: %s writes: got %q, want %q", title, p.user, got, want)
		}
	}
}

// shown waits until Clerk calls those people licensed, and nobody else of the
// organization.
func (s *shop) shown(org string, users ...string) {
	s.T.Helper()
	want := slices.Sorted(slices.Values(users))
	var got []string
	s.Until(fmt.Sprintf("Clerk calls %v of %s licensed", want, org), func() bool {
		got = s.flagged(org)
		return slices.Equal(got, want)
	})
}
