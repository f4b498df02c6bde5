package clerk_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/organization"
	"github.com/clerk/clerk-sdk-go/v2/organizationinvitation"
	"github.com/clerk/clerk-sdk-go/v2/organizationmembership"
	"github.com/clerk/clerk-sdk-go/v2/user"
	svix "github.com/svix/svix-webhooks/go"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

// Svix's own library takes the events of a sandbox with its WebhookSecret, within the library's five minutes, and no
// others.
func TestSvixVerifiesTheEvents(t *testing.T) {
	t.Parallel()
	type attempt struct {
		header http.Header
		body   []byte
	}
	came := make(chan attempt, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		came <- attempt{r.Header, body}
	}))
	t.Cleanup(server.Close)
	for _, c := range []struct {
		name, secret string
		ago          time.Duration
		valid        bool
	}{
		{"the usual secret", "", 0, true},
		{"an own secret", sandboxtest.Secret, 0, true},
		{"an old event", "", 6 * time.Minute, false},
		{"an event from the future", "", -6 * time.Minute, false},
	} {
		b := sandboxtest.NewClerk(t, sandbox.Options{
			WebhookURL: server.URL, WebhookSecret: c.secret, Now: func() time.Time { return time.Now().Add(-c.ago) },
		})
		b.AddMembers(t, 1)
		for range 2 {
			var a attempt
			select {
			case a = <-came:
			case <-time.After(sandboxtest.Soon):
				t.Fatal("no webhook came")
			}
			verifier, err := svix.NewWebhook(b.WebhookSecret())
			if err != nil {
				t.Fatal(err)
			}
			if err := verifier.Verify(a.body, a.header); (err == nil) != c.valid {
				t.Errorf("%s: %v", c.name, err)
			}
			if err := verifier.Verify(bytes.Replace(a.body, []byte("guest"), []byte("ghost"), 1), a.header); err == nil {
				t.Errorf("%s: a changed event is taken", c.name)
			}
			if other, err := svix.NewWebhook("whsec_b3RoZXI="); err != nil || other.Verify(a.body, a.header) == nil {
				t.Errorf("%s: another secret takes it (%v)", c.name, err)
			}
		}
	}
}

