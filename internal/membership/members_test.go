package membership

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/tenancy"
)

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestMembersAreThoseOfTheActorsOrganizationAlone(t *testing.T) {
	t.Parallel()
	for _, net := range []string{"with row security", "by the statements alone"} {
		t.Run(net, func(t *testing.T) {
			t.Parallel()
			f := newFixtureWith(t, failing(&clerk.Error{Kind: clerk.NotOffered}))
			if net != "with row security" {
				for _, table := range []string{"members", "organizations", "users", "invitations"} {
					f.exec(`ALTER TABLE ` + table + ` DISABLE ROW LEVEL SECURITY`)
				}
			}
			f.put(ours, named(1, "Ann", "Bea")...)
			f.put(theirs, named(2, "Ann", "Cid")...)
			f.put(theirs, member{UserID: "user_003", Name: "Cid", Email: "a@x.test"})
			f.invite(theirs, sent(1, "pending"))
			f.exec(`INSERT INTO organizations (tenant_id, slug, name, ticket) VALUES ($1, 'theirs', 'Theirs', 1)`, theirs)
			f.exec(`INSERT INTO users (tenant_id, name, email, ticket) VALUES ('user_someone', 'Alone', '', 1), ('user_003', 'Cid', '', 1)`)
			same(t, "all", []string{"user_001", "user_002"}, f.everybody(someone, filter{}))
			same(t, "by name", []string{"user_001"}, f.everybody(someone, filter{query: "a"}))
			if invited, _, err := f.Invitations(t.Context(), someone, tenancy.Page{}); err != nil || len(invited) != 0 {
				t.Errorf("invitations: %v, %v", invited, err)
			}
			same(t, "in the other", []string{"user_002", "user_003"}, f.everybody(person(theirs, "user_someone", ""), filter{}))
			same(t, "nowhere", []string{}, f.everybody(tenancy.Actor{}, filter{}))
			for _, user := range []string{"user_003", "user_someone"} {
				got, err := f.Current(t.Context(), person(ours, user, ""))
				if want := (profile{OrganizationSlug: "of-the-token"}); err != nil || got != want {
					t.Errorf("%s: %+v, %v; want nothing but the token's", user, got, err)
				}
			}
			f.exec(`INSERT INTO members (tenant_id, user_id, membership_id, role, name, name_key, email, email_key, ticket)
				VALUES ($1, 'user_9', '', 'org:theirs', '', '', '', '', 1)`, theirs)
			guessed, err := f.Roles(t.Context(), someone)
			if err != nil || len(guessed) != 2 || guessed[0].key != "org:admin" || guessed[1].key != "org:member" {
				t.Errorf("roles: %v, %v", guessed, err)
			}
		})
	}
}

func TestMembersAreListedByNameWithoutCaseAndThenById(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put(ours, named(1, "bea", "Ann", "Bea", "", "élan", "E\u0301lan", "Zoë", "ann", "张伟", "😀", "Ann", "éa")...)
	f.put(ours, member{UserID: "user_gone", Name: "Ann"})
	f.remove(ours, "user_gone")
	want := []string{
		"user_004",                         // no name
		"user_002", "user_008", "user_011", // ann
		"user_001", "user_003", // bea
		"user_007",             // zoë
		"user_012",             // éa
		"user_005", "user_006", // élan, in two ways to write it
		"user_009", "user_010",
	}
	same(t, "in one page", want, f.everybody(someone, filter{}))
	for size := 1; size <= len(want); size++ {
		all := f.pages(someone, filter{}, size, nil)
		same(t, fmt.Sprintf("in pages of %d", size), want, slices.Concat(all...))
		if n := (len(want) + size - 1) / size; len(all) != n {
			t.Errorf("pages of %d: %d pages, want %d", size, len(all), n)
		}
	}
	got, _, err := f.List(t.Context(), someone, filter{}, tenancy.Page{Size: 2})
	if err != nil || got[1].Name != "Ann" || got[1].Role != "org:member" {
		t.Errorf("got %+v, %v; want the name as it is written", got, err)
	}
}

