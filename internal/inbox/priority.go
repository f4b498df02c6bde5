package inbox

import (
	"slices"
	"strings"
)

// How soon a job is taken up, whatever came before it: River begins with 1. What decides
// who may do something goes first: removals, changes of roles, new organizations and
// purchases. Then what adds somebody, then what changes a name. A party with many pending
// deliveries goes behind others with those that come further: see storeSQL.
const (
	priorityFirst  = 1
	priorityChange = 2
	priorityLater  = 3
	priorityHouse  = 4
)

// later are purchases that need not be seen at once: no seat hangs on them.
var later = []string{"charge.refunded", "charge.dispute.created", "invoice.payment_failed"}

func priority(provider, kind string) int {
	switch {
	case provider == stripeName && slices.Contains(later, kind):
		return priorityChange
	case provider == stripeName, strings.HasSuffix(kind, ".deleted"), kind == "organizationMembership.updated", kind == "organization.created":
		return priorityFirst
	case strings.HasPrefix(kind, "organization"), kind == "user.created":
		return priorityChange
	}
	return priorityLater
}
