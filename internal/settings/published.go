package settings

import (
	"slices"

	"github.com/teamtask/teamtask/internal/env"
)

// What the sandbox signs webhooks with, and its secret key, by default. They
// are in the source, so that every reader of it can sign events.
const (
	clerkSandboxSecret  = "whsec_dGVhbXRhc2sgc2FuZGJveCBvZiBDbGVyaw==" //nolint:gosec // published
	stripeSandboxSecret = "whsec_teamtaskSandboxOfStripe0123456789"    //nolint:gosec // published
	sandboxSecretKey    = "sk_test_sandbox"
)

// refusePublished refuses a webhook secret of the sandbox's beside a secret key that is not:
// every reader of the source could sign events for a real account.
func refusePublished(vars *env.Reader, name string, secrets []string, published, secretKey string) {
	if slices.Contains(secrets, published) && secretKey != sandboxSecretKey {
		vars.Refuse(name, "is the sandbox's, which is published: with a secret key of your own use the secret of your own endpoint")
	}
}
