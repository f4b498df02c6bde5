package stripe

import (
	"maps"
	"strings"
	"testing"
)

// The endpoint that is sent this account's events is looked at, whatever else has its URL.
func TestSetupLooksAtTheEndpointThatIsSentOurEvents(t *testing.T) {
	t.Parallel()
	other := func(id string, more map[string]any) map[string]any {
		o := map[string]any{"id": id, "url": webhookURL, "status": "enabled", "enabled_events": []string{"*"}, "api_version": nil}
		maps.Copy(o, more)
		return o
	}
	for name, c := range map[string]struct {
		there []map[string]any // the newest first
		want  string           // "": one is made
		todo  string
	}{
		"of any version":          {[]map[string]any{other("we_1", map[string]any{"api_version": "2099-01-01.future"})}, "we_1", ""},
		"of a Connect platform":   {[]map[string]any{other("we_1", map[string]any{"application": "ca_1"})}, "", ""},
		"disabled":                {[]map[string]any{other("we_1", map[string]any{"status": "disabled"})}, "we_1", "we_1 is disabled"},
		"a disabled older one":    {[]map[string]any{other("we_2", nil), other("we_1", map[string]any{"status": "disabled"})}, "we_2", ""},
		"a disabled newer one":    {[]map[string]any{other("we_2", map[string]any{"status": "disabled"}), other("we_1", nil)}, "we_1", ""},
		"two that are disabled":   {[]map[string]any{other("we_2", map[string]any{"status": "disabled"}), other("we_1", map[string]any{"status": "disabled"})}, "we_1", "we_1 is disabled"},
		"of another address":      {[]map[string]any{other("we_1", map[string]any{"url": webhookURL + "/x"})}, "", ""},
		"of one on a second page": {[]map[string]any{other("we_3", map[string]any{"url": "https://a.test/"}), other("we_2", map[string]any{"url": "https://b.test/"}), other("we_1", nil)}, "we_1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			withAccount(t, nil, func(s *stand, a *account) {
				a.objects[endpointsPath] = c.there
				r, err := s.client.Setup(s.t.Context(), SetupOptions{WebhookURL: webhookURL})
				if err != nil {
					s.t.Fatal(err)
				}
				if made := r.WebhookSecret != ""; made != (c.want == "") || !made && r.Endpoint != c.want {
					s.t.Errorf("got %+v, want the endpoint %q", r, c.want)
				}
				if todo := strings.Join(r.Todo, "\n"); (todo == "") != (c.todo == "") || !strings.Contains(todo, c.todo) {
					s.t.Errorf("to do %q, want %q", todo, c.todo)
				}
			})
		})
	}
}
