package account

import (
	"net/http"
	"slices"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

// NewPortal returns a portal configuration in which nothing is enabled. It does not store it.
func (a *Account) NewPortal() *object.PortalConfiguration {
	return &object.PortalConfiguration{
		ID: kit.FreshID("bpc_"), Object: "billing_portal.configuration", Active: true, Created: a.Unix(), Updated: a.Unix(), Metadata: object.Metadata{},
		Features: object.PortalFeatures{
			CustomerUpdate:     object.CustomerUpdate{AllowedUpdates: []string{}},
			SubscriptionCancel: object.SubscriptionCancel{Mode: object.CancelAtEnd, ProrationBehavior: object.NoProrations, CancellationReason: object.CancellationReason{Options: []string{}}},
			SubscriptionUpdate: object.SubscriptionUpdate{
				DefaultAllowedUpdates: []string{}, Products: []object.PortalProduct{}, ProrationBehavior: object.NoProrations,
			},
		},
	}
}

// Visit is a portal session with what it is about.
type Visit struct {
	Session       *object.PortalSession
	Configuration *object.PortalConfiguration
	Subscription  *object.Subscription // nil: the customer has none that has not ended
}

// PortalVisit finds a portal session and what it is about.
func (a *Account) PortalVisit(id string) (Visit, error) {
	visit, err := Named(&a.PortalSessions, "id", "portal session", id)
	if err != nil {
		return Visit{}, err
	}
	portal, err := Named(&a.PortalConfigurations, "id", "configuration", visit.Configuration)
	if err != nil {
		return Visit{}, err
	}
	v := Visit{Session: visit, Configuration: portal}
	of := a.Subscriptions.Where(func(s *object.Subscription) bool { return s.Customer == visit.Customer && !s.Ended() })
	if len(of) > 0 {
		v.Subscription = of[0]
	}
	if i := slices.IndexFunc(of, (*object.Subscription).Live); i >= 0 {
		v.Subscription = of[i]
	}
	return v, nil
}

func (v Visit) check() error {
	if v.Subscription == nil {
		return kit.Refuse(http.StatusBadRequest, "The customer %s has no subscription.", v.Session.Customer)
	}
	return nil
}

// QuantityRange returns the least and the largest quantity that the configuration allows, or why it allows no change.
func (v Visit) QuantityRange() (least, most int64, err error) {
	update := v.Configuration.Features.SubscriptionUpdate
	if err := v.check(); err != nil {
		return 0, 0, err
	}
	refused := kit.Refuse(http.StatusBadRequest, "The portal configuration %s does not let customers change the quantity.", v.Configuration.ID)
	if !update.Enabled || !slices.Contains(update.DefaultAllowedUpdates, "quantity") || len(v.Subscription.Items.Data) != 1 {
		return 0, 0, refused
	}
	price := v.Subscription.Items.Data[0].Price
	i := slices.IndexFunc(update.Products, func(p object.PortalProduct) bool {
		return p.Product == price.Product && slices.Contains(p.Prices, price.ID)
	})
	if i < 0 {
		return 0, 0, refused
	}
	if !v.Subscription.Live() {
		return 0, 0, kit.Refuse(http.StatusBadRequest, "The subscription %s is %s.", v.Subscription.ID, v.Subscription.Status)
	}
	least, most = 1, object.QuantityMax
	if given := update.Products[i].Least; given != nil {
		least = max(1, *given)
	}
	if given := update.Products[i].Most; given != nil {
		most = *given
	}
	return least, most, nil
}

// SetQuantityInPortal changes the quantity and charges as the configuration says. A declined card changes nothing.
func (a *Account) SetQuantityInPortal(v Visit, quantity int64) error {
	least, most, err := v.QuantityRange()
	if err != nil {
		return err
	}
	if quantity < least || quantity > most {
		return kit.Refuse(http.StatusBadRequest, "The quantity is from %d to %d.", least, most)
	}
	s := v.Subscription
	return a.ChangeItems(s, ItemsChange{
		Items:     []ItemChange{{Index: 0, Quantity: quantity, Metadata: s.Items.Data[0].Metadata}},
		Proration: v.Configuration.Features.SubscriptionUpdate.ProrationBehavior, Failing: "error_if_incomplete",
	}, func() {})
}

// CancelInPortal cancels where the configuration lets customers do that at all: at the end of the period or at once.
func (a *Account) CancelInPortal(v Visit, now bool) error {
	if err := v.check(); err != nil {
		return err
	}
	if !v.Configuration.Features.SubscriptionCancel.Enabled {
		return kit.Refuse(http.StatusBadRequest, "The portal configuration %s does not let customers cancel.", v.Configuration.ID)
	}
	if now {
		a.Cancel(v.Subscription)
		return nil
	}
	a.SetCancelAtPeriodEnd(v.Subscription, true)
	return nil
}

// ResumeInPortal takes a cancellation back, and ends a pause.
func (a *Account) ResumeInPortal(v Visit) error {
	if err := v.check(); err != nil {
		return err
	}
	if v.Subscription.Status == object.SubscriptionPaused {
		return a.Resume(v.Subscription, true)
	}
	a.SetCancelAtPeriodEnd(v.Subscription, false)
	return nil
}
