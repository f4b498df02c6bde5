package sandbox_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/organization"
	"github.com/clerk/clerk-sdk-go/v2/organizationinvitation"
	"github.com/clerk/clerk-sdk-go/v2/organizationmembership"
	"github.com/clerk/clerk-sdk-go/v2/user"

	"github.com/teamtask/teamtask/internal/sandbox"
)

func TestEveryChangeByTheAPIIsTold(t *testing.T) {
	t.Parallel()
	b, r := newTold(t, sandbox.Options{})
	ctx := t.Context()
	str, raw := clerk.String, func(s string) *json.RawMessage { return clerk.JSONRawMessage(json.RawMessage(s)) }

	o := must[*clerk.Organization](t)(b.organizations.Create(ctx, &organization.CreateParams{Name: str("Zoo"), CreatedBy: str("user_dana")}))
	r.want(t, "organization.created", "organizationMembership.created")
	must[*clerk.Organization](t)(b.organizations.Update(ctx, o.ID, &organization.UpdateParams{Name: str("Zoos")}))
	r.want(t, "organization.updated")
	must[*clerk.Organization](t)(b.organizations.UpdateMetadata(ctx, o.ID, &organization.UpdateMetadataParams{PublicMetadata: raw(`{"a":1}`)}))
	r.want(t, "organization.updated")
	must[*clerk.OrganizationMembership](t)(b.members.Create(ctx, &organizationmembership.CreateParams{OrganizationID: o.ID, UserID: str("user_bob"), Role: str("org:viewer")}))
	r.want(t, "organizationMembership.created")
	must[*clerk.OrganizationMembership](t)(b.members.Update(ctx, &organizationmembership.UpdateParams{OrganizationID: o.ID, UserID: "user_bob", Role: str("org:member")}))
	r.want(t, "organizationMembership.updated")
	must[*clerk.OrganizationMembership](t)(b.setMetadata(t, o.ID, "user_bob", `{"isLicensed":true}`))
	e := r.want(t, "organizationMembership.updated")[0]
	if !reflect.DeepEqual(e.Data["public_metadata"], map[string]any{"isLicensed": true}) {
		t.Errorf("data = %v", e.Data)
	}
	must[*clerk.OrganizationMembership](t)(b.members.Delete(ctx, &organizationmembership.DeleteParams{OrganizationID: o.ID, UserID: "user_bob"}))
	r.want(t, "organizationMembership.deleted")
	i := must[*clerk.OrganizationInvitation](t)(b.invitations.Create(ctx, &organizationinvitation.CreateParams{OrganizationID: o.ID, EmailAddress: str("zoe@zoo.test"), Role: str("org:member")}))
	r.want(t, "organizationInvitation.created")
	must[*clerk.OrganizationInvitation](t)(b.invitations.Revoke(ctx, &organizationinvitation.RevokeParams{OrganizationID: o.ID, ID: i.ID}))
	r.want(t, "organizationInvitation.revoked")
	must[*clerk.User](t)(b.users.UpdateMetadata(ctx, "user_bob", &user.UpdateMetadataParams{PublicMetadata: raw(`{"a":1}`)}))
	must[*clerk.User](t)(b.users.Update(ctx, "user_bob", &user.UpdateParams{FirstName: str("Bobby")}))
	r.want(t, "user.updated", "user.updated")

	// Refusals tell nothing.
	_, _ = b.members.Delete(ctx, &organizationmembership.DeleteParams{OrganizationID: o.ID, UserID: "user_bob"})
	_, _ = b.organizations.Update(ctx, o.ID, &organization.UpdateParams{Slug: str("acme")})
	_, _ = b.invitations.Revoke(ctx, &organizationinvitation.RevokeParams{OrganizationID: o.ID, ID: i.ID})

	// One event for all that goes with a person or an organization.
	must[*clerk.DeletedResource](t)(b.users.Delete(ctx, "user_bob"))
	must[*clerk.DeletedResource](t)(b.organizations.Delete(ctx, "org_d2gamers"))
	r.want(t, "user.deleted", "organization.deleted")
	if got := b.reported(t, "all sent", func(r report) bool { return r.Pending == 0 }); got.Sent != 14 || got.Failed+got.Dropped != 0 {
		t.Errorf("report = %+v", got)
	}
}

