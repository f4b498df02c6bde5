package billing

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/licensing"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// listed reads the list to its end, by pages of that size.
func (f *fixture) listed(org string, by licensing.Filter, size int) [][]string {
	f.t.Helper()
	var all [][]string
	for token := ""; ; {
		found, next, err := f.List(f.t.Context(), boss(org), by, tenancy.Page{Size: size, Token: token})
		if err != nil {
			f.t.Fatalf("list: %v", err)
		}
		page := []string{}
		for _, s := range found {
			page = append(page, s.UserID)
		}
		all = append(all, page)
		if token = next; token == "" {
			return all
		}
	}
}

func TestSeatsAreListedByNameAndEverybodyOnce(t *testing.T) {
	t.Parallel()
	f, users := filled(t, week)
	f.put(ours, "user_5", "user_6")
	f.put(theirs, "user_7")
	f.has(theirs, bought("sub_1", statusActive, 1))
	f.gives(theirs, "user_7")
	f.exec(`UPDATE members SET name = 'Zoe', name_key = 'zoe' WHERE user_id = 'user_0000'`)
	f.exec(`UPDATE members SET name = 'Bo', name_key = 'bo' WHERE user_id IN ('user_6', 'user_0003')`)
	f.goes(users[1])
	want := []string{"user_0003", "user_6", "user_0002", "user_0004", "user_5", "user_0000"}
	yes, no := true, false
	for size := 1; size <= 7; size++ {
		for name, c := range map[string]struct {
			by   licensing.Filter
			want []string
		}{
			"everybody":                 {licensing.Filter{}, want},
			"with a seat":               {licensing.Filter{Licensed: &yes}, []string{"user_0003", "user_0002", "user_0004", "user_0000"}},
			"without":                   {licensing.Filter{Licensed: &no}, []string{"user_6", "user_5"}},
			"by name":                   {licensing.Filter{Query: "bO"}, []string{"user_0003", "user_6"}},
			"by name, with a seat":      {licensing.Filter{Query: "B", Licensed: &yes}, []string{"user_0003"}},
			"by address":                {licensing.Filter{Query: "USER_6@"}, []string{"user_6"}},
			"by name and address":       {licensing.Filter{Query: "user_5"}, []string{"user_5"}},
			"no wildcards":              {licensing.Filter{Query: "%"}, nil},
			"nobody":                    {licensing.Filter{Query: "nobody"}, nil},
			"by address, without":       {licensing.Filter{Query: "user_", Licensed: &no}, []string{"user_6", "user_5"}},
			"by address, with one":      {licensing.Filter{Query: "user_", Licensed: &yes}, []string{"user_0003", "user_0002", "user_0004", "user_0000"}},
			"of another organization's": {licensing.Filter{Query: "user_7"}, nil},
		} {
			pages := f.listed(ours, c.by, size)
			for i, page := range pages {
				if len(page) > size || len(page) < size && i < len(pages)-1 {
					t.Errorf("%s, %d a page: page %d has %v", name, size, i, page)
				}
			}
			if diff := cmp.Diff(c.want, slices.Concat(pages...)); diff != "" {
				t.Errorf("%s, %d a page (-want +got):\n%s", name, size, diff)
			}
		}
	}
}

func TestASeatIsListedAsItIs(t *testing.T) {
	t.Parallel()
	f, users := filled(t, week)
	f.put(ours, "user_x")
	f.exec(`UPDATE seats SET assign_time = '2026-01-02 03:04:05Z' WHERE user_id = 'user_0000'`)
	if err := f.copies(ours, users[0]); err != nil {
		t.Fatal(err)
	}
	found, _, err := f.List(t.Context(), boss(ours), licensing.Filter{}, tenancy.Page{})
	if err != nil {
		t.Fatal(err)
	}
	at := epoch
	of := func(user string) licensing.Seat {
		return licensing.Seat{UserID: user, Name: user, NameKey: user, Email: user + "@A.test", Role: "org:member"}
	}
	first, last := of("user_0000"), of("user_x")
	first.AssignTime, first.AssignedBy, first.Working, first.Synced = &at, "user_boss", true, true
	last.Synced = true
	if len(found) != 6 {
		t.Fatalf("got %d, want 6", len(found))
	}
	if diff := cmp.Diff([]licensing.Seat{first, last}, []licensing.Seat{found[0], found[5]}, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); diff != "" {
		t.Errorf("seats (-want +got):\n%s", diff)
	}
	if found[1].Synced || !found[1].Held() {
		t.Errorf("got synced: %t of one whom Clerk was not told of", found[1].Synced)
	}
	f.has(ours, bought("sub_1", statusUnpaid, 5)) // what Clerk should say of them is that they are not
	found, _, err = f.List(t.Context(), boss(ours), licensing.Filter{}, tenancy.Page{})
	if err != nil || found[0].Synced || !found[1].Synced || !found[0].Held() {
		t.Errorf("suspended: got synced: %t, %t, held: %t, %v", found[0].Synced, found[1].Synced, found[0].Held(), err)
	}
}

