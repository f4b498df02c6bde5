package api

import (
	"slices"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/account"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/form"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

// readPortal reads the parameters that a configuration is made and changed with. What they leave out stays.
func (a handler) readPortal(f *form.Form, p *object.PortalConfiguration) {
	if branch := f.Child("business_profile"); branch != nil {
		for name, into := range map[string]**string{
			"headline": &p.BusinessProfile.Headline, "privacy_policy_url": &p.BusinessProfile.PrivacyPolicyURL,
			"terms_of_service_url": &p.BusinessProfile.TermsOfServiceURL,
		} {
			if given := branch.Text(name); given != nil {
				*into = kit.OrNull(*given)
			}
		}
	}
	if given := f.Text("default_return_url"); given != nil {
		p.DefaultReturnURL = kit.OrNull(*given)
	}
	p.Metadata = f.Metadata(p.Metadata)
	if branch := f.Child("login_page"); branch != nil {
		setFlag(branch, "enabled", &p.LoginPage.Enabled)
	}
	features := f.Child("features")
	if features == nil {
		return
	}
	to := &p.Features
	for name, into := range map[string]*bool{
		"invoice_history": &to.InvoiceHistory.Enabled, "payment_method_update": &to.PaymentMethodUpdate.Enabled,
		"subscription_pause": &to.SubscriptionPause.Enabled,
	} {
		setFlag(features.Child(name), "enabled", into)
	}
	if branch := features.Child("customer_update"); branch != nil {
		setFlag(branch, "enabled", &to.CustomerUpdate.Enabled)
		setOf(branch, "allowed_updates", &to.CustomerUpdate.AllowedUpdates, "email", "address", "shipping", "phone", "tax_id", "name")
	}
	if branch := features.Child("subscription_cancel"); branch != nil {
		c := &to.SubscriptionCancel
		setFlag(branch, "enabled", &c.Enabled)
		c.Mode = branch.OneOf("mode", c.Mode, object.CancelAtEnd, object.CancelNow)
		c.ProrationBehavior = branch.OneOf("proration_behavior", c.ProrationBehavior, object.CreateProrations, object.AlwaysInvoice, object.NoProrations)
		if reasons := branch.Child("cancellation_reason"); reasons != nil {
			setFlag(reasons, "enabled", &c.CancellationReason.Enabled)
			setOf(reasons, "options", &c.CancellationReason.Options, "customer_service", "low_quality", "missing_features", "other",
				"switched_service", "too_complex", "too_expensive", "unused")
		}
	}
	if branch := features.Child("subscription_update"); branch != nil {
		a.readPortalUpdate(branch, &to.SubscriptionUpdate)
	}
}

func (a handler) readPortalUpdate(f *form.Form, u *object.SubscriptionUpdate) {
	setFlag(f, "enabled", &u.Enabled)
	setOf(f, "default_allowed_updates", &u.DefaultAllowedUpdates, "price", "promotion_code", "quantity")
	u.ProrationBehavior = f.OneOf("proration_behavior", u.ProrationBehavior, object.CreateProrations, object.AlwaysInvoice, object.NoProrations)
	if f.Has("products") {
		u.Products = []object.PortalProduct{}
		for _, branch := range f.List("products") {
			product := object.PortalProduct{Product: branch.Required("product"), Prices: branch.Texts("prices")}
			for _, id := range product.Prices {
				if price, ok := a.Prices.Get(id); !ok || price.Product != product.Product {
					f.Fail(object.Missing(branch.Path("prices"), "price", id))
				}
			}
			if adjust := branch.Child("adjustable_quantity"); adjust != nil { // Stripe's from 2025 on
				adjust.Bool("enabled")
				product.Least, product.Most = adjust.Number("minimum", 0, object.QuantityMax), adjust.Number("maximum", 1, object.QuantityMax)
			}
			u.Products = append(u.Products, product)
		}
	}
	if u.Enabled && (len(u.DefaultAllowedUpdates) == 0 || len(u.Products) == 0) {
		f.Missing("products")
	}
}

func setFlag(f *form.Form, name string, into *bool) {
	if given := f.Bool(name); given != nil {
		*into = *given
	}
}

// setOf reads a list of texts out of a few.
func setOf(f *form.Form, name string, into *[]string, of ...string) {
	if !f.Has(name) {
		return
	}
	*into = f.Texts(name)
	for _, one := range *into {
		if !slices.Contains(of, one) {
			f.Fail(object.InvalidRequest(f.Path(name), "", "Invalid %s: %s", f.Path(name), one))
		}
	}
}

func (a handler) postPortal(q Request) (any, error) {
	p := a.NewPortal()
	if !q.Form.Has("features") {
		q.Form.Missing("features")
	}
	a.readPortal(q.Form, p)
	if err := q.Form.Done(); err != nil {
		return nil, err
	}
	a.PortalConfigurations.Add(p.ID, p)
	a.Emit("billing_portal.configuration.created", p, nil)
	return p, nil
}

func (a handler) getPortal(q Request) (any, error) {
	return only(&a.PortalConfigurations, "configuration", q)
}

func (a handler) listPortals(q Request) (any, error) {
	active, standard := q.Form.Bool("active"), q.Form.Bool("is_default")
	return listed(q, a.PortalConfigurations.Where(func(p *object.PortalConfiguration) bool {
		return (active == nil || p.Active == *active) && (standard == nil || p.IsDefault == *standard)
	}))
}

func (a handler) changePortal(q Request) (any, error) {
	p, err := account.Named(&a.PortalConfigurations, "id", "configuration", q.id)
	if err != nil {
		return nil, err
	}
	changed := *p
	a.readPortal(q.Form, &changed)
	setFlag(q.Form, "active", &changed.Active)
	if !changed.Active && p.IsDefault {
		q.Form.Fail(object.InvalidRequest("active", "", "You cannot deactivate the default configuration."))
	}
	if err := q.Form.Done(); err != nil {
		return nil, err
	}
	before := account.Document(p)
	changed.Updated = a.Unix()
	*p = changed
	a.Emit("billing_portal.configuration.updated", p, before)
	return p, nil
}

// postPortalSession serves POST /v1/billing_portal/sessions.
func (a handler) postPortalSession(q Request) (any, error) {
	f := q.Form
	id := kit.FreshID("bps_")
	visit := object.PortalSession{
		ID: id, Object: "billing_portal.session", Configuration: f.TextOr("configuration", account.DefaultPortal), Created: a.Unix(),
		Customer: f.Required("customer"), Locale: f.Text("locale"), ReturnURL: f.URL("return_url"),
		URL: a.BaseURL + account.Root + "/portal/" + id,
	}
	f.Ignore("flow_data")
	if err := f.Done(); err != nil {
		return nil, err
	}
	if _, err := account.Named(&a.Customers, "customer", "customer", visit.Customer); err != nil {
		return nil, err
	}
	portal, err := account.Named(&a.PortalConfigurations, "configuration", "configuration", visit.Configuration)
	if err != nil {
		return nil, err
	}
	if !portal.Active {
		return nil, object.InvalidRequest("configuration", "", "The configuration %s is not active.", portal.ID)
	}
	if visit.ReturnURL == nil {
		visit.ReturnURL = portal.DefaultReturnURL
	}
	return a.PortalSessions.Add(id, &visit), nil
}
