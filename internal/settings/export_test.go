package settings

// What the tests outside the package look into.
const (
	ClerkSandboxSecret  = clerkSandboxSecret
	SandboxSecretKey    = sandboxSecretKey
	StripeSandboxSecret = stripeSandboxSecret
)
