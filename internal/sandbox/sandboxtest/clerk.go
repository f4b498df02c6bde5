package sandboxtest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/jwks"
	"github.com/clerk/clerk-sdk-go/v2/jwt"
	"github.com/clerk/clerk-sdk-go/v2/organization"
	"github.com/clerk/clerk-sdk-go/v2/organizationinvitation"
	"github.com/clerk/clerk-sdk-go/v2/organizationmembership"
	"github.com/clerk/clerk-sdk-go/v2/user"

	"github.com/teamtask/teamtask/internal/sandbox"
)

// Clerk is Clerk's own SDK, pointed at a sandbox.
type Clerk struct {
	*sandbox.Sandbox
	URL           string
	api           clerk.Backend
	Users         *user.Client
	Organizations *organization.Client
	Members       *organizationmembership.Client
	Invitations   *organizationinvitation.Client
}

// NewClerk starts a sandbox and returns a client of it.
func NewClerk(t *testing.T, o sandbox.Options) Clerk {
	t.Helper()
	s, base := Serve(t, o)
	t.Cleanup(s.Close)
	url, key := base+"/clerk/v1", s.SecretKey()
	config := &clerk.ClientConfig{BackendConfig: clerk.BackendConfig{URL: &url, Key: &key}}
	return Clerk{
		Sandbox: s, URL: base, api: clerk.NewBackend(&config.BackendConfig), Users: user.NewClient(config),
		Organizations: organization.NewClient(config), Members: organizationmembership.NewClient(config),
		Invitations: organizationinvitation.NewClient(config),
	}
}

type metadataParams struct {
	clerk.APIParams
	PublicMetadata  json.RawMessage `json:"public_metadata,omitempty"`
	PrivateMetadata json.RawMessage `json:"private_metadata,omitempty"`
}

// SetMetadata changes a membership's metadata, for which the SDK has no function of its own.
func (b Clerk) SetMetadata(t *testing.T, org, user, public string) (*clerk.OrganizationMembership, error) {
	t.Helper()
	request := clerk.NewAPIRequest(http.MethodPatch, "/organizations/"+org+"/memberships/"+user+"/metadata")
	request.SetParams(&metadataParams{PublicMetadata: json.RawMessage(public)})
	var m clerk.OrganizationMembership
	err := b.api.Call(t.Context(), request, &m)
	return &m, err
}

// WantClerkError checks the status and the code of an error of the API.
func WantClerkError(t *testing.T, what string, err error, status int, code string) *clerk.APIErrorResponse {
	t.Helper()
	e, ok := errors.AsType[*clerk.APIErrorResponse](err)
	if !ok || e.HTTPStatusCode != status || len(e.Errors) != 1 || e.Errors[0].Code != code {
		t.Errorf("%s: got %v, want %d %s", what, err, status, code)
		return &clerk.APIErrorResponse{}
	}
	if e.TraceID == "" || e.Errors[0].Message == "" || e.Errors[0].LongMessage == "" || code != strings.ToLower(code) {
		t.Errorf("%s: the error is not whole: %v", what, err)
	}
	return e
}

// Must returns a function that passes its value on and ends the test on an error.
func Must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(got T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
}

// MemberIDs returns the people of a list without their prefix, separated by spaces.
func MemberIDs(list *clerk.OrganizationMembershipList) string {
	var ids []string
	for _, m := range list.OrganizationMemberships {
		ids = append(ids, strings.TrimPrefix(m.PublicUserData.UserID, "user_"))
	}
	return strings.Join(ids, " ")
}

// InjectFailure makes coming requests fail, as POST /sandbox/faults takes it.
func (b Clerk) InjectFailure(t *testing.T, body string) {
	t.Helper()
	Call(t, http.MethodPost, b.URL+"/sandbox/faults", body, http.StatusOK)
}

// NewClerkWithReceiver starts a sandbox whose webhooks arrive at a receiver.
func NewClerkWithReceiver(t *testing.T, o sandbox.Options) (Clerk, *Receiver) {
	t.Helper()
	r := NewReceiver(t, Secret)
	o.WebhookURL, o.WebhookSecret = r.URL, Secret
	return NewClerk(t, o), r
}

// AddMembers adds n members to acme and returns their ids in order.
func (b Clerk) AddMembers(t *testing.T, n int) []string {
	t.Helper()
	var ids []string
	for i := range n {
		name := "guest" + string(rune('a'+i/26)) + string(rune('a'+i%26))
		Call(t, http.MethodPost, b.URL+"/sandbox/organizations/acme/members", `{"user":"`+name+`","role":"org:viewer"}`, http.StatusOK)
		ids = append(ids, "user_"+name)
	}
	return ids
}

// PublishedKeys returns the key set, read as the SDK does, through the Backend API.
func PublishedKeys(ctx context.Context, t *testing.T, s *sandbox.Sandbox) []*clerk.JSONWebKey {
	t.Helper()
	url, key := s.Issuer()+"/v1", s.SecretKey()
	set, err := jwks.NewClient(&clerk.ClientConfig{BackendConfig: clerk.BackendConfig{URL: &url, Key: &key}}).Get(ctx, &jwks.GetParams{})
	if err != nil {
		t.Fatal(err)
	}
	return set.Keys
}

// SameSet reports whether two lists have the same entries in any order.
func SameSet(got, want []string) bool {
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	return strings.Join(got, " ") == strings.Join(want, " ")
}

// VerifyToken verifies a token with Clerk's SDK.
func VerifyToken(t *testing.T, s *sandbox.Sandbox, token string, key *clerk.JSONWebKey) (*clerk.SessionClaims, error) {
	t.Helper()
	issuer := s.Issuer()
	return jwt.Verify(t.Context(), &jwt.VerifyParams{Token: token, JWK: key, ProxyURL: &issuer})
}

// Token returns a session token.
func Token(t *testing.T, s *sandbox.Sandbox, r sandbox.TokenRequest) string {
	t.Helper()
	signed, err := s.Token(r)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// TokenParts returns header and claims of a token. It does not check the signature.
func TokenParts(t *testing.T, token string) (header, claims map[string]any) {
	t.Helper()
	pieces := strings.Split(token, ".")
	if len(pieces) != 3 {
		t.Fatalf("token %q has %d parts, want 3", token, len(pieces))
	}
	for i, into := range []*map[string]any{&header, &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(pieces[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, into); err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}
