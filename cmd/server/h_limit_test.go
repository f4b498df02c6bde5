package main

import (
	"connectrpc.com/connect"
)

var overloaded = refused(connect.CodeResourceExhausted, "OVERLOADED")

// Tenants of the sandbox: alice's and erin's organizations.
const (
	gamers = "org_d2gamers"
	acme   = "org_acme"
)