// Reading is one round trip, however many there are.
func TestReadingSeatsAndLicensesIsOneStatement(t *testing.T) {
	t.Parallel()
	f, _ := filled(t, week)
	yes := true
	for what, read := range map[string]func() error{
		"licensing_select_seats": func() error {
			_, _, err := f.List(t.Context(), boss(ours), licensing.Filter{}, tenancy.Page{})
			return err
		},
		"licensing_search_seats_held": func() error {
			_, _, err := f.List(t.Context(), boss(ours), licensing.Filter{Licensed: &yes, Query: "u"}, tenancy.Page{})
			return err
		},
		"licensing_select_seats_held": func() error {
			_, _, err := f.List(t.Context(), boss(ours), licensing.Filter{Licensed: &yes}, tenancy.Page{})
			return err
		},
		"licensing_search_seats": func() error {
			_, _, err := f.List(t.Context(), boss(ours), licensing.Filter{Query: "u"}, tenancy.Page{})
			return err
		},
		"licensing_select_summary": func() error { _, err := f.License(t.Context(), boss(ours)); return err },
	} {
		f.statements()
		if err := read(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{what}, f.statements()); diff != "" {
			t.Errorf("statements (-want +got):\n%s", diff)
		}
	}
}

func TestAPageTokenIsGoodForItsOwnListAlone(t *testing.T) {
	t.Parallel()
	f, _ := filled(t, week)
	f.put(theirs, persons(5)...)
	yes, no := true, false
	_, token, err := f.List(t.Context(), boss(ours), licensing.Filter{Licensed: &yes}, tenancy.Page{Size: 2})
	if err != nil || token == "" {
		t.Fatalf("got token %q, %v; want one", token, err)
	}
	for what, c := range map[string]struct {
		org string
		by  licensing.Filter
	}{
		"another organization": {theirs, licensing.Filter{Licensed: &yes}},
		"another filter":       {ours, licensing.Filter{Licensed: &no}},
		"no filter":            {ours, licensing.Filter{}},
		"a query":              {ours, licensing.Filter{Licensed: &yes, Query: "u"}},
	} {
		if _, _, err := f.List(t.Context(), boss(c.org), c.by, tenancy.Page{Size: 2, Token: token}); !errors.Is(err, tenancy.PageTokenInvalid) {
			t.Errorf("%s: got %v, want that the token is not valid", what, err)
		}
	}
	if _, _, err := f.List(t.Context(), boss(ours), licensing.Filter{Licensed: &yes}, tenancy.Page{Size: 3, Token: token}); err != nil {
		t.Errorf("another size: %v", err)
	}
}

// One organization's ledger is no other's, for people of the same ids.
func TestALicenseIsItsOwnOrganizationsAlone(t *testing.T) {
	t.Parallel()
	f, users := filled(t, week)
	f.put(theirs, users...)
	f.wantRefused(theirs, users[0], seatsExhausted)
	f.has(theirs, bought("sub_1", statusActive, 1))
	f.gives(theirs, users[3])
	f.takes(theirs, users[0]) // has none there
	for org, want := range map[string]string{
		ours:   "active working:true frozen:false purchased:5 assigned:5 over:0 grace:false",
		theirs: "active working:true frozen:false purchased:1 assigned:1 over:0 grace:false",
	} {
		if got := verdictOf(f.summary(org)); got != want {
			t.Errorf("%s: got %s, want %s", org, got, want)
		}
		f.sound(org)
	}
	if got := fmt.Sprint(f.workers(theirs)); got != "[user_0003]" {
		t.Errorf("the seats of %s work there, want that of user_0003", got)
	}
}
