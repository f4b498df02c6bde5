package sandbox

import "slices"

// How the portal cancels.
const (
	cancelAtEnd = "at_period_end"
	cancelNow   = "immediately"
)

func (a *stripeAccount) newPortal() *stripePortal {
	return &stripePortal{
		ID: FreshID("bpc_"), Object: "billing_portal.configuration", Active: true, Created: a.at(), Updated: a.at(), Metadata: hash{},
		Features: stripePortalFeatures{
			CustomerUpdate:     stripeCustomerUpdate{AllowedUpdates: []string{}},
			SubscriptionCancel: stripeCancelFeature{Mode: cancelAtEnd, ProrationBehavior: prorateNever, CancellationReason: stripeReasons{Options: []string{}}},
			SubscriptionUpdate: stripeUpdateFeature{
				DefaultAllowedUpdates: []string{}, Products: []stripePortalProduct{}, ProrationBehavior: prorateNever,
			},
		},
	}
}

// readPortal reads the parameters that a configuration is made and changed with. What they leave out stays.
func (a stripeAPI) readPortal(f *form, p *stripePortal) {
	if branch := f.child("business_profile"); branch != nil {
		for name, into := range map[string]**string{
			"headline": &p.BusinessProfile.Headline, "privacy_policy_url": &p.BusinessProfile.PrivacyPolicyURL,
			"terms_of_service_url": &p.BusinessProfile.TermsOfServiceURL,
		} {
			if given := branch.str(name); given != nil {
				*into = OrNull(*given)
			}
		}
	}
	if given := f.str("default_return_url"); given != nil {
		p.DefaultReturnURL = OrNull(*given)
	}
	p.Metadata = f.metadata(p.Metadata)
	if branch := f.child("login_page"); branch != nil {
		setFlag(branch, "enabled", &p.LoginPage.Enabled)
	}
	features := f.child("features")
	if features == nil {
		return
	}
	to := &p.Features
	for name, into := range map[string]*bool{
		"invoice_history": &to.InvoiceHistory.Enabled, "payment_method_update": &to.PaymentMethodUpdate.Enabled,
		"subscription_pause": &to.SubscriptionPause.Enabled,
	} {
		setFlag(features.child(name), "enabled", into)
	}
	if branch := features.child("customer_update"); branch != nil {
		setFlag(branch, "enabled", &to.CustomerUpdate.Enabled)
		setOf(branch, "allowed_updates", &to.CustomerUpdate.AllowedUpdates, "email", "address", "shipping", "phone", "tax_id", "name")
	}
	if branch := features.child("subscription_cancel"); branch != nil {
		c := &to.SubscriptionCancel
		setFlag(branch, "enabled", &c.Enabled)
		c.Mode = branch.one("mode", c.Mode, cancelAtEnd, cancelNow)
		c.ProrationBehavior = branch.one("proration_behavior", c.ProrationBehavior, prorateLater, prorateNow, prorateNever)
		if reasons := branch.child("cancellation_reason"); reasons != nil {
			setFlag(reasons, "enabled", &c.CancellationReason.Enabled)
			setOf(reasons, "options", &c.CancellationReason.Options, "customer_service", "low_quality", "missing_features", "other",
				"switched_service", "too_complex", "too_expensive", "unused")
		}
	}
	if branch := features.child("subscription_update"); branch != nil {
		a.readPortalUpdate(branch, &to.SubscriptionUpdate)
	}
}

