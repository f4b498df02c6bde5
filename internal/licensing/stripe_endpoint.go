package licensing

import (
	"context"
	"slices"
	"strings"
)

// stripeEvents are what the webhook endpoint must be sent.
var stripeEvents = []string{
	"checkout.session.completed", "checkout.session.async_payment_succeeded", "checkout.session.async_payment_failed",
	"customer.subscription.created", "customer.subscription.updated", "customer.subscription.deleted",
	"customer.subscription.paused", "customer.subscription.resumed",
	"invoice.paid", "invoice.payment_failed", "customer.deleted", "charge.refunded", "charge.dispute.created",
}

// endpoint is a webhook endpoint as it is in Stripe. Only the response that creates it
// has the secret. Its API version does not matter: of an event only ids are read.
type endpoint struct {
	id, url, secret string
	enabled         bool
	connected       bool // is sent events of connected accounts, not of this one
	events          []string
}

func (s *Stripe) setupEndpoint(ctx context.Context, address string, r *SetupResult) error {
	var found endpoint
	for e, err := range pages("webhook_endpoints.list", func(after string) (page[endpoint], error) { return s.endpointPage(ctx, after) }) {
		if err != nil {
			return err
		}
		if e.url == address && !e.connected && (e.enabled || !found.enabled) {
			found = e // the oldest comes last; an enabled one goes before a disabled one
		}
	}
	if found.id == "" {
		made, err := makeOnce(ctx, append([]string{"webhook", address, apiVersion}, stripeEvents...),
			func(key string) (endpoint, error) { return s.newEndpoint(ctx, key, address, stripeEvents) },
			func(e endpoint) (endpoint, bool, error) {
				now, err := s.endpointByID(ctx, e.id)
				now.secret = e.secret
				return now, err == nil, err
			})
		if err != nil {
			return err
		}
		r.Endpoint, r.WebhookSecret = made.id, made.secret
		r.did("webhook endpoint", made.id, "made")
		return nil
	}
	r.Endpoint = found.id
	did := "found"
	if lacking := found.lacking(); len(lacking) > 0 {
		if _, err := s.setEndpoint(ctx, freshKey(), found.id, slices.Concat(found.events, lacking)); err != nil {
			return err
		}
		did = "repaired: it was not sent " + strings.Join(lacking, ", ")
	}
	r.did("webhook endpoint", found.id, did)
	if !found.enabled {
		r.Todo = append(r.Todo, "webhook endpoint "+found.id+" is disabled: enable it in the dashboard")
	}
	return nil
}

// lacking are the events that the endpoint is not sent.
func (e endpoint) lacking() []string {
	if slices.Contains(e.events, "*") {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(stripeEvents), func(kind string) bool { return slices.Contains(e.events, kind) })
}
