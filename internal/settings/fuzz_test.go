package settings_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/teamtask/teamtask/internal/server"
	"github.com/teamtask/teamtask/internal/settings"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// Whatever a variable holds, reading it ends, twice the same, and what is said of it is
// its name and none of its content.
func FuzzConfiguration(f *testing.F) {
	base := stacktest.Enough(f)
	maps.Copy(base, stacktest.OfClerk)
	maps.Copy(base, stacktest.OfStripe)
	maps.Copy(base, map[string]string{
		"LISTEN_ADDR": ":8080", "ADMIN_ADDR": "127.0.0.1:8081", "CLERK_API_URL": "https://api.example.com", "CLERK_AUTHORIZED_PARTIES": "https://a.example.com",
		"CLERK_AUDIENCE": "x", "STRIPE_API_URL": "https://s.example.com", "CORS_ORIGINS": "https://a.example.com", "ADMIN_ROLES": "org:admin", "ROLE_PERMISSIONS": "org:member=org:tasks:edit;guest=", "SEAT_GRACE_DAYS": "7",
		"PERSONAL_WORKSPACE": "on", "ALLOW_IMPERSONATION": "off", "REFLECTION": "off", "LOG_LEVEL": "info",
	})
	names := slices.Sorted(maps.Keys(base))
	for i, name := range names {
		for _, value := range []string{base[name], "", " ", ",", "\x00", "\xff", "x", "https://", "https://u:p@h", "postgres://%zz", "host=a password='", strings.Repeat("a,", 1000), base[name] + "," + base[name]} {
			f.Add(uint8(i), value)
		}
	}
	const mark = "qz9marker"
	f.Fuzz(func(t *testing.T, at uint8, value string) {
		name := names[int(at)%len(names)]
		if strings.Contains(value, "passfile") || strings.Contains(value, "service") || strings.Contains(value, "ssl") {
			return // would have the driver look for files
		}
		with := func(value string) (server.Config, error) {
			env := maps.Clone(base)
			env[name] = value
			return settings.Read(func(n string) (string, bool) { v, ok := env[n]; return v, ok })
		}
		_, err := with(value)
		_, again := with(value)
		switch {
		case (err == nil) != (again == nil), err != nil && err.Error() != again.Error():
			t.Errorf("%s=%q: %v, and then %v", name, value, err, again)
		case err != nil && !strings.Contains(err.Error(), name):
			t.Errorf("%s=%q: the error does not name it: %v", name, value, err)
		case err == nil && strings.TrimSpace(value) == "":
			t.Errorf("%s=%q is let through", name, value)
		}
		for _, marked := range []string{value + mark, mark + value, value + "," + mark} {
			if _, err := with(marked); err != nil && strings.Contains(err.Error(), mark) {
				t.Errorf("%s=%q: the error quotes it: %v", name, marked, err)
			}
		}
	})
}
