package licensing

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	stripe "github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/form"
)

// wire is how requests get to Stripe. This file is the only one that knows Stripe's
// library: a method here makes one request and reads of the answer what is ours to
// know. An answer that cannot be one to the question is an error that may heal.
//
// The library gives the shapes of requests and answers. It does not send them: it would
// start a program to tell Stripe the name of this machine, try again without looking at
// the context, and quote answers in its errors.
type wire struct {
	base      string // without /v1
	key       string
	transport stripeTransport
}

const (
	pageMax     = 100           // rows, Stripe's own limit
	keyMax      = 255           // bytes of an idempotency key, Stripe's own limit
	quantityMax = 1_000_000_000 // beyond it an answer is not believed

	apiVersion = stripe.APIVersion
)

func newWire(address, key string, transport stripeTransport) wire {
	if address == "" {
		address = stripe.APIURL
	}
	return wire{strings.TrimSuffix(strings.TrimSuffix(address, "/"), "/v1"), key, transport}
}

// question is one request. A write has a key.
type question struct {
	name   string
	verb   string
	path   string
	key    string
	params stripe.ParamsContainer
}

// send asks the question as often as need be. Read takes from the answer what is ours
// and says whether it is one to the question.
func send[T, W any](ctx context.Context, s *Stripe, q question, read func(*W) (T, bool)) (T, error) {
	var none T
	if q.verb != http.MethodGet && (q.key == "" || len(q.key) > keyMax) {
		return none, &StripeError{Kind: StripeRefused, Method: q.name, words: "not asked: a write needs an idempotency key of at most 255 bytes"}
	}
	return ask(ctx, s, q.name, func(ctx context.Context) (T, error) {
		request, err := s.wire.request(ctx, q)
		if err != nil {
			return none, &StripeError{Kind: StripeRefused, words: "not asked: the request cannot be sent"}
		}
		body, err := s.wire.transport.fetch(request)
		if err != nil {
			return none, err
		}
		answer := new(W)
		if err := json.Unmarshal(body, answer); err != nil {
			return none, err // which ask does not pass on: it may quote the answer
		}
		if value, ok := read(answer); ok {
			return value, nil
		}
		return none, errAnother
	})
}

// request is the question as it is sent.
func (w wire) request(ctx context.Context, q question) (*http.Request, error) {
	values := &form.Values{}
	form.AppendTo(values, q.params)
	address, body := w.base+q.path, values.Encode()
	if q.verb == http.MethodGet && body != "" {
		address, body = address+"?"+body, ""
	}
	r, err := http.NewRequestWithContext(ctx, q.verb, address, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+w.key)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Stripe-Version", apiVersion)
	r.Header.Set("User-Agent", "teamtask")
	if q.key != "" {
		r.Header.Set("Idempotency-Key", q.key)
	}
	return r, nil
}

var errAnother = &StripeError{Kind: StripeUnavailable, Status: http.StatusOK, words: "the answer is to another question", again: true}

// row is what every list has.
type row interface{ key() string }

// page is a part of a list. Next is where the part behind it begins, or "".
type page[T any] struct {
	rows []T
	next string
}

// readPage reads all rows of a page or refuses it: a row left out would look like one
// that is gone, and so would all of an answer that is no list.
func readPage[W any, T row](rows []*W, meta stripe.ListMeta, read func(*W) (T, bool)) (page[T], bool) {
	var p page[T]
	if rows == nil {
		return p, false
	}
	for _, wire := range rows {
		if wire == nil {
			return page[T]{}, false
		}
		got, ok := read(wire)
		if !ok {
			return page[T]{}, false
		}
		p.rows = append(p.rows, got)
	}
	if meta.HasMore {
		if len(rows) == 0 {
			return page[T]{}, false
		}
		p.next = p.rows[len(p.rows)-1].key()
	}
	return p, true
}

// listed are the parameters of a page.
func listed(after string) stripe.ListParams {
	p := stripe.ListParams{Limit: stripe.Int64(pageMax)}
	if after != "" {
		p.StartingAfter = &after
	}
	return p
}

// Customers.

func (c customer) key() string { return c.ID }

func (s *Stripe) newCustomer(ctx context.Context, key, org, name string) (string, error) {
	params := &stripe.CustomerParams{Name: stripe.String(name), Metadata: map[string]string{metadataOrganization: org}}
	return send(ctx, s, question{"customers.create", http.MethodPost, "/v1/customers", key, params}, func(c *stripe.Customer) (string, bool) {
		return c.ID, isStripeID(c.ID)
	})
}

