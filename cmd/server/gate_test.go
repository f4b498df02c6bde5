package main

import (
	"testing"

	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/rbac"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// newGate is the gate of the configuration.
func newGate(t testing.TB, c config, exit *fault.Exit) *rbac.Gate {
	t.Helper()
	rules, err := rbac.Read(protoregistry.GlobalFiles, apiPackage)
	if err != nil {
		t.Fatal(err)
	}
	return rbac.NewGate(rbac.Config{
		Rules:      rules,
		AdminRoles: c.adminRoles,
		Personal:   c.personal,
		Verify:     tenancy.NewVerifier(c.keys, c.verification).Verify,
		State:      exit.State,
	})
}
