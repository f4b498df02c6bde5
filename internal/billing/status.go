package billing

import "github.com/teamtask/teamtask/internal/stripe"

// The statuses of a subscription that we have a word for, and none for no subscription.
const (
	statusNone              = "none"
	statusActive            = stripe.StatusActive
	statusTrialing          = stripe.StatusTrialing
	statusPastDue           = stripe.StatusPastDue
	statusUnpaid            = stripe.StatusUnpaid
	statusPaused            = stripe.StatusPaused
	statusIncomplete        = stripe.StatusIncomplete
	statusIncompleteExpired = stripe.StatusIncompleteExpired
	statusCanceled          = stripe.StatusCanceled
)