// isDeleted tells whether a customer that Stripe still knows was deleted.
func (s *Stripe) isDeleted(ctx context.Context, id string) (bool, error) {
	q := question{"customers.retrieve", http.MethodGet, stripe.FormatURLPath("/v1/customers/%s", id), "", &stripe.CustomerParams{}}
	return send(ctx, s, q, func(c *stripe.Customer) (bool, bool) { return c.Deleted, c.ID == id })
}

// organizationOf is the organization that the customer carries, or "". A customer who is
// unknown or deleted carries none.
func (s *Stripe) organizationOf(ctx context.Context, id string) (string, error) {
	if err := checkStripeID("customers.retrieve", id); err != nil {
		return "", err
	}
	q := question{"customers.retrieve", http.MethodGet, stripe.FormatURLPath("/v1/customers/%s", id), "", &stripe.CustomerParams{}}
	org, err := send(ctx, s, q, func(c *stripe.Customer) (string, bool) { return c.Metadata[metadataOrganization], c.ID == id })
	if errors.Is(err, StripeNotFound) {
		return "", nil
	}
	return org, err
}

func (s *Stripe) customerPage(ctx context.Context, after string) (page[customer], error) {
	params := &stripe.CustomerListParams{ListParams: listed(after)}
	return send(ctx, s, question{"customers.list", http.MethodGet, "/v1/customers", "", params}, func(l *stripe.CustomerList) (page[customer], bool) {
		return readPage(l.Data, l.ListMeta, func(c *stripe.Customer) (customer, bool) {
			if !isStripeID(c.ID) { // somebody chose it, and not for us
				return customer{ID: c.ID}, c.ID != ""
			}
			return customer{ID: c.ID, Organization: c.Metadata[metadataOrganization]}, true
		})
	})
}

// chargedCustomer is the customer of a charge, or "".
func (s *Stripe) chargedCustomer(ctx context.Context, charge string) (string, error) {
	q := question{"charges.retrieve", http.MethodGet, stripe.FormatURLPath("/v1/charges/%s", charge), "", &stripe.ChargeParams{}}
	return send(ctx, s, q, func(c *stripe.Charge) (string, bool) {
		if c.Customer == nil {
			return "", c.ID == charge
		}
		return c.Customer.ID, c.ID == charge
	})
}

// accountID is the id of the account that the secret key is for.
func (s *Stripe) accountID(ctx context.Context) (string, error) {
	q := question{"accounts.retrieve", http.MethodGet, "/v1/account", "", &stripe.AccountParams{}}
	return send(ctx, s, q, func(w *stripe.Account) (string, bool) { return w.ID, isStripeID(w.ID) })
}

// Subscriptions.

func (f listedSubscription) key() string { return f.ID }
func (i item) key() string               { return i.id }

func (s *Stripe) subscriptionPage(ctx context.Context, customer, after string) (page[listedSubscription], error) {
	params := &stripe.SubscriptionListParams{
		ListParams: listed(after), Customer: stripe.String(customer), Status: stripe.String("all"),
		Expand: stripe.StringSlice([]string{"data.latest_invoice"}),
	}
	return send(ctx, s, question{"subscriptions.list", http.MethodGet, "/v1/subscriptions", "", params}, func(l *stripe.SubscriptionList) (page[listedSubscription], bool) {
		return readPage(l.Data, l.ListMeta, func(w *stripe.Subscription) (listedSubscription, bool) {
			got, ok := readSubscription(w)
			return got, ok && got.Customer == customer
		})
	})
}