func TestEventsHaveClerksShapes(t *testing.T) {
	t.Parallel()
	clock := newHandClock()
	b, r := newTold(t, sandbox.Options{Now: clock.Now})
	at := clock.Now().UnixMilli()
	inOrg := func(e received) map[string]any { return e.Data["organization"].(map[string]any) }
	keys := func(e received, want ...string) {
		t.Helper()
		for _, key := range want {
			if _, ok := e.Data[key]; !ok {
				t.Errorf("%s has no %s: %s", e.Type, key, e.raw)
			}
		}
		if e.Object != "event" || e.Timestamp != at || !strings.HasPrefix(e.InstanceID, "ins_") || e.timestamp != strconv.FormatInt(at/1000, 10) {
			t.Errorf("envelope of %s = %s, svix-timestamp %s", e.Type, e.raw, e.timestamp)
		}
	}

	order(t, http.MethodPost, b.url+"/sandbox/organizations/acme/members", `{"user":"zoe","role":"org:member"}`, 200)
	events := r.want(t, "user.created", "organizationMembership.created")
	u, m := events[0], events[1]
	keys(u, "id", "object", "email_addresses", "primary_email_address_id", "first_name", "last_name", "private_metadata", "created_at", "updated_at")
	if u.Data["id"] != "user_zoe" || u.Data["private_metadata"] != nil || u.Data["created_at"] != float64(at) {
		t.Errorf("user = %s", u.raw)
	}
	keys(m, "id", "object", "role", "role_name", "permissions", "public_metadata", "organization", "public_user_data", "created_at", "updated_at")
	if inOrg(m)["id"] != "org_acme" || m.Data["public_user_data"].(map[string]any)["user_id"] != "user_zoe" || m.Data["role"] != "org:member" {
		t.Errorf("membership = %s", m.raw)
	}
	var asSDK clerk.OrganizationMembership
	whole, _ := json.Marshal(m.Data)
	if err := json.Unmarshal(whole, &asSDK); err != nil || asSDK.Organization.Slug != "acme" || asSDK.PublicUserData.Identifier != "zoe@acme.test" {
		t.Errorf("as the SDK reads it: %+v (%v)", asSDK, err)
	}

	order(t, http.MethodDelete, b.url+"/sandbox/organizations/acme/members/zoe", "", 200)
	gone := r.want(t, "organizationMembership.deleted")[0]
	keys(gone, "id", "role", "permissions", "public_metadata", "organization", "public_user_data")
	if gone.Data["id"] != m.Data["id"] {
		t.Errorf("deleted membership = %s", gone.raw)
	}

	invited := must[*clerk.OrganizationInvitation](t)(b.invitations.Create(t.Context(), &organizationinvitation.CreateParams{
		OrganizationID: "org_acme", EmailAddress: clerk.String("yan@acme.test"), Role: clerk.String("org:manager"), InviterUserID: clerk.String("user_erin"),
		PublicMetadata: clerk.JSONRawMessage(json.RawMessage(`{"hold":true}`)), PrivateMetadata: clerk.JSONRawMessage(json.RawMessage(`{"p":1}`)),
	}))
	i := r.want(t, "organizationInvitation.created")[0]
	keys(i, "id", "object", "email_address", "role", "organization_id", "status", "public_metadata", "url", "expires_at", "inviter_id")
	if _, ok := i.Data["user_id"]; ok || i.Data["inviter_id"] != "user_erin" || i.Data["status"] != "pending" {
		t.Errorf("invitation = %s", i.raw)
	}
	order(t, http.MethodPost, b.url+"/sandbox/invitations/"+invited.ID+"/accept", `{"user":"yan"}`, 200)
	events = r.want(t, "user.created", "organizationInvitation.accepted", "organizationMembership.created")
	keys(events[1], "user_id", "status", "organization_id")
	if events[1].Data["user_id"] != "user_yan" || events[1].Data["status"] != "accepted" {
		t.Errorf("accepted = %s", events[1].raw)
	}
	d := events[2].Data
	if d["role"] != "org:manager" || !reflect.DeepEqual(d["public_metadata"], map[string]any{"hold": true}) || !reflect.DeepEqual(d["private_metadata"], map[string]any{"p": 1.0}) {
		t.Errorf("membership by invitation = %s", events[2].raw)
	}

	order(t, http.MethodDelete, b.url+"/sandbox/users/yan", "", 200)
	order(t, http.MethodDelete, b.url+"/sandbox/organizations/acme", "", 200)
	events = r.want(t, "user.deleted", "organization.deleted")
	if want := map[string]any{"object": "user", "id": "user_yan", "deleted": true}; !reflect.DeepEqual(events[0].Data, want) {
		t.Errorf("deleted user = %v", events[0].Data)
	}
	if want := map[string]any{"object": "organization", "id": "org_acme", "slug": "acme", "deleted": true}; !reflect.DeepEqual(events[1].Data, want) {
		t.Errorf("deleted organization = %v", events[1].Data)
	}
}

