package inbox

import (
	"slices"
	"strings"
)

// The priorities of jobs: River takes those with 1 first, whatever came before. Events that
// decide who may do something go first: removals, changes of roles, new organizations and
// purchases. Then come those that add a member, then those that change a name. Further events
// of a party with many pending deliveries get a lower priority: see storeSQL.
const (
	priorityFirst        = 1
	priorityChange       = 2
	priorityLater        = 3
	priorityHousekeeping = 4
)

// later are kinds of events about purchases that change no seat.
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