func readSubscription(w *stripe.Subscription) (listedSubscription, bool) {
	if !isPlainID(w.ID) || w.Customer == nil || w.Items == nil || w.Status == "" {
		return listedSubscription{}, false
	}
	items, ok := readPage(w.Items.Data, w.Items.ListMeta, readItem)
	got := listedSubscription{
		subscription: subscription{
			ID: w.ID, Customer: w.Customer.ID, Status: statusText(string(w.Status)),
			CreateTime:       time.Unix(w.Created, 0).UTC(),
			CurrentPeriodEnd: moment(w.CurrentPeriodEnd), TrialEnd: moment(w.TrialEnd), CancelTime: moment(w.CancelAt),
		},
		currency:      statusText(string(w.Currency)),
		discounted:    w.Discount != nil || len(w.Discounts) > 0,
		sendsInvoices: w.CollectionMethod == stripe.SubscriptionCollectionMethodSendInvoice,
		items:         items,
	}
	if w.LatestInvoice != nil {
		latest, whole := readInvoice(w.LatestInvoice)
		if !whole { // the list was not expanded: it says no more than that there is one
			latest = invoice{id: w.LatestInvoice.ID}
		}
		got.latest = &latest
	}
	switch {
	case w.EndedAt != 0:
		got.CancelTime = moment(w.EndedAt)
	case w.CancelAt == 0 && w.CancelAtPeriodEnd:
		got.CancelTime = got.CurrentPeriodEnd
	}
	return got, ok
}

func (s *Stripe) itemPage(ctx context.Context, subscription, after string) (page[item], error) {
	params := &stripe.SubscriptionItemListParams{ListParams: listed(after), Subscription: stripe.String(subscription)}
	return send(ctx, s, question{"subscription_items.list", http.MethodGet, "/v1/subscription_items", "", params}, func(l *stripe.SubscriptionItemList) (page[item], bool) {
		return readPage(l.Data, l.ListMeta, readItem)
	})
}

// readItem reads an item, whose price may be as old as to be a plan.
func readItem(w *stripe.SubscriptionItem) (item, bool) {
	got := item{id: w.ID, quantity: w.Quantity}
	switch {
	case w.Price != nil:
		got.price, _ = readPrice(w.Price)
	case w.Plan != nil:
		got.price.ID = w.Plan.ID
	}
	return got, w.ID != ""
}

// Invoices.

func (i invoice) key() string     { return i.id }
func (l invoiceLine) key() string { return l.id }

func (s *Stripe) invoicePage(ctx context.Context, subscription, after string) (page[invoice], error) {
	params := &stripe.InvoiceListParams{ListParams: listed(after), Subscription: stripe.String(subscription)}
	return send(ctx, s, question{"invoices.list", http.MethodGet, "/v1/invoices", "", params}, func(l *stripe.InvoiceList) (page[invoice], bool) {
		return readPage(l.Data, l.ListMeta, readInvoice)
	})
}

func readInvoice(w *stripe.Invoice) (invoice, bool) {
	if w.ID == "" || w.Status == "" || w.Lines == nil {
		return invoice{}, false
	}
	lines, ok := readPage(w.Lines.Data, w.Lines.ListMeta, readLine)
	got := invoice{
		id: w.ID, paid: w.Paid || w.Status == stripe.InvoiceStatusPaid, void: w.Status == stripe.InvoiceStatusVoid,
		reason: statusText(string(w.BillingReason)), total: w.Total, discounted: w.Discount != nil || len(w.Discounts) > 0, lines: lines,
		credit: max(0, -w.StartingBalance),
	}
	got.creditOnly = got.paid && !w.PaidOutOfBand && w.AmountPaid == 0 && w.Total > 0 && got.credit >= w.Total
	return got, ok
}

func (s *Stripe) linePage(ctx context.Context, invoice, after string) (page[invoiceLine], error) {
	params := &stripe.InvoiceListLinesParams{ListParams: listed(after)}
	path := stripe.FormatURLPath("/v1/invoices/%s/lines", invoice)
	return send(ctx, s, question{"invoices.lines.list", http.MethodGet, path, "", params}, func(l *stripe.InvoiceLineItemList) (page[invoiceLine], bool) {
		return readPage(l.Data, l.ListMeta, readLine)
	})
}

func readLine(w *stripe.InvoiceLineItem) (invoiceLine, bool) {
	got := invoiceLine{
		id: w.ID, quantity: max(0, min(w.Quantity, quantityMax)), amount: w.Amount,
		period: w.Type == stripe.InvoiceLineItemTypeSubscription,
	}
	if w.SubscriptionItem != nil {
		got.item = w.SubscriptionItem.ID
	}
	switch {
	case w.Price != nil:
		got.price = w.Price.ID
	case w.Plan != nil:
		got.price = w.Plan.ID
	}
	return got, w.ID != ""
}

