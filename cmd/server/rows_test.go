package main

import (
	"strings"
)

// lines are the lines of the tenant's audit log, oldest first: actor, method, outcome,
// reason, target. With a prefix they are those of actors whose id begins with it.
func (s *stack) lines(tenant string, actor ...string) []string {
	s.t.Helper()
	lines, err := s.column(`SELECT concat_ws(' ', actor, method, outcome, reason, target)
		FROM audit_events WHERE tenant_id = $1 AND starts_with(actor, $2) ORDER BY time, id`, tenant, strings.Join(actor, ""))
	if err != nil {
		s.t.Fatal(err)
	}
	return lines
}
