package directory

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
	"github.com/teamtask/teamtask/internal/stacktest"
)

func newFollower(t *testing.T) *stacktest.Follower {
	t.Helper()
	f := stacktest.PrepareFollower(t)
	f.Start()
	return f
}

// signedIn is somebody with the token that they have now.
type signedIn struct {
	members teamtaskv1connect.MembershipServiceClient
	tasks   teamtaskv1connect.TaskServiceClient
}

func signIn(f *stacktest.Follower, user, org string) signedIn {
	f.T.Helper()
	client := &http.Client{Transport: stacktest.Holding(f.Control(http.MethodGet, "/sandbox/token?ttl=3600&user="+user+"&org="+org, ""))}
	return signedIn{
		members: teamtaskv1connect.NewMembershipServiceClient(client, f.URL),
		tasks:   teamtaskv1connect.NewTaskServiceClient(client, f.URL),
	}
}

// reason is why a call was refused, or "".
func reason(f *stacktest.Follower, c signedIn) string {
	f.T.Helper()
	_, err := c.tasks.ListTasks(f.T.Context(), &teamtaskv1.ListTasksRequest{})
	if err == nil {
		return ""
	}
	return stacktest.RefusalOf(f.T, err).Reason
}

// listed are the members of the caller's organization and their roles.
func listMembers(f *stacktest.Follower, c signedIn) []string {
	f.T.Helper()
	answer, err := c.members.ListMembers(f.T.Context(), &teamtaskv1.ListMembersRequest{})
	if err != nil {
		f.T.Fatal(err)
	}
	var all []string
	for _, m := range answer.GetMembers() {
		all = append(all, m.GetUserId()+" "+m.GetRole())
	}
	slices.Sort(all)
	return all
}

func lists(f *stacktest.Follower, c signedIn, want ...string) {
	f.T.Helper()
	slices.Sort(want)
	var got []string
	f.Until(fmt.Sprintf("the members are %v", want), func() bool {
		got = listMembers(f, c)
		return slices.Equal(got, want)
	})
}

var castOfGamers = []string{
	"user_dana org:admin", "user_alice org:manager", "user_bob org:member", "user_ben org:member", "user_charlie org:viewer",
}