// subscriptionStatus is the status as Stripe says it.
func (s *Stripe) subscriptionStatus(ctx context.Context, id string) (string, error) {
	q := question{"subscriptions.retrieve", http.MethodGet, stripe.FormatURLPath("/v1/subscriptions/%s", id), "", &stripe.SubscriptionParams{}}
	return send(ctx, s, q, func(w *stripe.Subscription) (string, bool) { return statusText(string(w.Status)), w.ID == id })
}

// firstPayment is how the payment stands that a subscription waits for.
func (s *Stripe) firstPayment(ctx context.Context, id string) (payment, error) {
	params := &stripe.SubscriptionParams{}
	params.AddExpand("latest_invoice.payment_intent")
	q := question{"subscriptions.retrieve", http.MethodGet, stripe.FormatURLPath("/v1/subscriptions/%s", id), "", params}
	return send(ctx, s, q, func(w *stripe.Subscription) (payment, bool) {
		p := payment{subscription: statusText(string(w.Status))}
		if i := w.LatestInvoice; i != nil {
			p.invoiceID, p.invoice = i.ID, statusText(string(i.Status))
			if i.PaymentIntent != nil {
				p.intent = statusText(string(i.PaymentIntent.Status))
			}
		}
		return p, w.ID == id && p.subscription != "" && (p.invoiceID == "" || isPlainID(p.invoiceID) && p.invoice != "")
	})
}

func (s *Stripe) voidInvoice(ctx context.Context, key, id string) error {
	q := question{"invoices.voidInvoice", http.MethodPost, stripe.FormatURLPath("/v1/invoices/%s/void", id), key, &stripe.InvoiceVoidInvoiceParams{}}
	_, err := send(ctx, s, q, func(w *stripe.Invoice) (struct{}, bool) { return struct{}{}, w.ID == id })
	return err
}

func (s *Stripe) cancelSubscription(ctx context.Context, key, id string) error {
	q := question{"subscriptions.cancel", http.MethodDelete, stripe.FormatURLPath("/v1/subscriptions/%s", id), key, &stripe.SubscriptionCancelParams{}}
	_, err := send(ctx, s, q, func(w *stripe.Subscription) (struct{}, bool) { return struct{}{}, w.ID == id })
	return err
}

// Checkout and the portal.

func (s *Stripe) newCheckout(ctx context.Context, key, price string, c checkout) (session, error) {
	params := &stripe.CheckoutSessionParams{
		Mode:              stripe.String(string(stripe.CheckoutSessionModeSubscription)),
		Customer:          stripe.String(c.Customer),
		ClientReferenceID: stripe.String(c.Organization),
		LineItems: []*stripe.CheckoutSessionLineItemParams{{
			Price: stripe.String(price), Quantity: stripe.Int64(c.Quantity),
			AdjustableQuantity: &stripe.CheckoutSessionLineItemAdjustableQuantityParams{
				Enabled: stripe.Bool(true), Minimum: stripe.Int64(1), Maximum: stripe.Int64(checkoutMax),
			},
		}},
		SubscriptionData: &stripe.CheckoutSessionSubscriptionDataParams{Metadata: map[string]string{metadataOrganization: c.Organization}},
		CustomerUpdate:   &stripe.CheckoutSessionCustomerUpdateParams{Address: stripe.String("auto")},
		SuccessURL:       stripe.String(c.SuccessURL),
		CancelURL:        stripe.String(c.CancelURL),
	}
	return send(ctx, s, question{"checkout.sessions.create", http.MethodPost, "/v1/checkout/sessions", key, params}, func(w *stripe.CheckoutSession) (session, bool) {
		return session{ID: w.ID, URL: w.URL, ExpireTime: time.Unix(w.ExpiresAt, 0).UTC()}, isStripeID(w.ID) && isPage(w.URL)
	})
}

// checkoutStatus is "open", "complete" or "expired".
func (s *Stripe) checkoutStatus(ctx context.Context, id string) (string, error) {
	q := question{"checkout.sessions.retrieve", http.MethodGet, stripe.FormatURLPath("/v1/checkout/sessions/%s", id), "", &stripe.CheckoutSessionParams{}}
	return send(ctx, s, q, func(w *stripe.CheckoutSession) (string, bool) { return statusText(string(w.Status)), w.ID == id })
}

func (s *Stripe) endCheckout(ctx context.Context, key, id string) error {
	q := question{"checkout.sessions.expire", http.MethodPost, stripe.FormatURLPath("/v1/checkout/sessions/%s/expire", id), key, &stripe.CheckoutSessionExpireParams{}}
	_, err := send(ctx, s, q, func(w *stripe.CheckoutSession) (struct{}, bool) { return struct{}{}, w.ID == id })
	return err
}

