package sandbox

import (
	"net/http"
	"slices"
)

// visited is a portal session with what it is about.
type visited struct {
	visit        *stripePortalSession
	portal       *stripePortal
	subscription *stripeSubscription // nil: the customer has none that is not over
}

// visitNamed finds a portal session and what it is about.
func (a *stripeAccount) visitNamed(id string) (visited, error) {
	visit, err := named(&a.portalVisits, "id", "portal session", id)
	if err != nil {
		return visited{}, err
	}
	portal, err := named(&a.portals, "id", "configuration", visit.Configuration)
	if err != nil {
		return visited{}, err
	}
	v := visited{visit: visit, portal: portal}
	of := a.subscriptions.where(func(s *stripeSubscription) bool { return s.Customer == visit.Customer && !s.over() })
	if len(of) > 0 {
		v.subscription = of[0]
	}
	if i := slices.IndexFunc(of, (*stripeSubscription).live); i >= 0 {
		v.subscription = of[i]
	}
	return v, nil
}

func (v visited) check() error {
	if v.subscription == nil {
		return Refuse(http.StatusBadRequest, "The customer %s has no subscription.", v.visit.Customer)
	}
	return nil
}

// limits are the quantities that the configuration lets a customer choose from, and why it does not where it does not.
func (v visited) limits() (least, most int64, err error) {
	update := v.portal.Features.SubscriptionUpdate
	if err := v.check(); err != nil {
		return 0, 0, err
	}
	refused := Refuse(http.StatusBadRequest, "The portal configuration %s does not let customers change the quantity.", v.portal.ID)
	if !update.Enabled || !slices.Contains(update.DefaultAllowedUpdates, "quantity") || len(v.subscription.Items.Data) != 1 {
		return 0, 0, refused
	}
	price := v.subscription.Items.Data[0].Price
	i := slices.IndexFunc(update.Products, func(p stripePortalProduct) bool {
		return p.Product == price.Product && slices.Contains(p.Prices, price.ID)
	})
	if i < 0 {
		return 0, 0, refused
	}
	if !v.subscription.live() {
		return 0, 0, Refuse(http.StatusBadRequest, "The subscription %s is %s.", v.subscription.ID, v.subscription.Status)
	}
	least, most = 1, quantityMax
	if given := update.Products[i].Least; given != nil {
		least = max(1, *given)
	}
	if given := update.Products[i].Most; given != nil {
		most = *given
	}
	return least, most, nil
}

// setQuantity is what a customer does in the portal, which charges as its configuration says. A declined card changes nothing.
func (a *stripeAccount) setQuantity(v visited, quantity int64) error {
	least, most, err := v.limits()
	if err != nil {
		return err
	}
	if quantity < least || quantity > most {
		return Refuse(http.StatusBadRequest, "The quantity is from %d to %d.", least, most)
	}
	s := v.subscription
	return a.changeItems(s, itemsChange{
		items:     []itemChange{{index: 0, quantity: quantity, metadata: s.Items.Data[0].Metadata}},
		proration: v.portal.Features.SubscriptionUpdate.ProrationBehavior, failing: "error_if_incomplete",
	}, func() {})
}

// leave cancels where the configuration lets customers do that at all: at the end of the period or at once.
func (a *stripeAccount) leave(v visited, now bool) error {
	if err := v.check(); err != nil {
		return err
	}
	if !v.portal.Features.SubscriptionCancel.Enabled {
		return Refuse(http.StatusBadRequest, "The portal configuration %s does not let customers cancel.", v.portal.ID)
	}
	if now {
		a.end(v.subscription)
		return nil
	}
	a.endLater(v.subscription, true)
	return nil
}

// stay takes a cancellation back, and ends a pause.
func (a *stripeAccount) stay(v visited) error {
	if err := v.check(); err != nil {
		return err
	}
	if v.subscription.Status == subPaused {
		return a.resume(v.subscription, true)
	}
	a.endLater(v.subscription, false)
	return nil
}
