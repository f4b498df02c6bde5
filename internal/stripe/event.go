package stripe

// EventTypes are the events that seats depend on: what the webhook endpoint must be sent.
var EventTypes = []string{
	"checkout.session.completed", "checkout.session.async_payment_succeeded", "checkout.session.async_payment_failed",
	"customer.subscription.created", "customer.subscription.updated", "customer.subscription.deleted",
	"customer.subscription.paused", "customer.subscription.resumed",
	"invoice.paid", "invoice.payment_failed", "customer.deleted", KindRefunded, KindDisputed,
}

// The events that tell of money given back.
const (
	KindRefunded = "charge.refunded"
	KindDisputed = "charge.dispute.created"
)