func (s *Stripe) newPortalSession(ctx context.Context, key, configuration, customer, returnURL string) (string, error) {
	params := &stripe.BillingPortalSessionParams{
		Configuration: stripe.String(configuration), Customer: stripe.String(customer), ReturnURL: stripe.String(returnURL),
	}
	return send(ctx, s, question{"billing_portal.sessions.create", http.MethodPost, "/v1/billing_portal/sessions", key, params}, func(w *stripe.BillingPortalSession) (string, bool) {
		return w.URL, isPage(w.URL)
	})
}

func (c portalConfiguration) key() string { return c.id }

// portalProductsField is left out by Stripe where a request does not expand it.
const portalProductsField = "features.subscription_update.products"

func (s *Stripe) portalPage(ctx context.Context, after string) (page[portalConfiguration], error) {
	params := &stripe.BillingPortalConfigurationListParams{ListParams: listed(after), Active: stripe.Bool(true)}
	params.AddExpand("data." + portalProductsField)
	return send(ctx, s, question{"billing_portal.configurations.list", http.MethodGet, "/v1/billing_portal/configurations", "", params}, func(l *stripe.BillingPortalConfigurationList) (page[portalConfiguration], bool) {
		return readPage(l.Data, l.ListMeta, readPortal)
	})
}

func (s *Stripe) portalByID(ctx context.Context, id string) (portalConfiguration, error) {
	path := stripe.FormatURLPath("/v1/billing_portal/configurations/%s", id)
	params := &stripe.BillingPortalConfigurationParams{}
	params.AddExpand(portalProductsField)
	return send(ctx, s, question{"billing_portal.configurations.retrieve", http.MethodGet, path, "", params}, readPortal)
}

func (s *Stripe) newPortal(ctx context.Context, key string, want portalSettings) (portalConfiguration, error) {
	params := &stripe.BillingPortalConfigurationParams{
		BusinessProfile: &stripe.BillingPortalConfigurationBusinessProfileParams{Headline: stripe.String(portalHeadline)},
		Features: &stripe.BillingPortalConfigurationFeaturesParams{
			CustomerUpdate: &stripe.BillingPortalConfigurationFeaturesCustomerUpdateParams{
				Enabled: stripe.Bool(true), AllowedUpdates: stripe.StringSlice([]string{"email", "address", "name", "tax_id"}),
			},
			InvoiceHistory:      &stripe.BillingPortalConfigurationFeaturesInvoiceHistoryParams{Enabled: stripe.Bool(true)},
			PaymentMethodUpdate: &stripe.BillingPortalConfigurationFeaturesPaymentMethodUpdateParams{Enabled: stripe.Bool(true)},
			SubscriptionCancel: &stripe.BillingPortalConfigurationFeaturesSubscriptionCancelParams{
				Enabled: stripe.Bool(true), Mode: stripe.String("at_period_end"),
			},
			SubscriptionUpdate: portalUpdates(want),
		},
		Metadata: want.metadata(),
	}
	return send(ctx, s, question{"billing_portal.configurations.create", http.MethodPost, "/v1/billing_portal/configurations", key, params}, readPortal)
}

// setPortal puts the settings of seats right and leaves the others.
func (s *Stripe) setPortal(ctx context.Context, key, id string, want portalSettings) (portalConfiguration, error) {
	path := stripe.FormatURLPath("/v1/billing_portal/configurations/%s", id)
	params := &stripe.BillingPortalConfigurationParams{
		Features: &stripe.BillingPortalConfigurationFeaturesParams{SubscriptionUpdate: portalUpdates(want)},
		Metadata: want.metadata(),
	}
	return send(ctx, s, question{"billing_portal.configurations.update", http.MethodPost, path, key, params}, readPortal)
}

func portalUpdates(want portalSettings) *stripe.BillingPortalConfigurationFeaturesSubscriptionUpdateParams {
	params := &stripe.BillingPortalConfigurationFeaturesSubscriptionUpdateParams{
		Enabled: stripe.Bool(true), DefaultAllowedUpdates: stripe.StringSlice(want.Allowed), ProrationBehavior: stripe.String(want.Proration),
	}
	for _, p := range want.Products {
		params.Products = append(params.Products, &stripe.BillingPortalConfigurationFeaturesSubscriptionUpdateProductParams{
			Product: stripe.String(p.Product), Prices: stripe.StringSlice(p.Prices),
		})
	}
	return params
}