func TestEveryChangeByTheAPIIsTold(t *testing.T) {
	t.Parallel()
	b, r := sandboxtest.NewClerkWithReceiver(t, sandbox.Options{})
	ctx := t.Context()
	str, raw := clerk.String, func(s string) *json.RawMessage { return clerk.JSONRawMessage(json.RawMessage(s)) }

	o := sandboxtest.Must[*clerk.Organization](t)(b.Organizations.Create(ctx, &organization.CreateParams{Name: str("Zoo"), CreatedBy: str("user_dana")}))
	r.Want(t, "organization.created", "organizationMembership.created")
	sandboxtest.Must[*clerk.Organization](t)(b.Organizations.Update(ctx, o.ID, &organization.UpdateParams{Name: str("Zoos")}))
	r.Want(t, "organization.updated")
	sandboxtest.Must[*clerk.Organization](t)(b.Organizations.UpdateMetadata(ctx, o.ID, &organization.UpdateMetadataParams{PublicMetadata: raw(`{"a":1}`)}))
	r.Want(t, "organization.updated")
	sandboxtest.Must[*clerk.OrganizationMembership](t)(b.Members.Create(ctx, &organizationmembership.CreateParams{OrganizationID: o.ID, UserID: str("user_bob"), Role: str("org:viewer")}))
	r.Want(t, "organizationMembership.created")
	sandboxtest.Must[*clerk.OrganizationMembership](t)(b.Members.Update(ctx, &organizationmembership.UpdateParams{OrganizationID: o.ID, UserID: "user_bob", Role: str("org:member")}))
	r.Want(t, "organizationMembership.updated")
	sandboxtest.Must[*clerk.OrganizationMembership](t)(b.SetMetadata(t, o.ID, "user_bob", `{"isLicensed":true}`))
	e := r.Want(t, "organizationMembership.updated")[0]
	if !reflect.DeepEqual(e.Data["public_metadata"], map[string]any{"isLicensed": true}) {
		t.Errorf("data = %v", e.Data)
	}
	sandboxtest.Must[*clerk.OrganizationMembership](t)(b.Members.Delete(ctx, &organizationmembership.DeleteParams{OrganizationID: o.ID, UserID: "user_bob"}))
	r.Want(t, "organizationMembership.deleted")
	i := sandboxtest.Must[*clerk.OrganizationInvitation](t)(b.Invitations.Create(ctx, &organizationinvitation.CreateParams{OrganizationID: o.ID, EmailAddress: str("zoe@zoo.test"), Role: str("org:member")}))
	r.Want(t, "organizationInvitation.created")
	sandboxtest.Must[*clerk.OrganizationInvitation](t)(b.Invitations.Revoke(ctx, &organizationinvitation.RevokeParams{OrganizationID: o.ID, ID: i.ID}))
	r.Want(t, "organizationInvitation.revoked")
	sandboxtest.Must[*clerk.User](t)(b.Users.UpdateMetadata(ctx, "user_bob", &user.UpdateMetadataParams{PublicMetadata: raw(`{"a":1}`)}))
	sandboxtest.Must[*clerk.User](t)(b.Users.Update(ctx, "user_bob", &user.UpdateParams{FirstName: str("Bobby")}))
	r.Want(t, "user.updated", "user.updated")

	// Refusals send no events.
	_, _ = b.Members.Delete(ctx, &organizationmembership.DeleteParams{OrganizationID: o.ID, UserID: "user_bob"})
	_, _ = b.Organizations.Update(ctx, o.ID, &organization.UpdateParams{Slug: str("acme")})
	_, _ = b.Invitations.Revoke(ctx, &organizationinvitation.RevokeParams{OrganizationID: o.ID, ID: i.ID})

	// One event for all that goes with a person or an organization.
	sandboxtest.Must[*clerk.DeletedResource](t)(b.Users.Delete(ctx, "user_bob"))
	sandboxtest.Must[*clerk.DeletedResource](t)(b.Organizations.Delete(ctx, "org_d2gamers"))
	r.Want(t, "user.deleted", "organization.deleted")
	if got := b.WaitForReport(t, "all sent", func(r sandboxtest.Report) bool { return r.Pending == 0 }); got.Sent != 14 || got.Failed+got.Dropped != 0 {
		t.Errorf("report = %+v", got)
	}
}