// A member who is there all the while is returned exactly once, and no member twice.
func TestMembersWhoComeAndGoMoveNobodyElse(t *testing.T) {
	t.Parallel()
	for _, by := range []filter{{}, {query: "n"}, {query: "mail"}, {role: "org:member"}} {
		t.Run(fmt.Sprint(by), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			var stay []string
			for i := range 60 {
				m := member{UserID: fmt.Sprintf("user_%03d", i), Name: fmt.Sprintf("N%d", i%7), Email: fmt.Sprintf("mail%d@x.test", i)}
				f.put(ours, m)
				if i%3 > 0 {
					stay = append(stay, m.UserID)
				}
			}
			step := 0
			all := f.pages(someone, by, 5, func() {
				gone, came := fmt.Sprintf("user_%03d", 57-step*3%60), fmt.Sprintf("user_%03d_late", step*3%60)
				f.remove(ours, gone)
				f.remove(ours, fmt.Sprintf("user_%03d", step*3%60))
				f.put(ours, member{UserID: came, Name: fmt.Sprintf("n%d", step%7), Email: "mail"})
				step++
			})
			if step < 8 {
				t.Fatalf("only %d pages", step)
			}
			seen := map[string]int{}
			for _, user := range slices.Concat(all...) {
				seen[user]++
			}
			for user, n := range seen {
				if n != 1 {
					t.Errorf("%s was given %d times", user, n)
				}
			}
			for _, user := range stay {
				if seen[user] != 1 {
					t.Errorf("%s was there and was given %d times", user, seen[user])
				}
			}
		})
	}
}

// The place where a page ends is kept by name and id, not by the row: the last of a page
// may go, or get another name, and the next page begins where it would have.
func TestTheNextPageDoesNotNeedTheLastMemberOfTheOneBefore(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put(ours, named(1, "Ann", "Bea", "Cid", "Dan")...)
	_, next, err := f.List(t.Context(), someone, filter{}, tenancy.Page{Size: 2})
	if err != nil || next == "" {
		t.Fatal(next, err)
	}
	for what, change := range map[string]func(){
		"goes":    func() { f.remove(ours, "user_002") },
		"renamed": func() { f.put(ours, member{UserID: "user_002", Name: "Aaa"}) },
	} {
		change()
		rest, end, err := f.List(t.Context(), someone, filter{}, tenancy.Page{Size: 2, Token: next})
		if err != nil || end != "" || len(rest) != 2 || rest[0].UserID != "user_003" || rest[1].UserID != "user_004" {
			t.Errorf("%s: %+v, %q, %v", what, rest, end, err)
		}
	}
}

