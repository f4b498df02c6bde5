package settings_test

import (
	"strings"
	"testing"

	"github.com/teamtask/teamtask/internal/settings"
	"github.com/teamtask/teamtask/internal/stacktest"
)

func TestPublishedWebhookSecretsAreRefusedBesideARealKey(t *testing.T) {
	t.Parallel()
	box := stacktest.SandboxOf(t)
	if box.WebhookSecret() != settings.ClerkSandboxSecret || box.StripeWebhookSecret() != settings.StripeSandboxSecret || box.StripeSecretKey() != settings.SandboxSecretKey || box.SecretKey() != settings.SandboxSecretKey {
		t.Fatal("the sandbox's secrets are not those that are refused")
	}
	for name, group := range map[string]map[string]string{"CLERK": stacktest.OfClerk, "STRIPE": stacktest.OfStripe} {
		published := map[string]string{"CLERK": settings.ClerkSandboxSecret, "STRIPE": settings.StripeSandboxSecret}[name]
		for _, c := range []struct {
			key, secrets string
			refused      bool
		}{
			{"sk_live_0123456789", published, true},
			{"sk_test_0123456789", published, true},
			{"sk_test_sandbox2", published, true},
			{"sk_live_0123456789", group[name+"_WEBHOOK_SECRET"] + ", " + published, true}, // while one is exchanged
			{"sk_test_sandbox", published, false},
			{"sk_live_0123456789", group[name+"_WEBHOOK_SECRET"], false},
			{"sk_test_sandbox", group[name+"_WEBHOOK_SECRET"], false},
		} {
			_, err := read(t, group, map[string]string{name + "_SECRET_KEY": c.key, name + "_WEBHOOK_SECRET": c.secrets})
			if refused := err != nil; refused != c.refused {
				t.Errorf("%s with the key %s and %s: %v", name, c.key, c.secrets, err)
			}
			if err != nil && (!strings.Contains(err.Error(), name+"_WEBHOOK_SECRET: ") || strings.Contains(err.Error(), published)) {
				t.Errorf("the error does not name the variable alone: %v", err)
			}
		}
	}
	if _, err := read(t, stacktest.OfStripe, map[string]string{"STRIPE_SECRET_KEY": "rk_live_0123456789", "STRIPE_WEBHOOK_SECRET": settings.StripeSandboxSecret}); err == nil {
		t.Error("a restricted key beside the published secret is taken")
	}
}