func TestEventsHaveClerksShapes(t *testing.T) {
	t.Parallel()
	clock := sandboxtest.NewClock()
	b, r := sandboxtest.NewClerkWithReceiver(t, sandbox.Options{Now: clock.Now})
	at := clock.Now().UnixMilli()
	inOrg := func(e sandboxtest.Event) map[string]any { return e.Data["organization"].(map[string]any) }
	keys := func(e sandboxtest.Event, want ...string) {
		t.Helper()
		for _, key := range want {
			if _, ok := e.Data[key]; !ok {
				t.Errorf("%s has no %s: %s", e.Type, key, e.Raw)
			}
		}
		if e.Object != "event" || e.Timestamp != at || !strings.HasPrefix(e.InstanceID, "ins_") || e.SvixTimestamp != strconv.FormatInt(at/1000, 10) {
			t.Errorf("envelope of %s = %s, svix-timestamp %s", e.Type, e.Raw, e.SvixTimestamp)
		}
	}

	sandboxtest.Call(t, http.MethodPost, b.URL+"/sandbox/organizations/acme/members", `{"user":"zoe","role":"org:member"}`, 200)
	events := r.Want(t, "user.created", "organizationMembership.created")
	u, m := events[0], events[1]
	keys(u, "id", "object", "email_addresses", "primary_email_address_id", "first_name", "last_name", "private_metadata", "created_at", "updated_at")
	if u.Data["id"] != "user_zoe" || u.Data["private_metadata"] != nil || u.Data["created_at"] != float64(at) {
		t.Errorf("user = %s", u.Raw)
	}
	keys(m, "id", "object", "role", "role_name", "permissions", "public_metadata", "organization", "public_user_data", "created_at", "updated_at")
	if inOrg(m)["id"] != "org_acme" || m.Data["public_user_data"].(map[string]any)["user_id"] != "user_zoe" || m.Data["role"] != "org:member" {
		t.Errorf("membership = %s", m.Raw)
	}
	var asSDK clerk.OrganizationMembership
	whole, _ := json.Marshal(m.Data)
	if err := json.Unmarshal(whole, &asSDK); err != nil || asSDK.Organization.Slug != "acme" || asSDK.PublicUserData.Identifier != "zoe@acme.test" {
		t.Errorf("as the SDK reads it: %+v (%v)", asSDK, err)
	}

	sandboxtest.Call(t, http.MethodDelete, b.URL+"/sandbox/organizations/acme/members/zoe", "", 200)
	gone := r.Want(t, "organizationMembership.deleted")[0]
	keys(gone, "id", "role", "permissions", "public_metadata", "organization", "public_user_data")
	if gone.Data["id"] != m.Data["id"] {
		t.Errorf("deleted membership = %s", gone.Raw)
	}

	invited := sandboxtest.Must[*clerk.OrganizationInvitation](t)(b.Invitations.Create(t.Context(), &organizationinvitation.CreateParams{
		OrganizationID: "org_acme", EmailAddress: clerk.String("yan@acme.test"), Role: clerk.String("org:manager"), InviterUserID: clerk.String("user_erin"),
		PublicMetadata: clerk.JSONRawMessage(json.RawMessage(`{"hold":true}`)), PrivateMetadata: clerk.JSONRawMessage(json.RawMessage(`{"p":1}`)),
	}))
	i := r.Want(t, "organizationInvitation.created")[0]
	keys(i, "id", "object", "email_address", "role", "organization_id", "status", "public_metadata", "url", "expires_at", "inviter_id")
	if _, ok := i.Data["user_id"]; ok || i.Data["inviter_id"] != "user_erin" || i.Data["status"] != "pending" {
		t.Errorf("invitation = %s", i.Raw)
	}
	sandboxtest.Call(t, http.MethodPost, b.URL+"/sandbox/invitations/"+invited.ID+"/accept", `{"user":"yan"}`, 200)
	events = r.Want(t, "user.created", "organizationInvitation.accepted", "organizationMembership.created")
	keys(events[1], "user_id", "status", "organization_id")
	if events[1].Data["user_id"] != "user_yan" || events[1].Data["status"] != "accepted" {
		t.Errorf("accepted = %s", events[1].Raw)
	}
	d := events[2].Data
	if d["role"] != "org:manager" || !reflect.DeepEqual(d["public_metadata"], map[string]any{"hold": true}) || !reflect.DeepEqual(d["private_metadata"], map[string]any{"p": 1.0}) {
		t.Errorf("membership by invitation = %s", events[2].Raw)
	}

	sandboxtest.Call(t, http.MethodDelete, b.URL+"/sandbox/users/yan", "", 200)
	sandboxtest.Call(t, http.MethodDelete, b.URL+"/sandbox/organizations/acme", "", 200)
	events = r.Want(t, "user.deleted", "organization.deleted")
	if want := map[string]any{"object": "user", "id": "user_yan", "deleted": true}; !reflect.DeepEqual(events[0].Data, want) {
		t.Errorf("deleted user = %v", events[0].Data)
	}
	if want := map[string]any{"object": "organization", "id": "org_acme", "slug": "acme", "deleted": true}; !reflect.DeepEqual(events[1].Data, want) {
		t.Errorf("deleted organization = %v", events[1].Data)
	}
}
