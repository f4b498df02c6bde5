package main

import (
	"strings"
	"testing"
)

func TestPublishedWebhookSecretsAreRefusedBesideARealKey(t *testing.T) {
	t.Parallel()
	box := sandboxOf(t)
	if box.WebhookSecret() != clerkSandboxSecret || box.StripeWebhookSecret() != stripeSandboxSecret || box.StripeSecretKey() != sandboxSecretKey || box.SecretKey() != sandboxSecretKey {
		t.Fatal("the sandbox's secrets are not those that are refused")
	}
	for name, group := range map[string]map[string]string{"CLERK": ofClerk, "STRIPE": ofStripe} {
		published := map[string]string{"CLERK": clerkSandboxSecret, "STRIPE": stripeSandboxSecret}[name]
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
	if _, err := read(t, ofStripe, map[string]string{"STRIPE_SECRET_KEY": "rk_live_0123456789", "STRIPE_WEBHOOK_SECRET": stripeSandboxSecret}); err == nil {
		t.Error("a restricted key beside the published secret is taken")
	}
}
