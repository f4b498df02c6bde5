package membership

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/rbac"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// asText is a line for each role: key, name, what it holds, whether it is the actor's to
// give.
func asText(all []role) (lines []string) {
	for _, r := range all {
		line := r.key + "=" + r.name
		for name := range r.holds.Names() {
			line += " " + strings.TrimPrefix(name, "org:")
		}
		if r.grantable {
			line += " GRANTABLE"
		}
		lines = append(lines, line)
	}
	return lines
}

const all = " tasks:view tasks:edit tasks:manage members:view members:manage licensing:view licensing:manage audit:view"

func TestARoleIsGrantableWhereItHoldsNothingThatTheCallerLacks(t *testing.T) {
	t.Parallel()
	f := newFixtureWith(t, func(context.Context) ([]clerk.Role, error) {
		return []clerk.Role{
			{Key: "org:viewer", Name: "Viewer", Permissions: []string{"org:tasks:view", "org:sys_memberships:read", "org:other:thing"}},
			{Key: "org:editor", Name: "Editor", Permissions: []string{"org:tasks:edit"}},
			{Key: "org:admin", Name: "Boss"},
			{Key: "org:people", Name: "People", Permissions: []string{"org:members:manage", "org:tasks:manage"}},
			{Key: "org:money", Name: "", Permissions: []string{"org:licensing:manage", "org:ORG:x", "members:manage", ""}},
			{Key: "org:none", Name: "None"},
		}, nil
	})
	give := func(marks string) []string {
		lines := []string{
			"org:viewer=Viewer tasks:view", "org:editor=Editor tasks:view tasks:edit", "org:admin=Boss" + all,
			"org:people=People tasks:view tasks:edit tasks:manage members:view members:manage",
			"org:money= licensing:view licensing:manage", "org:none=None",
		}
		for i, mark := range marks {
			if mark == '+' {
				lines[i] += " GRANTABLE"
			}
		}
		return lines
	}
	for what, c := range map[string]struct {
		holds tenancy.Permissions
		want  string
	}{
		"an administrator":          {tenancy.AllPermissions, "++++++"},
		"sees members":              {tenancy.MembersView, "------"},
		"all but to manage members": {tenancy.AllPermissions &^ tenancy.MembersManage, "------"},
		"all but to see the log":    {tenancy.AllPermissions &^ tenancy.AuditView, "++-+++"},
		"manages members":           {tenancy.MembersView | tenancy.MembersManage, "-----+"},
		"and sees tasks":            {tenancy.MembersView | tenancy.MembersManage | tenancy.TasksView, "+----+"},
		"and edits them":            {tenancy.MembersView | tenancy.MembersManage | tenancy.TasksView | tenancy.TasksEdit, "++---+"},
		"and manages them":          {tenancy.MembersView | tenancy.MembersManage | tenancy.TasksView | tenancy.TasksEdit | tenancy.TasksManage, "++-+-+"},
	} {
		actor := person(ours, "user_1", "org:whatever")
		actor.Permissions = c.holds
		got, err := f.Roles(t.Context(), actor)
		if err != nil {
			t.Fatal(err)
		}
		same(t, what, give(c.want), asText(got))
	}
}