// mentions are the tables in which the text stands somewhere, tasks apart.
func mentions(f *stacktest.Follower, text string) []string {
	f.T.Helper()
	conn, err := pgx.Connect(f.T.Context(), f.Database.AdminURL)
	if err != nil {
		f.T.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var found []string
	for _, table := range []string{"users", "members", "invitations", "organizations", "inbox_deliveries", "river_job", "audit_events"} {
		var n int
		if err := conn.QueryRow(f.T.Context(), `SELECT count(*) FROM `+table+` r WHERE to_jsonb(r)::text LIKE '%' || $1 || '%'`, text).Scan(&n); err != nil {
			f.T.Fatal(err)
		}
		if n > 0 {
			found = append(found, table)
		}
	}
	var n int
	if err := conn.QueryRow(f.T.Context(), `SELECT count(*) FROM inbox_events WHERE position(convert_to($1, 'UTF8') IN body) > 0`, text).Scan(&n); err != nil {
		f.T.Fatal(err)
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
	dana := signIn(f, "dana", "d2-gamers")
	lists(f, dana, castOfGamers...) // the first reconciliation
	f.Control(http.MethodPost, "/sandbox/webhooks", `{"shuffle": true, "duplicate": true, "delay_ms": 20, "retry_ms": [50, 50, 100, 200]}`)

	f.Control(http.MethodPost, "/sandbox/organizations", `{"name": "New Co", "slug": "new-co", "admin": "nora"}`)
	f.Control(http.MethodPost, "/sandbox/organizations/new-co/members", `{"user": "olaf", "role": "org:member"}`)
	nora := signIn(f, "nora", "new-co")
	olaf := signIn(f, "olaf", "new-co")
	lists(f, nora, "user_nora org:admin", "user_olaf org:member")

	f.Control(http.MethodPatch, "/sandbox/organizations/new-co/members/olaf", `{"role": "org:manager"}`)
	lists(f, nora, "user_nora org:admin", "user_olaf org:manager")
	if got := reason(f, olaf); got != "TOKEN_STALE" {
		t.Errorf("a token from before the role changed: got %q, want TOKEN_STALE", got)
	}
	fresh := signIn(f, "olaf", "new-co")
	if got := reason(f, fresh); got != "" {
		t.Errorf("a token of the new role: got %q, want no refusal", got)
	}

	f.Control(http.MethodDelete, "/sandbox/organizations/new-co/members/olaf", "")
	lists(f, nora, "user_nora org:admin")
	for name, c := range map[string]signedIn{"old": olaf, "fresh": fresh} {
		if got := reason(f, c); got != "MEMBERSHIP_ENDED" {
			t.Errorf("the %s token of somebody who was removed: got %q, want MEMBERSHIP_ENDED", name, got)
		}
	}
	if got := reason(f, signIn(f, "olaf", "")); got != "" {
		t.Errorf("their own workspace: got %q, want no refusal", got)
	}

	own := signIn(f, "olaf", "")
	f.Control(http.MethodDelete, "/sandbox/users/olaf", "")
	f.Until("somebody who was deleted is refused", func() bool { return reason(f, own) == "MEMBERSHIP_ENDED" })
	f.Until("nothing is left of them but ids", func() bool { return len(mentions(f, "olaf@")) == 0 }) // H18
	f.Control(http.MethodDelete, "/sandbox/organizations/new-co", "")
	f.Until("an organization that was deleted is refused", func() bool { return reason(f, nora) == "MEMBERSHIP_ENDED" })

	// Everybody else goes on.
	lists(f, dana, castOfGamers...)
	for _, leak := range []string{"olaf@", "nora@", "dana@"} {
		if strings.Contains(f.Log.String(), leak) {
			t.Errorf("the log holds an address: %s", leak)
		}
	}
}

// Events that never arrive are made up for: by the first call of the person, and by a
// reconciliation.
func TestWhatNeverArrivedIsFetched(t *testing.T) {
	t.Parallel()
	f := newFollower(t)
	dana := signIn(f, "dana", "d2-gamers")
	f.Until("the first reconciliation is over", func() bool { return strings.Contains(f.Log.String(), "reconciled with Clerk") })
	lists(f, dana, castOfGamers...)
	f.Control(http.MethodPost, "/sandbox/webhooks", `{"drop": true, "retry_ms": []}`)

	f.Control(http.MethodPost, "/sandbox/organizations/d2-gamers/members", `{"user": "uma", "role": "org:viewer"}`)
	if got := reason(f, signIn(f, "uma", "d2-gamers")); got != "" {
		t.Errorf("somebody we have not heard of: got %q, want to be trusted by the token", got)
	}
	lists(f, dana, append([]string{"user_uma org:viewer"}, castOfGamers...)...)

	// Nobody calls: only a reconciliation can know.
	f.Control(http.MethodDelete, "/sandbox/organizations/d2-gamers/members/ben", "")
	f.Control(http.MethodPost, "/sandbox/organizations/d2-gamers/members", `{"user": "vera", "role": "org:member"}`)
	c := stacktest.Build(t)
	env := stacktest.Lines(map[string]string{
		"DATABASE_URL": f.Env["DATABASE_URL"], "CLERK_SECRET_KEY": f.Env["CLERK_SECRET_KEY"], "CLERK_API_URL": f.Env["CLERK_API_URL"],
	})
	before := listMembers(f, dana)
	for _, step := range []struct {
		args string
		want []string
	}{
		{"reconcile --org org_acme", []string{"compared 1 organizations and 0 people: 0 differences"}},
		{"reconcile", []string{"user_ben: gone at Clerk", "user_vera: missing here", "0 written", "nothing was changed"}},
		{"reconcile --apply", []string{"user_ben: gone at Clerk", "user_vera: missing here", "user_uma: missing here", "4 differences, 4 written"}},
		{"reconcile --apply", []string{"0 differences, 0 written"}},
	} {
		code, stdout, stderr := c.Run(t, env, strings.Fields(step.args)...)
		for _, want := range step.want {
			if code != 0 || !strings.Contains(stdout, want) {
				t.Errorf("%s: %d, want %q\n%s%s", step.args, code, want, stdout, stderr)
			}
		}
		if step.args == "reconcile" {
			if diff := cmp.Diff(before, listMembers(f, dana)); diff != "" {
				t.Errorf("a dry run has changed something:\n%s", diff)
			}
		}
	}
	lists(f, dana, "user_uma org:viewer", "user_vera org:member", "user_dana org:admin", "user_alice org:manager", "user_bob org:member", "user_charlie org:viewer")
	for _, c := range []struct{ env, want string }{
		{"", "DATABASE_URL"}, {"CLERK_SECRET_KEY", "CLERK_SECRET_KEY"},
	} {
		env := map[string]string{"DATABASE_URL": f.Env["DATABASE_URL"]}
		if c.env == "" {
			env = map[string]string{"CLERK_SECRET_KEY": "sk_test_x"}
		}
		if code, _, stderr := stacktest.Build(t).Run(t, stacktest.Lines(env), "reconcile"); code != 1 || !strings.Contains(stderr, c.want) {
			t.Errorf("without %s: %d %s", c.want, code, stderr)
		}
	}
}

// While Clerk is away events wait, and calls go on.
func TestEventsWaitWhileClerkIsAway(t *testing.T) {
	t.Parallel()
	f := newFollower(t)
	dana := signIn(f, "dana", "d2-gamers")
	lists(f, dana, castOfGamers...)
	f.Control(http.MethodPost, "/sandbox/faults", `{"service": "clerk", "path": "/organizations", "status": 503, "times": 6}`)
	f.Control(http.MethodPatch, "/sandbox/organizations/d2-gamers/members/ben", `{"role": "org:manager"}`)
	if got := reason(f, dana); got != "" {
		t.Errorf("while Clerk is away: got %q, want no refusal", got)
	}
	defer func() {
		if !strings.Contains(f.Log.String(), "event not applied") {
			t.Error("the event was applied at the first attempt: Clerk was not away")
		}
	}()
	lists(f, dana, "user_ben org:manager", "user_dana org:admin", "user_alice org:manager", "user_bob org:member", "user_charlie org:viewer")
}

// What was put off while Clerk could not be reached is tried when it responds again, and not
// only at its next turn.
func TestWhatWaitsIsTriedWhenClerkRespondsAgain(t *testing.T) {
	t.Parallel()
	f := newFollower(t)
	dana := signIn(f, "dana", "d2-gamers")
	lists(f, dana, castOfGamers...)
	f.Control(http.MethodPost, "/sandbox/faults", `{"service": "clerk", "status": 503, "times": 5}`)
	f.Control(http.MethodPatch, "/sandbox/organizations/d2-gamers/members/ben", `{"role": "org:manager"}`)
	lists(f, dana, "user_ben org:manager", "user_dana org:admin", "user_alice org:manager", "user_bob org:member", "user_charlie org:viewer")
	if !strings.Contains(f.Log.String(), "a provider responds again") {
		t.Error("nothing was woken")
	}
}
