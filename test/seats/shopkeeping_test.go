package seats

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/teamtask/teamtask/internal/stacktest"
)

// flagged are the members whom Clerk's metadata call licensed.
func (s *shop) flagged(org string) []string {
	s.T.Helper()
	var list struct {
		Data []struct {
			PublicMetadata map[string]any `json:"public_metadata"`
			PublicUserData struct {
				UserID string `json:"user_id"`
			} `json:"public_user_data"`
		}
	}
	s.ask("/clerk/v1/organizations/"+s.idOf(org)+"/memberships?limit=100", s.Sandbox.SecretKey(), &list)
	var found []string
	for _, m := range list.Data {
		if licensed, ok := m.PublicMetadata["isLicensed"].(bool); ok && licensed {
			found = append(found, strings.TrimPrefix(m.PublicUserData.UserID, "user_"))
		}
	}
	return slices.Sorted(slices.Values(found))
}

// idOf is the id of the organization with the slug.
func (s *shop) idOf(slug string) string {
	s.T.Helper()
	var o struct{ ID string }
	s.ask("/clerk/v1/organizations/"+slug, s.Sandbox.SecretKey(), &o)
	return o.ID
}

// ask reads something of an API of the sandbox.
func (s *shop) ask(path, key string, into any) {
	s.T.Helper()
	request, err := http.NewRequestWithContext(s.T.Context(), http.MethodGet, s.Box+path, nil)
	if err != nil {
		s.T.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		s.T.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		s.T.Fatalf("GET %s: %d %s %v", path, answer.StatusCode, text, err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		s.T.Fatal(err)
	}
}

// stripe asks the shop's Stripe for something, as its own dashboard would.
func (s *shop) stripe(method, path string, form url.Values, into any) {
	s.T.Helper()
	stacktest.AskStripe(s.T, s.Sandbox, method, path, form, into)
}

// subscriptions are those of the organization's customers that are not over, with their
// quantity.
func (s *shop) subscriptions(org string) []string {
	s.T.Helper()
	var list struct {
		Data []struct {
			ID, Status string
			Items      struct{ Data []struct{ Quantity int } }
		}
	}
	var found []string
	for _, customer := range s.customers(org) {
		s.stripe(http.MethodGet, "/v1/subscriptions", url.Values{"customer": {customer}}, &list)
		for _, sub := range list.Data {
			found = append(found, fmt.Sprintf("%s %s %d", sub.ID, sub.Status, sub.Items.Data[0].Quantity))
		}
	}
	return found
}

// customers are those at Stripe that name the organization.
func (s *shop) customers(org string) []string {
	s.T.Helper()
	var list struct{ Data []struct{ ID string } }
	s.stripe(http.MethodGet, "/v1/customers/search", url.Values{"query": {"metadata['organization_id']:'" + s.idOf(org) + "'"}}, &list)
	var ids []string
	for _, c := range list.Data {
		ids = append(ids, c.ID)
	}
	return ids
}

// count answers the number that the query selects.
func (s *shop) count(sql string, args ...any) int {
	s.T.Helper()
	var n int
	if err := s.admin.QueryRow(s.T.Context(), sql, args...).Scan(&n); err != nil {
		s.T.Fatalf("%s: %v", sql, err)
	}
	return n
}

// exec changes the database past the server.
func (s *shop) exec(sql string, args ...any) {
	s.T.Helper()
	if _, err := s.admin.Exec(s.T.Context(), sql, args...); err != nil {
		s.T.Fatalf("%s: %v", sql, err)
	}
}

// rests waits until everything that was sent has been applied.
func (s *shop) rests() {
	s.T.Helper()
	s.Until("every event is applied", func() bool {
		var sent struct{ Pending int }
		if err := json.Unmarshal([]byte(s.Control(http.MethodGet, "/sandbox/webhooks", "")), &sent); err != nil {
			s.T.Fatal(err)
		}
		return sent.Pending == 0 && s.count(`SELECT count(*) FROM inbox_deliveries WHERE state = 'pending'`) == 0
	})
}
