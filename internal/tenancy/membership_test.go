package tenancy_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/tenancy"
	"github.com/teamtask/teamtask/migrations"
)

// TestTheDirectoryHasTheLastWord is A23, A24 and B20: what a token says of a membership
// holds until the directory has heard of something newer.
func TestTheDirectoryHasTheLastWord(t *testing.T) {
	t.Parallel()
	database := pgtest.New(t)
	admin, err := pgx.Connect(t.Context(), database.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close(context.Background()) })
	met := 0
	db, err := tenancy.Open(t.Context(), tenancy.Options{
		URL: database.AppURL, Schema: migrations.Latest(), Statements: testStatements,
		Unknown: func(tenancy.Actor) { met++ },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)

	issued := time.Now().Add(-30 * time.Second).Truncate(time.Second)
	at := func(d time.Duration) *time.Time { moment := issued.Add(d); return &moment }
	member := func(tenant, user, role string, changed, removed *time.Time) {
		t.Helper()
		if _, err := admin.Exec(t.Context(), `
			INSERT INTO members (tenant_id, user_id, membership_id, role, name, name_key, email, email_key, role_time, remove_time, ticket)
			VALUES ($1, $2, 'm', $3, '', '', '', '', $4, $5, 1)`, tenant, user, role, changed, removed); err != nil {
			t.Fatal(err)
		}
	}
	organization := func(tenant string, deleted *time.Time) {
		t.Helper()
		if _, err := admin.Exec(t.Context(), `
			INSERT INTO organizations (tenant_id, slug, name, delete_time, ticket) VALUES ($1, '', '', $2, 1)`, tenant, deleted); err != nil {
			t.Fatal(err)
		}
	}
	user := func(id string, deleted *time.Time) {
		t.Helper()
		if _, err := admin.Exec(t.Context(), `
			INSERT INTO users (tenant_id, name, email, delete_time, ticket) VALUES ($1, '', '', $2, 1)`, id, deleted); err != nil {
			t.Fatal(err)
		}
	}
	seated := func(working bool) {
		t.Helper()
		for _, statement := range []string{
			`INSERT INTO licenses (tenant_id, purchased, working) VALUES ('org_us', 1, true)`,
			`INSERT INTO seats (tenant_id, user_id, assigned_by) VALUES ('org_us', 'user_me', 'user_b')`,
			fmt.Sprintf(`UPDATE licenses SET purchased = CASE WHEN %[1]t THEN 1 ELSE 0 END, working = %[1]t`, working),
		} {
			if _, err := admin.Exec(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	const me, us = "user_me", "org_us"
	inOrganization := tenancy.Actor{User: me, Tenant: us, Organization: tenancy.Organization{ID: us}, Role: "org:member", IssuedAt: issued}
	alone := tenancy.Actor{User: me, Tenant: me, IssuedAt: issued}
	seatless := inOrganization
	seatless.SeatRequired = true
	claiming := seatless
	claiming.Licensed = true
	second := time.Second
	for name, c := range map[string]struct {
		actor tenancy.Actor
		rows  func()
		want  error
		met   bool
	}{
		"nothing is known": {inOrganization, func() {}, nil, true},
		"a member":         {inOrganization, func() { member(us, me, "org:member", at(-time.Hour), nil) }, nil, false},
		"a member whose role is new and the same": {inOrganization, func() { member(us, me, "org:member", at(10*second), nil) }, nil, false},
		"removed since":                            {inOrganization, func() { member(us, me, "org:member", nil, at(10*second)) }, tenancy.MembershipEnded, false},
		"removed in the same second":               {inOrganization, func() { member(us, me, "org:member", nil, at(0)) }, tenancy.MembershipEnded, false},
		"removed 4 s before, by our clock":         {inOrganization, func() { member(us, me, "org:member", nil, at(-4*second)) }, tenancy.MembershipEnded, false},
		"removed before and here again":            {inOrganization, func() { member(us, me, "org:member", nil, at(-6*second)) }, nil, true},
		"another role since":                       {inOrganization, func() { member(us, me, "org:viewer", at(10*second), nil) }, tenancy.TokenStale, false},
		"a higher role since":                      {inOrganization, func() { member(us, me, "org:admin", at(10*second), nil) }, tenancy.TokenStale, false},
		"another role 4 s before, by our clock":    {inOrganization, func() { member(us, me, "org:viewer", at(-4*second), nil) }, tenancy.TokenStale, false},
		"another role before: the token is newer":  {inOrganization, func() { member(us, me, "org:viewer", at(-6*second), nil) }, nil, true},
		"removed since, with another role":         {inOrganization, func() { member(us, me, "org:viewer", at(9*second), at(10*second)) }, tenancy.MembershipEnded, false},
		"the organization is deleted":              {inOrganization, func() { organization(us, at(10*second)) }, tenancy.MembershipEnded, false},
		"the organization was deleted 4 s before":  {inOrganization, func() { organization(us, at(-4*second)) }, tenancy.MembershipEnded, false},
		"the organization was deleted before that": {inOrganization, func() { organization(us, at(-6*second)) }, nil, true},
		"the organization lives":                   {inOrganization, func() { organization(us, nil) }, nil, true},
		"removed elsewhere":                        {inOrganization, func() { member("org_b", me, "org:member", nil, at(10*second)) }, nil, true},
		"somebody else is removed":                 {inOrganization, func() { member(us, "user_b", "org:member", nil, at(10*second)) }, nil, true},
		"ended, and without a seat":                {seatless, func() { member(us, me, "org:member", nil, at(10*second)) }, tenancy.MembershipEnded, false},
		"stale, and without a seat":                {seatless, func() { member(us, me, "org:viewer", at(10*second), nil) }, tenancy.TokenStale, false},
		"without a seat":                           {seatless, func() { member(us, me, "org:member", nil, nil) }, tenancy.SeatRequired, false},
		"without a seat that the token claims":     {claiming, func() { member(us, me, "org:member", nil, nil) }, tenancy.SeatRequired, false},
		"not known, without a seat":                {claiming, func() {}, tenancy.SeatRequired, false},
		"of a lower role before, without a seat":   {claiming, func() { member(us, me, "org:viewer", at(-6*second), nil) }, tenancy.SeatRequired, false},
		"removed before, without a seat":           {claiming, func() { member(us, me, "org:member", nil, at(-6*second)) }, tenancy.SeatRequired, false},
		"the organization deleted before":          {claiming, func() { organization(us, at(-6*second)) }, tenancy.SeatRequired, false},
		"the organization deleted since":           {claiming, func() { organization(us, at(10*second)) }, tenancy.MembershipEnded, false},
		"with a seat":                              {seatless, func() { member(us, me, "org:member", nil, nil); seated(true) }, nil, false},
		"with a seat, another role before":         {seatless, func() { member(us, me, "org:viewer", at(-6*second), nil); seated(true) }, nil, true},
		"with a seat, stale":                       {seatless, func() { member(us, me, "org:viewer", at(10*second), nil); seated(true) }, tenancy.TokenStale, false},
		"with a seat that is suspended":            {claiming, func() { member(us, me, "org:member", nil, nil); seated(false) }, tenancy.SeatRequired, false},
		"suspended, where none is asked for":       {inOrganization, func() { member(us, me, "org:member", nil, nil); seated(false) }, nil, false},
		"alone, not known":                         {alone, func() {}, nil, true},
		"alone":                                    {alone, func() { user(me, nil) }, nil, false},
		"alone, deleted since":                     {alone, func() { user(me, at(10*second)) }, tenancy.MembershipEnded, false},
		"alone, deleted before":                    {alone, func() { user(me, at(-6*second)) }, nil, true},
		"alone, removed from an organization":      {alone, func() { member(us, me, "org:member", nil, at(10*second)) }, nil, true},
		"the system, where all has ended":          {tenancy.System(us, "sweep"), func() { organization(us, at(10*second)) }, nil, false},
	} {
		if _, err := admin.Exec(t.Context(), `TRUNCATE members, organizations, users, standings, licenses CASCADE`); err != nil {
			t.Fatal(err)
		}
		c.rows()
		for door, enter := range map[string]func(context.Context, tenancy.Actor, func(*tenancy.Tx) error) error{"Once": db.Once, "In": db.In} {
			met = 0
			ran := false
			err := enter(t.Context(), c.actor, func(tx *tenancy.Tx) error {
				_, err := tenancy.Rows[taskRow](t.Context(), tx, readTasks)
				ran = err == nil
				return err
			})
			if !errors.Is(err, c.want) || ran != (c.want == nil) {
				t.Errorf("%s, %s: got %v, want %v", name, door, err, c.want)
			}
			if (met == 1) != c.met || met > 1 {
				t.Errorf("%s, %s: told %d times of somebody unknown, want %v", name, door, met, c.met)
			}
		}
	}
}

// Without a ledger there is nothing to ask but the token.
func TestWithoutALedgerTheClaimDecides(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	db, err := tenancy.Open(t.Context(), tenancy.Options{URL: base.AppURL, Schema: migrations.Latest(), Statements: testStatements, Claims: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	admin := connectAt(t, base.AdminURL)
	runSQL(t, admin, `
		INSERT INTO members (tenant_id, user_id, membership_id, role, name, name_key, email, email_key, ticket)
		VALUES ('org_us', 'user_known', 'm', 'org:member', '', '', '', '', 1)`)
	for _, user := range []string{"user_known", "user_unknown"} {
		a := tenancy.Actor{User: user, Tenant: "org_us", Organization: tenancy.Organization{ID: "org_us"}, Role: "org:member", IssuedAt: time.Now(), SeatRequired: true}
		for licensed, want := range map[bool]error{false: tenancy.SeatRequired, true: nil} {
			a.Licensed = licensed
			err := db.Once(t.Context(), a, func(tx *tenancy.Tx) error {
				_, err := tenancy.Rows[taskRow](t.Context(), tx, readTasks)
				return err
			})
			if !errors.Is(err, want) {
				t.Errorf("%s, licensed %t: got %v, want %v", user, licensed, err, want)
			}
		}
	}
}