func TestWhereClerkListsNoRolesThoseInUseAreListed(t *testing.T) {
	t.Parallel()
	f := newFixtureWith(t, func(context.Context) ([]clerk.Role, error) {
		return nil, &clerk.Error{Kind: clerk.NotOffered, Status: 404}
	})
	for i, role := range []string{"org:viewer", "org:viewer", "org:bosses", "org:left"} {
		m := named(i, "X")[0]
		m.Role = role
		f.put(ours, m)
	}
	f.remove(ours, "user_003")
	f.put(theirs, member{UserID: "user_9", Role: "org:theirs"})
	const admin, bosses, viewer = "org:admin=org:admin" + all, "org:bosses=org:bosses", "org:viewer=org:viewer"
	for what, c := range map[string]struct {
		role  string
		holds tenancy.Permissions
		want  []string
	}{
		"an administrator":            {"org:admin", tenancy.AllPermissions, []string{admin + " GRANTABLE", bosses + " GRANTABLE", viewer + " GRANTABLE"}},
		"who holds all by another":    {"org:bosses", tenancy.AllPermissions, []string{admin, bosses + " GRANTABLE", viewer + " GRANTABLE"}},
		"who sees members":            {"org:viewer", tenancy.MembersView, []string{admin, bosses, viewer}},
		"an administrator of nothing": {"org:admin", tenancy.MembersView, []string{admin, bosses, viewer}},
	} {
		actor := person(ours, "user_1", c.role)
		actor.Permissions = c.holds
		got, err := f.Roles(t.Context(), actor)
		if err != nil {
			t.Fatal(err)
		}
		same(t, what, c.want, asText(got))
	}
}

// What the configuration adds to a role is part of it: as it is listed, as it is the
// caller's to give, and where Clerk lists none.
func TestWhatTheConfigurationAddsIsPartOfTheRole(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		listed []clerk.Role
		err    error
		want   string
	}{
		"listed":      {[]clerk.Role{{Key: "org:member", Name: "Member"}}, nil, "org:member=Member tasks:view tasks:edit audit:view"},
		"not offered": {nil, clerk.NotOffered, "org:member=org:member tasks:view tasks:edit audit:view"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixtureWith(t, func(context.Context) ([]clerk.Role, error) { return c.listed, c.err })
			f.holds = rbac.Roles{Admin: adminRoles, Adds: map[string]tenancy.Permissions{"org:member": tenancy.TasksEdit | tenancy.AuditView}}.Of
			m := named(1, "X")[0]
			m.Role = "member" // as an instance from before 2023 has it
			f.put(ours, m)
			for holds, mark := range map[tenancy.Permissions]string{ //nolint:exhaustive // sets of permissions are too many
				tenancy.AllPermissions: " GRANTABLE",
				tenancy.MembersManage | tenancy.MembersView | tenancy.TasksEdit | tenancy.TasksView: "",
			} {
				actor := person(ours, "user_1", "org:whatever")
				actor.Permissions = holds
				got, err := f.Roles(t.Context(), actor)
				if err != nil {
					t.Fatal(err)
				}
				if lines := asText(got); !slices.Contains(lines, c.want+mark) {
					t.Errorf("got %q, want %q among them", lines, c.want+mark)
				}
			}
			if got := f.everybody(someone, filter{}); len(got) != 1 {
				t.Errorf("got %v, want the one member", got)
			}
		})
	}
}

// source is a Clerk of a test's own.
type source struct {
	asked  atomic.Int64
	answer func(ctx context.Context) ([]clerk.Role, error)
}

func (s *source) roles(ctx context.Context) ([]clerk.Role, error) {
	s.asked.Add(1)
	return s.answer(ctx)
}

func keysOf(a roleList) string {
	var keys []string
	for _, r := range a.roles {
		keys = append(keys, r.Key)
	}
	return strings.Join(keys, " ")
}

func answering(key string) func(context.Context) ([]clerk.Role, error) {
	return func(context.Context) ([]clerk.Role, error) { return []clerk.Role{{Key: key}}, nil }
}

func failing(err error) func(context.Context) ([]clerk.Role, error) {
	return func(context.Context) ([]clerk.Role, error) { return nil, err }
}

var errClerk = &clerk.Error{Kind: clerk.Refused, Status: 401}

func TestClerkIsAskedForRolesOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{answer: answering("one")}
		b := cachedRoles(s.roles, nil)
		expect := func(want string, asked int64) {
			t.Helper()
			got, err := readRoles(t.Context(), b)
			if err != nil || keysOf(got) != want || s.asked.Load() != asked {
				t.Errorf("%q, %v after %d questions; want %q after %d", keysOf(got), err, s.asked.Load(), want, asked)
			}
		}
		expect("one", 1)
		s.answer = answering("two")
		<-time.After(rolesFreshFor - time.Millisecond)
		expect("one", 1)
		<-time.After(time.Millisecond)
		expect("two", 2)

		// From here on Clerk does not answer.
		s.answer = failing(errClerk)
		<-time.After(rolesFreshFor)
		expect("two", 3)
		expect("two", 3)
		<-time.After(rolesRetryPause)
		expect("two", 4)
		<-time.After(rolesUsableFor - rolesFreshFor - rolesRetryPause - time.Millisecond)
		expect("two", 5)
		<-time.After(time.Millisecond)
		if _, err := readRoles(t.Context(), b); !errors.Is(err, fault.ProviderUnavailable) || !errors.Is(err, clerk.Refused) {
			t.Errorf("after a day: %v, want ProviderUnavailable and why", err)
		}
		s.answer = answering("three")
		<-time.After(rolesRetryPause)
		expect("three", 6)

		// That there is no list is an answer.
		s.answer = failing(&clerk.Error{Kind: clerk.NotOffered})
		<-time.After(rolesFreshFor)
		for range 2 {
			if got, err := readRoles(t.Context(), b); err != nil || got.offered || s.asked.Load() != 7 {
				t.Errorf("not offered: %+v, %v, %d questions", got, err, s.asked.Load())
			}
		}
	})
}

func TestWithoutAnyAnswerClerkIsUnavailable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &source{answer: failing(fault.ProviderUnavailable.Because(errClerk).After(7 * time.Second))}
		b := cachedRoles(s.roles, nil)
		for range 3 {
			if _, err := readRoles(t.Context(), b); !errors.Is(err, fault.ProviderUnavailable) {
				t.Errorf("got %v", err)
			}
		}
		if s.asked.Load() != 1 {
			t.Errorf("%d questions, want 1: a failure is not repeated at once", s.asked.Load())
		}
	})
}

// One request at a time, for all callers that wait for it: those who go away take nothing from the
// others, and those for whom there is an older answer do not wait for long.
func TestThoseWhoAskForRolesTogetherShareOneQuestion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := &source{answer: func(ctx context.Context) ([]clerk.Role, error) {
			select {
			case <-release:
				return []clerk.Role{{Key: "slow"}}, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}}
		b := cachedRoles(s.roles, nil)
		hurried, leave := context.WithCancel(t.Context())
		var waiting sync.WaitGroup
		waiting.Go(func() {
			if _, err := readRoles(hurried, b); !errors.Is(err, context.Canceled) {
				t.Errorf("who left: %v", err)
			}
		})
		synctest.Wait()
		for range 20 {
			waiting.Go(func() {
				if got, err := readRoles(t.Context(), b); err != nil || keysOf(got) != "slow" {
					t.Errorf("got %q, %v", keysOf(got), err)
				}
			})
		}
		synctest.Wait()
		leave()
		synctest.Wait()
		close(release)
		waiting.Wait()
		if s.asked.Load() != 1 {
			t.Errorf("%d questions, want 1", s.asked.Load())
		}

		release = make(chan struct{}) // nobody answers any more
		<-time.After(rolesFreshFor)
		for range 20 {
			waiting.Go(func() {
				began := time.Now()
				got, err := readRoles(t.Context(), b)
				if took := time.Since(began); err != nil || keysOf(got) != "slow" || took != rolesPatience {
					t.Errorf("%q, %v after %v; want the older answer after %v", keysOf(got), err, took, rolesPatience)
				}
			})
		}
		waiting.Wait()
		<-time.After(rolesWithin)
		synctest.Wait()
		if s.asked.Load() != 2 {
			t.Errorf("%d questions, want 2", s.asked.Load())
		}
	})
}
