package server

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/telemetry"
)

// The configured key and address are those with which Clerk is called.
func TestClerkIsAskedForRolesWhereAndAsConfigured(t *testing.T) {
	t.Parallel()
	standIn := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/organization_roles" || r.Header.Get("Authorization") != "Bearer sk_test_x" {
			t.Errorf("asked for %s", r.URL)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"data":[{"key":"org:admin","name":"Admin","permissions":[]}],"total_count":1}`)
	}))
	t.Cleanup(standIn.Close)
	client, err := newClerk(clerk.Options{URL: standIn.URL + "/v1", SecretKey: "sk_test_x"}, telemetry.NewMetrics())
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.Roles(t.Context())
	if diff := cmp.Diff([]clerk.Role{{Key: "org:admin", Name: "Admin", Permissions: []string{}}}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if (&Server{}).roles() != nil {
		t.Error("without a directory there is something to ask")
	}
}
