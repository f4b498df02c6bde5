package tenancy

import (
	"strings"

	"github.com/teamtask/teamtask/internal/stacktest"
)

// lines are the lines of the tenant's audit log, oldest first: actor, method, outcome,
// reason, target. With a prefix they are those of actors whose id begins with it.
func auditLines(s *stacktest.Stack, tenant string, actor ...string) []string {
	s.T.Helper()
	lines, err := s.Column(`SELECT concat_ws(' ', actor, method, outcome, reason, target)
		FROM audit_events WHERE tenant_id = $1 AND starts_with(actor, $2) ORDER BY time, id`, tenant, strings.Join(actor, ""))
	if err != nil {
		s.T.Fatal(err)
	}
	return lines
}
