package api

import (
	"slices"
	"strings"

	"github.com/teamtask/teamtask/internal/sandbox/stripe/account"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

// expandable are the fields whose ids may be replaced by their objects.
var expandable = []string{
	"charge", "configuration", "customer", "default_payment_method", "default_price", "dispute", "invoice", "latest_charge", "latest_invoice",
	"payment_intent", "payment_method", "product", "subscription", "default_source", "setup_intent", "pending_setup_intent", "test_clock",
	"schedule", "application", "on_behalf_of", "discounts", "payment_link", "source",
}

// expand replaces ids in a response by their objects, as paths such as data.latest_invoice.charge name them.
func (a handler) expand(doc map[string]any, paths []string) error {
	for _, path := range paths {
		steps := strings.Split(path, ".")
		depth := len(steps)
		if steps[0] == "data" {
			depth--
		}
		if depth > expandDepthMax {
			return object.InvalidRequest("expand", "", "You cannot expand more than %d levels of a property (property: %s).", expandDepthMax, path)
		}
		if !a.expandAt(doc, steps) {
			return object.InvalidRequest("expand", "", "This property cannot be expanded (%s).", path)
		}
	}
	return nil
}

// expandAt follows a path from an object and reports whether the path exists.
func (a handler) expandAt(at any, steps []string) bool {
	if len(steps) == 0 {
		return true
	}
	if list, ok := at.([]any); ok {
		for _, one := range list {
			if !a.expandAt(one, steps) {
				return false
			}
		}
		return true
	}
	doc, ok := at.(map[string]any)
	if !ok {
		return at == nil || ok
	}
	name := steps[0]
	id, _ := doc["id"].(string)
	switch {
	case doc["object"] == "checkout.session" && name == "line_items" && doc[name] == nil:
		if s, ok := a.CheckoutSessions.Get(id); ok {
			doc[name] = account.Document(sessionLines(s))
		}
	case doc["object"] == "customer" && name == "subscriptions" && doc[name] == nil:
		doc[name] = account.Document(a.SubscriptionsOf(id))
	case doc["object"] == "billing_portal.configuration" && slices.Equal(steps, portalProducts):
		return a.expandPortal(doc, id)
	case doc["object"] == "price" && (name == "currency_options" || name == "tiers"):
		if p, ok := a.Prices.Get(id); ok {
			doc[name] = p.Expanded(name)
		}
		return len(steps) == 1
	}
	value, known := doc[name]
	if id, ok := value.(string); ok && slices.Contains(expandable, name) {
		if object := a.Find(id); object != nil {
			doc[name] = account.Document(object)
		}
		return a.expandAt(doc[name], steps[1:])
	}
	switch value.(type) {
	case map[string]any, []any:
		return a.expandAt(value, steps[1:])
	case nil:
		return known || slices.Contains(expandable, name)
	}
	return false
}

// portalProducts leads from a portal configuration to the products whose quantity may be changed in it.
var portalProducts = []string{"features", "subscription_update", "products"}

// expandPortal puts the products into the document of a portal configuration, and reports whether there is a place for them.
func (a handler) expandPortal(doc map[string]any, id string) bool {
	p, ok := a.PortalConfigurations.Get(id)
	features, _ := doc["features"].(map[string]any)
	update, found := features["subscription_update"].(map[string]any)
	if !ok || !found {
		return false
	}
	update["products"] = p.Features.SubscriptionUpdate.Products
	return true
}