func TestEventsComeInOrderUnlessShuffled(t *testing.T) {
	t.Parallel()
	b, r := newTold(t, sandbox.Options{})
	arrival := func(n int) []string {
		var ids []string
		for len(ids) < n {
			if e := r.next(t); e.Type == "user.created" {
				ids = append(ids, e.Data["id"].(string))
			}
		}
		return ids
	}
	r.answer(func(n int64) int {
		if n%2 == 1 { // every other event would be overtaken
			<-time.After(20 * time.Millisecond)
		}
		return 200
	})
	made := b.grow(t, 30)
	if got := arrival(30); !slices.Equal(got, made) {
		t.Errorf("arrived %v", got)
	}
	r.answer(func(int64) int { return 200 })
	order(t, http.MethodPost, b.url+"/sandbox/reset", "", 200)
	order(t, http.MethodPost, b.url+"/sandbox/webhooks", `{"shuffle":true}`, 200)
	made = b.grow(t, 30)
	got := arrival(30)
	if slices.Equal(got, made) {
		t.Error("shuffled events came in order")
	}
	slices.Sort(got)
	if slices.Sort(made); !slices.Equal(got, made) {
		t.Errorf("arrived %v, want %v in any order", got, made)
	}
}

func TestDuplicatesHaveTheSameID(t *testing.T) {
	t.Parallel()
	b, r := newTold(t, sandbox.Options{})
	for setting, times := range map[string]int{`true`: 2, `3`: 4, `false`: 1, `0`: 1} {
		order(t, http.MethodPost, b.url+"/sandbox/webhooks", `{"duplicate":`+setting+`}`, 200)
		order(t, http.MethodPatch, b.url+"/sandbox/organizations/acme/members/frank", `{"role":"org:viewer"}`, 200)
		first := r.next(t)
		for range times - 1 {
			if next := r.next(t); next.id != first.id || next.raw != first.raw {
				t.Errorf("duplicate %s: %s %s, want %s", setting, next.id, next.raw, first.id)
			}
		}
		b.reported(t, "settled", func(r report) bool { return r.Pending == 0 })
		r.want(t)
	}
}

func TestDroppedEventsNeverCome(t *testing.T) {
	t.Parallel()
	b, r := newTold(t, sandbox.Options{})
	change := func() {
		order(t, http.MethodPatch, b.url+"/sandbox/organizations/acme/members/frank", `{"role":"org:viewer"}`, 200)
	}
	order(t, http.MethodPost, b.url+"/sandbox/webhooks", `{"drop":2}`, 200)
	for range 3 {
		change()
	}
	r.want(t, "organizationMembership.updated")
	if got := b.reported(t, "settled", func(r report) bool { return r.Pending == 0 }); got.Dropped != 2 || got.Sent != 1 || string(got.Settings.Drop) != "false" {
		t.Errorf("report = %+v", got)
	}
	order(t, http.MethodPost, b.url+"/sandbox/webhooks", `{"drop":true}`, 200)
	for range 5 {
		change()
	}
	if got := b.report(t); got.Dropped != 7 || got.Pending != 0 {
		t.Errorf("report = %+v", got)
	}
	order(t, http.MethodPost, b.url+"/sandbox/webhooks", `{"drop":0.5}`, 200)
	for range 100 {
		change()
	}
	half := b.reported(t, "settled", func(r report) bool { return r.Pending == 0 })
	if half.Dropped < 20 || half.Dropped > 94 {
		t.Errorf("dropped %d, want about 57", half.Dropped)
	}
	for range half.Sent - 1 {
		r.next(t)
	}
	order(t, http.MethodPost, b.url+"/sandbox/webhooks", `{}`, 200)
	change()
	r.want(t, "organizationMembership.updated")
}