func readPortal(w *stripe.BillingPortalConfiguration) (portalConfiguration, bool) {
	got := portalConfiguration{id: w.ID, active: w.Active, metadata: w.Metadata}
	if w.Features == nil || w.Features.SubscriptionUpdate == nil || !w.Features.SubscriptionUpdate.Enabled {
		return got, isStripeID(w.ID)
	}
	update := w.Features.SubscriptionUpdate
	got.settings.Proration = string(update.ProrationBehavior)
	for _, allowed := range update.DefaultAllowedUpdates {
		got.settings.Allowed = append(got.settings.Allowed, string(allowed))
	}
	for _, p := range update.Products {
		if p != nil {
			got.settings.Products = append(got.settings.Products, portalProduct{Product: p.Product, Prices: p.Prices})
		}
	}
	return got, isStripeID(w.ID)
}

// Products, prices and webhook endpoints.

func (p foundProduct) key() string { return p.id }
func (p foundPrice) key() string   { return p.ID }
func (e endpoint) key() string     { return e.id }

func (s *Stripe) productPage(ctx context.Context, after string) (page[foundProduct], error) {
	params := &stripe.ProductListParams{ListParams: listed(after), Active: stripe.Bool(true)}
	return send(ctx, s, question{"products.list", http.MethodGet, "/v1/products", "", params}, func(l *stripe.ProductList) (page[foundProduct], bool) {
		return readPage(l.Data, l.ListMeta, readProduct)
	})
}

func (s *Stripe) productByID(ctx context.Context, id string) (foundProduct, error) {
	return send(ctx, s, question{"products.retrieve", http.MethodGet, stripe.FormatURLPath("/v1/products/%s", id), "", &stripe.ProductParams{}}, func(w *stripe.Product) (foundProduct, bool) {
		found, ok := readProduct(w)
		return found, ok && w.ID == id
	})
}

func (s *Stripe) newProduct(ctx context.Context, key, name string) (foundProduct, error) {
	params := &stripe.ProductParams{Name: stripe.String(name), UnitLabel: stripe.String("seat"), Metadata: map[string]string{metadataOurs: oursSeat}}
	return send(ctx, s, question{"products.create", http.MethodPost, "/v1/products", key, params}, func(w *stripe.Product) (foundProduct, bool) {
		found, ok := readProduct(w)
		return found, ok && isStripeID(w.ID)
	})
}

func readProduct(w *stripe.Product) (foundProduct, bool) {
	return foundProduct{id: w.ID, active: w.Active && !w.Deleted, metadata: w.Metadata}, w.ID != ""
}

func (s *Stripe) pricePage(ctx context.Context, product, after string) (page[foundPrice], error) {
	params := &stripe.PriceListParams{ListParams: listed(after), Product: stripe.String(product), Active: stripe.Bool(true)}
	return send(ctx, s, question{"prices.list", http.MethodGet, "/v1/prices", "", params}, func(l *stripe.PriceList) (page[foundPrice], bool) {
		return readPage(l.Data, l.ListMeta, readPrice)
	})
}

// priceByID is the price with what it costs in other currencies.
func (s *Stripe) priceByID(ctx context.Context, id string) (foundPrice, error) {
	params := &stripe.PriceParams{Expand: stripe.StringSlice([]string{"currency_options"})}
	return send(ctx, s, question{"prices.retrieve", http.MethodGet, stripe.FormatURLPath("/v1/prices/%s", id), "", params}, func(w *stripe.Price) (foundPrice, bool) {
		found, ok := readPrice(w)
		return found, ok && w.ID == id
	})
}

func (s *Stripe) newPrice(ctx context.Context, key string, want price) (foundPrice, error) {
	params := &stripe.PriceParams{
		Product: stripe.String(want.Product), UnitAmount: stripe.Int64(want.UnitAmount), Currency: stripe.String(want.Currency),
		Recurring: &stripe.PriceRecurringParams{Interval: stripe.String(want.Interval)}, Metadata: map[string]string{metadataOurs: oursSeat},
	}
	return send(ctx, s, question{"prices.create", http.MethodPost, "/v1/prices", key, params}, func(w *stripe.Price) (foundPrice, bool) {
		found, ok := readPrice(w)
		return found, ok && isStripeID(w.ID)
	})
}

