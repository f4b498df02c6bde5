package licensing

// The statuses of a license: those of subscriptions that we have a word for, and none for
// no subscription.
const (
	statusNone       = "none"
	statusActive     = "active"
	statusTrialing   = "trialing"
	statusPastDue    = "past_due"
	statusUnpaid     = "unpaid"
	statusPaused     = "paused"
	statusIncomplete = "incomplete"
	statusCanceled   = "canceled"
)
