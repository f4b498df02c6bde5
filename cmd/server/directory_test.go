package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
)

func newFollower(t *testing.T) *follower {
	t.Helper()
	f := prepareFollower(t)
	f.start()
	return f
}

// signedIn is somebody with the token that they have now.
type signedIn struct {
	members teamtaskv1connect.MembershipServiceClient
	tasks   teamtaskv1connect.TaskServiceClient
}

func (f *follower) caller(user, org string) signedIn {
	f.t.Helper()
	client := &http.Client{Transport: holding(f.control(http.MethodGet, "/sandbox/token?ttl=3600&user="+user+"&org="+org, ""))}
	return signedIn{
		members: teamtaskv1connect.NewMembershipServiceClient(client, f.url),
		tasks:   teamtaskv1connect.NewTaskServiceClient(client, f.url),
	}
}

// reason is why a call was refused, or "".
func (f *follower) reason(c signedIn) string {
	f.t.Helper()
	_, err := c.tasks.ListTasks(f.t.Context(), &teamtaskv1.ListTasksRequest{})
	if err == nil {
		return ""
	}
	return refusalOf(f.t, err).Reason
}

// listed are the members of the caller's organization and their roles.
func (f *follower) listed(c signedIn) []string {
	f.t.Helper()
	answer, err := c.members.ListMembers(f.t.Context(), &teamtaskv1.ListMembersRequest{})
	if err != nil {
		f.t.Fatal(err)
	}
	var all []string
	for _, m := range answer.GetMembers() {
		all = append(all, m.GetUserId()+" "+m.GetRole())
	}
	slices.Sort(all)
	return all
}

func (f *follower) lists(c signedIn, want ...string) {
	f.t.Helper()
	slices.Sort(want)
	var got []string
	f.until(fmt.Sprintf("the members are %v", want), func() bool {
		got = f.listed(c)
		return slices.Equal(got, want)
	})
}

var castOfGamers = []string{
	"user_dana org:admin", "user_alice org:manager", "user_bob org:member", "user_ben org:member", "user_charlie org:viewer",
}

// mentions are the tables in which the text stands somewhere, tasks apart.
func (f *follower) mentions(text string) []string {
	f.t.Helper()
	conn, err := pgx.Connect(f.t.Context(), f.database.AdminURL)
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var found []string
	for _, table := range []string{"users", "members", "invitations", "organizations", "inbox_deliveries", "river_job", "audit_events"} {
		var n int
		if err := conn.QueryRow(f.t.Context(), `SELECT count(*) FROM `+table+` r WHERE to_jsonb(r)::text LIKE '%' || $1 || '%'`, text).Scan(&n); err != nil {
			f.t.Fatal(err)
		}
		if n > 0 {
			found = append(found, table)
		}
	}
	var n int
	if err := conn.QueryRow(f.t.Context(), `SELECT count(*) FROM inbox_events WHERE position(convert_to($1, 'UTF8') IN body) > 0`, text).Scan(&n); err != nil {
		f.t.Fatal(err)
	}
	if n > 0 {
		found = append(found, "inbox_events")
	}
	return found
}

// TestOurCopyFollowsClerk is the story of an organization, told by its webhooks:
// shuffled, doubled and late.
func TestOurCopyFollowsClerk(t *testing.T) {
	t.Parallel()
	f := newFollower(t)
	dana := f.caller("dana", "d2-gamers")
	f.lists(dana, castOfGamers...) // the first reconciliation
	f.control(http.MethodPost, "/sandbox/webhooks", `{"shuffle": true, "duplicate": true, "delay_ms": 20, "retry_ms": [50, 50, 100, 200]}`)

	f.control(http.MethodPost, "/sandbox/organizations", `{"name": "New Co", "slug": "new-co", "admin": "nora"}`)
	f.control(http.MethodPost, "/sandbox/organizations/new-co/members", `{"user": "olaf", "role": "org:member"}`)
	nora := f.caller("nora", "new-co")
	olaf := f.caller("olaf", "new-co")
	f.lists(nora, "user_nora org:admin", "user_olaf org:member")

	f.control(http.MethodPatch, "/sandbox/organizations/new-co/members/olaf", `{"role": "org:manager"}`)
	f.lists(nora, "user_nora org:admin", "user_olaf org:manager")
	if got := f.reason(olaf); got != "TOKEN_STALE" {
		t.Errorf("a token from before the role changed: got %q, want TOKEN_STALE", got)
	}
	fresh := f.caller("olaf", "new-co")
	if got := f.reason(fresh); got != "" {
		t.Errorf("a token of the new role: got %q, want no refusal", got)
	}

	f.control(http.MethodDelete, "/sandbox/organizations/new-co/members/olaf", "")
	f.lists(nora, "user_nora org:admin")
	for name, c := range map[string]signedIn{"old": olaf, "fresh": fresh} {
		if got := f.reason(c); got != "MEMBERSHIP_ENDED" {
			t.Errorf("the %s token of somebody who was removed: got %q, want MEMBERSHIP_ENDED", name, got)
		}
	}
	if got := f.reason(f.caller("olaf", "")); got != "" {
		t.Errorf("their own workspace: got %q, want no refusal", got)
	}

	own := f.caller("olaf", "")
	f.control(http.MethodDelete, "/sandbox/users/olaf", "")
	f.until("somebody who was deleted is refused", func() bool { return f.reason(own) == "MEMBERSHIP_ENDED" })
	f.until("nothing is left of them but ids", func() bool { return len(f.mentions("olaf@")) == 0 }) // H18
	f.control(http.MethodDelete, "/sandbox/organizations/new-co", "")
	f.until("an organization that was deleted is refused", func() bool { return f.reason(nora) == "MEMBERSHIP_ENDED" })

	// Everybody else goes on.
	f.lists(dana, castOfGamers...)
	for _, leak := range []string{"olaf@", "nora@", "dana@"} {
		if strings.Contains(f.log.String(), leak) {
			t.Errorf("the log holds an address: %s", leak)
		}
	}
}