func readPrice(w *stripe.Price) (foundPrice, bool) {
	found := foundPrice{
		price:    price{ID: w.ID, UnitAmount: w.UnitAmount, Currency: statusText(string(w.Currency))},
		active:   w.Active && !w.Deleted,
		metadata: w.Metadata,
	}
	if w.Product != nil {
		found.Product = w.Product.ID
	}
	if w.Recurring == nil {
		return found, w.ID != ""
	}
	found.Interval, found.count = statusText(string(w.Recurring.Interval)), w.Recurring.IntervalCount
	found.perSeat = w.Recurring.UsageType != stripe.PriceRecurringUsageTypeMetered &&
		w.BillingScheme == stripe.PriceBillingSchemePerUnit && w.TransformQuantity == nil
	if !found.perSeat {
		return found, w.ID != ""
	}
	found.amounts = map[string]int64{}
	if w.CustomUnitAmount == nil && isWhole(w.UnitAmount, w.UnitAmountDecimal) {
		found.amounts[found.Currency] = w.UnitAmount
	}
	for currency, option := range w.CurrencyOptions {
		if option != nil && len(option.Tiers) == 0 && option.CustomUnitAmount == nil && isWhole(option.UnitAmount, option.UnitAmountDecimal) {
			found.amounts[statusText(currency)] = option.UnitAmount
		}
	}
	return found, w.ID != ""
}

// isWhole reports whether an amount is all that a unit costs: one with a fraction is said
// as a decimal alone.
func isWhole(amount int64, decimal float64) bool { return amount >= 0 && float64(amount) == decimal }

func (s *Stripe) endpointPage(ctx context.Context, after string) (page[endpoint], error) {
	params := &stripe.WebhookEndpointListParams{ListParams: listed(after)}
	return send(ctx, s, question{"webhook_endpoints.list", http.MethodGet, "/v1/webhook_endpoints", "", params}, func(l *stripe.WebhookEndpointList) (page[endpoint], bool) {
		return readPage(l.Data, l.ListMeta, readEndpoint)
	})
}

func (s *Stripe) endpointByID(ctx context.Context, id string) (endpoint, error) {
	path := stripe.FormatURLPath("/v1/webhook_endpoints/%s", id)
	return send(ctx, s, question{"webhook_endpoints.retrieve", http.MethodGet, path, "", &stripe.WebhookEndpointParams{}}, readEndpoint)
}

func (s *Stripe) newEndpoint(ctx context.Context, key, address string, events []string) (endpoint, error) {
	params := &stripe.WebhookEndpointParams{
		URL: stripe.String(address), EnabledEvents: stripe.StringSlice(events), APIVersion: stripe.String(apiVersion),
		Description: stripe.String("teamtask: seats"), Metadata: map[string]string{metadataOurs: oursWebhook},
	}
	return send(ctx, s, question{"webhook_endpoints.create", http.MethodPost, "/v1/webhook_endpoints", key, params}, readEndpoint)
}

// setEndpoint changes the events that the endpoint is sent.
func (s *Stripe) setEndpoint(ctx context.Context, key, id string, events []string) (endpoint, error) {
	path := stripe.FormatURLPath("/v1/webhook_endpoints/%s", id)
	params := &stripe.WebhookEndpointParams{EnabledEvents: stripe.StringSlice(events)}
	return send(ctx, s, question{"webhook_endpoints.update", http.MethodPost, path, key, params}, readEndpoint)
}

func readEndpoint(w *stripe.WebhookEndpoint) (endpoint, bool) {
	return endpoint{
		id: w.ID, url: w.URL, secret: w.Secret,
		enabled: w.Status == "enabled", connected: w.Application != "", events: w.EnabledEvents,
	}, isStripeID(w.ID)
}

// Reading.

// moment is a time of Stripe's, or nil for none.
func moment(unix int64) *time.Time {
	if unix == 0 {
		return nil
	}
	t := time.Unix(unix, 0).UTC()
	return &t
}

// isPage tells whether a person can be sent to that address.
func isPage(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}

// missing is errNoCustomer where Stripe says that the customer named in a request is
// none, and else err.
func missing(err error) error {
	if e, ok := errors.AsType[*StripeError](err); ok && e.Kind == StripeNotFound && e.Param == "customer" {
		return errNoCustomer
	}
	return err
}