func TestTheQueryIsAPrefixOfNameOrAddressAndNothingElse(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put(ours,
		member{UserID: "user_1", Name: "Ann Bell", Email: "zed@x.test", Role: "org:admin"},
		member{UserID: "user_2", Name: "Bea", Email: "ANN@x.test"},
		member{UserID: "user_3", Name: "50% off_all", Email: "c_d@x.test"},
		member{UserID: "user_4", Name: `back\slash`, Email: "cxd@x.test"},
		member{UserID: "user_5", Name: "Élodie", Email: "'; DROP TABLE members --"},
		member{UserID: "user_6", Name: "ann", Email: "ann@y.test"},
		member{UserID: "user_7", Name: "\U0010FFFF\U0010FFFF!", Email: "\uFFFFa"},
		member{UserID: "user_8", Name: "\uD7FF\uE000", Email: ""},
		member{UserID: "user_9", Name: "\uE000\uD7FF", Email: ""},
	)
	for query, want := range map[string][]string{
		"ann": {"user_6", "user_1", "user_2"}, "ANN": {"user_6", "user_1", "user_2"}, "Ann ": {"user_1"}, "ann b": {"user_1"},
		"bell": {}, "b": {"user_4", "user_2"}, "ann@": {"user_6", "user_2"}, "ann@x.test": {"user_2"}, "ann@x.test ": {},
		"%": {}, "_": {}, `\`: {}, "50%": {"user_3"}, "50_": {}, "c_d": {"user_3"}, `back\`: {"user_4"}, `back\\`: {}, "a%": {}, "a_n": {},
		"é": {"user_5"}, "E\u0301": {"user_5"}, "ÉLO": {"user_5"}, "e": {}, "'": {"user_5"}, "'; drop table members": {"user_5"}, "*": {}, ".*": {}, "[a-z]": {},
		"\U0010FFFF": {"user_7"}, "\U0010FFFF\U0010FFFF": {"user_7"}, "\U0010FFFF\U0010FFFF\U0010FFFF": {}, "\uFFFF": {"user_7"}, "\uD7FF": {"user_8"}, "\uFFFD": {},
		strings.Repeat("ß", 255): {}, " ": {}, "\t": {},
	} {
		same(t, fmt.Sprintf("%q", query), want, f.everybody(someone, filter{query: query}))
		if len(want) > 1 {
			same(t, fmt.Sprintf("%q in pages", query), want, slices.Concat(f.pages(someone, filter{query: query}, 1, nil)...))
		}
	}
	same(t, "both", []string{"user_1"}, f.everybody(someone, filter{query: "ann", role: "org:admin"}))
	same(t, "role", []string{"user_1"}, f.everybody(someone, filter{role: "org:admin"}))
	for _, role := range []string{"org:adm", "ORG:ADMIN", "%", "org:admin "} {
		same(t, role, []string{}, f.everybody(someone, filter{role: role}))
	}
	for _, f2 := range []filter{{query: "a\x00"}, {role: "a\x00"}} {
		if _, _, err := f.List(t.Context(), someone, f2, tenancy.Page{}); !errors.Is(err, fault.Invalid) {
			t.Errorf("%q: %v, want fault.Invalid", f2, err)
		}
	}
}

// What begins with a text lies in its span, and nothing else does.
func FuzzTheSpanOfAQueryHoldsWhatBeginsWithIt(f *testing.F) {
	for _, seed := range []string{"a", "é", "\uD7FF", "\uFFFF", "\U0010FFFF", "a\U0010FFFF", "%", ""} {
		f.Add(seed, "ab")
		f.Add(seed, seed+"x")
		f.Add(seed, seed+"\U0010FFFF\U0010FFFF")
	}
	f.Fuzz(func(t *testing.T, query, name string) {
		query, name = strings.ToValidUTF8(query, ""), strings.ToValidUTF8(name, "")
		s, key := tenancy.SpanOf(query), tenancy.SearchKey(name)
		if got, want := key >= s.First && key < s.Behind, strings.HasPrefix(key, tenancy.SearchKey(query)); got != want && query != "" {
			t.Errorf("%q in the span of %q: %v, want %v", key, query, got, want)
		}
	})
}

func TestAPageTokenIsGoodForItsListTenantAndFilterAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, org := range []string{ours, theirs} {
		f.put(org, named(1, "Ann", "Bea", "Cid")...)
	}
	by := filter{role: "org:member", query: "ann"}
	f.put(ours, named(4, "Anna", "Annb")...)
	_, token, err := f.List(t.Context(), someone, by, tenancy.Page{Size: 1})
	if err != nil || token == "" {
		t.Fatal(token, err)
	}
	if _, _, err := f.List(t.Context(), person(ours, "user_other", "org:admin"), filter{role: "org:member", query: "ANN"}, tenancy.Page{Size: 9, Token: token}); err != nil {
		t.Errorf("the same list, by another person, written otherwise: %v", err)
	}
	_, open, err := f.List(t.Context(), someone, filter{}, tenancy.Page{Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	f.invite(ours, sent(1, "pending"), sent(2, "pending"))
	_, invitations, err := f.Invitations(t.Context(), someone, tenancy.Page{Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	other := person(theirs, "user_someone", "org:member")
	for what, try := range map[string]func() error{
		"another tenant": func() error { return listed(f.List(t.Context(), other, by, tenancy.Page{Token: token})) },
		"another query": func() error {
			return listed(f.List(t.Context(), someone, filter{role: "org:member", query: "annb"}, tenancy.Page{Token: token}))
		},
		"another role": func() error {
			return listed(f.List(t.Context(), someone, filter{role: "org:admin", query: "ann"}, tenancy.Page{Token: token}))
		},
		"no filter": func() error { return listed(f.List(t.Context(), someone, filter{}, tenancy.Page{Token: token})) },
		"parts moved": func() error {
			return listed(f.List(t.Context(), someone, filter{role: "org:membera", query: "nn"}, tenancy.Page{Token: token}))
		},
		"of the invitations": func() error { return listed(f.List(t.Context(), someone, filter{}, tenancy.Page{Token: invitations})) },
		"of the members":     func() error { return listed(f.Invitations(t.Context(), someone, tenancy.Page{Token: open})) },
		"another's invitations": func() error {
			return listed(f.Invitations(t.Context(), other, tenancy.Page{Token: invitations}))
		},
		"cut":      func() error { return listed(f.List(t.Context(), someone, by, tenancy.Page{Token: token[1:]})) },
		"nonsense": func() error { return listed(f.List(t.Context(), someone, by, tenancy.Page{Token: "AAAA"})) },
	} {
		if err := try(); !errors.Is(err, tenancy.PageTokenInvalid) {
			t.Errorf("%s: %v, want PageTokenInvalid", what, err)
		}
	}
	for _, position := range []string{"", "\x00\x00\x00", "\x00\x00\x00\x00", "\x00\x00\x00\x05ann", "\xff\xff\xff\xffann", "\x00\x00\x00\x03ann"} {
		sealed := f.db.SealPage(someone, membersList, filter{}.binding(), []byte(position))
		if err := listed(f.List(t.Context(), someone, filter{}, tenancy.Page{Token: sealed})); !errors.Is(err, tenancy.PageTokenInvalid) {
			t.Errorf("position %q: %v, want PageTokenInvalid", position, err)
		}
		if sealed = f.db.SealPage(someone, invitationsList, nil, []byte(position)); len(position) <= 8 {
			if err := listed(f.Invitations(t.Context(), someone, tenancy.Page{Token: sealed})); !errors.Is(err, tenancy.PageTokenInvalid) {
				t.Errorf("position %q: %v, want PageTokenInvalid", position, err)
			}
		}
	}
}

func listed[T any](_ []T, _ string, err error) error { return err }

func TestAPageHasFiftyMembersUnlessSaidOtherwiseAndTwoHundredAtMost(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.exec(`INSERT INTO members (tenant_id, user_id, membership_id, role, name, name_key, email, email_key, ticket)
		SELECT $1, 'user_'||i, '', 'org:member', '', '', '', '', 1 FROM generate_series(1, 250) AS i`, ours)
	f.exec(`INSERT INTO invitations (tenant_id, id, email, role, hold_seat, status, create_time, ticket)
		SELECT $1, 'orginv_'||i, '', 'org:member', false, 'pending', now(), 1 FROM generate_series(1, 250) AS i`, ours)
	for size, want := range map[int]int{0: 50, 1: 1, 50: 50, 200: 200, 201: 200, 1 << 31: 200} {
		members, more, err := f.List(t.Context(), someone, filter{}, tenancy.Page{Size: size})
		if err != nil || len(members) != want || more == "" {
			t.Errorf("size %d: %d members, %v; want %d", size, len(members), err, want)
		}
		invitations, more, err := f.Invitations(t.Context(), someone, tenancy.Page{Size: size})
		if err != nil || len(invitations) != want || more == "" {
			t.Errorf("size %d: %d invitations, %v; want %d", size, len(invitations), err, want)
		}
	}
}
