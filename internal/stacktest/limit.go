package stacktest

import (
	"connectrpc.com/connect"
)

var Overloaded = Refused(connect.CodeResourceExhausted, "OVERLOADED")

// Tenants of the sandbox: alice's and erin's organizations.
const (
	Gamers = "org_d2gamers"
	Acme   = "org_acme"
)
