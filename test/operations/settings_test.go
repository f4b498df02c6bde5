package operations

import (
	"testing"

	"github.com/teamtask/teamtask/internal/stacktest"
)

// Roles, the personal workspace and parties come from the configuration.
func TestTheConfigurationReachesTheGate(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, map[string]string{"ADMIN_ROLES": "org:viewer", "CLERK_AUTHORIZED_PARTIES": "https://app.example.com", "CLERK_AUDIENCE": "teamtask"})
	bend := func(user string, change func(map[string]any)) string {
		return s.Bent(user, 2, func(c map[string]any) {
			c["azp"], c["aud"] = "https://app.example.com", []string{"x", "teamtask"}
			change(c)
		})
	}
	same := func(map[string]any) {}
	for name, c := range map[string]struct{ token, want string }{
		"a viewer, made admin":     {bend("charlie", same), ""},
		"an admin, made nothing":   {bend("dana", same), "PERMISSION_MISSING"},
		"another party":            {bend("charlie", func(c map[string]any) { c["azp"] = "https://evil.test" }), "UNAUTHENTICATED"},
		"no party":                 {bend("charlie", func(c map[string]any) { delete(c, "azp") }), "UNAUTHENTICATED"},
		"another audience":         {bend("charlie", func(c map[string]any) { c["aud"] = "other" }), "UNAUTHENTICATED"},
		"somebody else as charlie": {bend("charlie", func(c map[string]any) { c["act"] = map[string]any{"sub": "user_dana"} }), "IMPERSONATION_NOT_ALLOWED"},
	} {
		answer := s.Post(stacktest.CreateTask, c.token, []byte(`{"name":"x"}`))
		got := ""
		if answer.Status != 200 {
			got = answer.Told(t).Reason
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	allowed := stacktest.New(t, map[string]string{"ALLOW_IMPERSONATION": "on"})
	token := allowed.Bent("alice", 2, func(c map[string]any) { c["act"] = map[string]any{"sub": "user_dana"} })
	if answer := allowed.Post(stacktest.ListTasks, token, []byte("{}")); answer.Status != 200 {
		t.Errorf("acting as somebody where it is allowed: %s", answer.Body)
	}
}