func (a stripeAPI) readPortalUpdate(f *form, u *stripeUpdateFeature) {
	setFlag(f, "enabled", &u.Enabled)
	setOf(f, "default_allowed_updates", &u.DefaultAllowedUpdates, "price", "promotion_code", "quantity")
	u.ProrationBehavior = f.one("proration_behavior", u.ProrationBehavior, prorateLater, prorateNow, prorateNever)
	if f.has("products") {
		u.Products = []stripePortalProduct{}
		for _, branch := range f.list("products") {
			product := stripePortalProduct{Product: branch.must("product"), Prices: branch.texts("prices")}
			for _, id := range product.Prices {
				if price, ok := a.prices.get(id); !ok || price.Product != product.Product {
					f.fail(missingAt(branch.within("prices"), "price", id))
				}
			}
			if adjust := branch.child("adjustable_quantity"); adjust != nil { // Stripe's from 2025 on
				adjust.flag("enabled")
				product.Least, product.Most = adjust.number("minimum", 0, quantityMax), adjust.number("maximum", 1, quantityMax)
			}
			u.Products = append(u.Products, product)
		}
	}
	if u.Enabled && (len(u.DefaultAllowedUpdates) == 0 || len(u.Products) == 0) {
		f.missing("products")
	}
}

func setFlag(f *form, name string, into *bool) {
	if given := f.flag(name); given != nil {
		*into = *given
	}
}

// setOf reads a list of texts out of a few.
func setOf(f *form, name string, into *[]string, of ...string) {
	if !f.has(name) {
		return
	}
	*into = f.texts(name)
	for _, one := range *into {
		if !slices.Contains(of, one) {
			f.fail(invalidRequest(f.within(name), "", "Invalid %s: %s", f.within(name), one))
		}
	}
}

func (a stripeAPI) postPortal(q stripeRequest) (any, error) {
	p := a.newPortal()
	if !q.form.has("features") {
		q.form.missing("features")
	}
	a.readPortal(q.form, p)
	if err := q.form.done(); err != nil {
		return nil, err
	}
	a.portals.add(p.ID, p)
	a.tell("billing_portal.configuration.created", p, nil)
	return p, nil
}

func (a stripeAPI) getPortal(q stripeRequest) (any, error) {
	return only(&a.portals, "configuration", q)
}

func (a stripeAPI) listPortals(q stripeRequest) (any, error) {
	active, standard := q.form.flag("active"), q.form.flag("is_default")
	return listed(q, a.portals.where(func(p *stripePortal) bool {
		return (active == nil || p.Active == *active) && (standard == nil || p.IsDefault == *standard)
	}))
}

func (a stripeAPI) changePortal(q stripeRequest) (any, error) {
	p, err := named(&a.portals, "id", "configuration", q.id)
	if err != nil {
		return nil, err
	}
	changed := *p
	a.readPortal(q.form, &changed)
	setFlag(q.form, "active", &changed.Active)
	if !changed.Active && p.IsDefault {
		q.form.fail(invalidRequest("active", "", "You cannot deactivate the default configuration."))
	}
	if err := q.form.done(); err != nil {
		return nil, err
	}
	before := document(p)
	changed.Updated = a.at()
	*p = changed
	a.tell("billing_portal.configuration.updated", p, before)
	return p, nil
}

// postPortalSession answers POST /v1/billing_portal/sessions.
func (a stripeAPI) postPortalSession(q stripeRequest) (any, error) {
	f := q.form
	id := FreshID("bps_")
	visit := stripePortalSession{
		ID: id, Object: "billing_portal.session", Configuration: f.textOr("configuration", defaultPortal), Created: a.at(),
		Customer: f.must("customer"), Locale: f.str("locale"), ReturnURL: f.address("return_url"),
		URL: a.baseURL + stripeRoot + "/portal/" + id,
	}
	f.ignore("flow_data")
	if err := f.done(); err != nil {
		return nil, err
	}
	if _, err := named(&a.customers, "customer", "customer", visit.Customer); err != nil {
		return nil, err
	}
	portal, err := named(&a.portals, "configuration", "configuration", visit.Configuration)
	if err != nil {
		return nil, err
	}
	if !portal.Active {
		return nil, invalidRequest("configuration", "", "The configuration %s is not active.", portal.ID)
	}
	if visit.ReturnURL == nil {
		visit.ReturnURL = portal.DefaultReturnURL
	}
	return a.portalVisits.add(id, &visit), nil
}