// Events that never arrive are made up for: by the first call of the person, and by a
// reconciliation.
func TestWhatNeverArrivedIsFetched(t *testing.T) {
	t.Parallel()
	f := newFollower(t)
	dana := f.caller("dana", "d2-gamers")
	f.until("the first reconciliation is over", func() bool { return strings.Contains(f.log.String(), "reconciled with Clerk") })
	f.lists(dana, castOfGamers...)
	f.control(http.MethodPost, "/sandbox/webhooks", `{"drop": true, "retry_ms": []}`)

	f.control(http.MethodPost, "/sandbox/organizations/d2-gamers/members", `{"user": "uma", "role": "org:viewer"}`)
	if got := f.reason(f.caller("uma", "d2-gamers")); got != "" {
		t.Errorf("somebody we have not heard of: got %q, want to be trusted by the token", got)
	}
	f.lists(dana, append([]string{"user_uma org:viewer"}, castOfGamers...)...)

	// Nobody calls: only a reconciliation can know.
	f.control(http.MethodDelete, "/sandbox/organizations/d2-gamers/members/ben", "")
	f.control(http.MethodPost, "/sandbox/organizations/d2-gamers/members", `{"user": "vera", "role": "org:member"}`)
	c := build(t)
	env := lines(map[string]string{
		"DATABASE_URL": f.env["DATABASE_URL"], "CLERK_SECRET_KEY": f.env["CLERK_SECRET_KEY"], "CLERK_API_URL": f.env["CLERK_API_URL"],
	})
	before := f.listed(dana)
	for _, step := range []struct {
		args string
		want []string
	}{
		{"reconcile --org org_acme", []string{"compared 1 organizations and 0 people: 0 differences"}},
		{"reconcile", []string{"user_ben: gone at Clerk", "user_vera: missing here", "0 written", "nothing was changed"}},
		{"reconcile --apply", []string{"user_ben: gone at Clerk", "user_vera: missing here", "user_uma: missing here", "4 differences, 4 written"}},
		{"reconcile --apply", []string{"0 differences, 0 written"}},
	} {
		code, stdout, stderr := c.run(t, env, strings.Fields(step.args)...)
		for _, want := range step.want {
			if code != 0 || !strings.Contains(stdout, want) {
				t.Errorf("%s: %d, want %q\n%s%s", step.args, code, want, stdout, stderr)
			}
		}
		if step.args == "reconcile" {
			if diff := cmp.Diff(before, f.listed(dana)); diff != "" {
				t.Errorf("a dry run has changed something:\n%s", diff)
			}
		}
	}
	f.lists(dana, "user_uma org:viewer", "user_vera org:member", "user_dana org:admin", "user_alice org:manager", "user_bob org:member", "user_charlie org:viewer")
	for _, c := range []struct{ env, want string }{
		{"", "DATABASE_URL"}, {"CLERK_SECRET_KEY", "CLERK_SECRET_KEY"},
	} {
		env := map[string]string{"DATABASE_URL": f.env["DATABASE_URL"]}
		if c.env == "" {
			env = map[string]string{"CLERK_SECRET_KEY": "sk_test_x"}
		}
		if code, _, stderr := build(t).run(t, lines(env), "reconcile"); code != 1 || !strings.Contains(stderr, c.want) {
			t.Errorf("without %s: %d %s", c.want, code, stderr)
		}
	}
}

// While Clerk is away events wait, and calls go on.
func TestEventsWaitWhileClerkIsAway(t *testing.T) {
	t.Parallel()
	f := newFollower(t)
	dana := f.caller("dana", "d2-gamers")
	f.lists(dana, castOfGamers...)
	f.control(http.MethodPost, "/sandbox/faults", `{"service": "clerk", "path": "/organizations", "status": 503, "times": 6}`)
	f.control(http.MethodPatch, "/sandbox/organizations/d2-gamers/members/ben", `{"role": "org:manager"}`)
	if got := f.reason(dana); got != "" {
		t.Errorf("while Clerk is away: got %q, want no refusal", got)
	}
	defer func() {
		if !strings.Contains(f.log.String(), "event not applied") {
			t.Error("the event was applied at the first attempt: Clerk was not away")
		}
	}()
	f.lists(dana, "user_ben org:manager", "user_dana org:admin", "user_alice org:manager", "user_bob org:member", "user_charlie org:viewer")
}
