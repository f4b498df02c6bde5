package stripe

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	sdk "github.com/stripe/stripe-go/v76"
)

const (
	metadataOurs   = "teamtask"        // the key under which what Setup makes says what it is
	metadataPrice  = "teamtask_price"  // the price that is sold through it
	metadataPrices = "teamtask_prices" // the prices that a portal configuration was made for

	oursSeat    = "seat"
	oursPortal  = "portal"
	oursWebhook = "webhook"

	portalHeadline = "Change the number of your seats"
	portalProducts = 10 // that Stripe takes
)

// portalSettings are what the customer portal must let people do with seats. Stripe's
// own default lets them add seats that are not billed before the next period.
type portalSettings struct {
	Sold      string // the id of the price
	Allowed   []string
	Proration string
	Products  []portalProduct
}

type portalProduct struct {
	Product string
	Prices  []string
}

// portalConfiguration is a configuration as it is in Stripe. The settings are zero where
// people may change nothing.
type portalConfiguration struct {
	id       string
	active   bool
	metadata map[string]string
	settings portalSettings
}

// CreatePortal opens the customer portal for the customer and returns its address. Take
// a new key for each visitor: the address is good for minutes. It returns
// ErrNoCustomer where the customer is unknown or deleted.
func (s *Client) CreatePortal(ctx context.Context, key, customer, returnURL string) (string, error) {
	if err := checkID("billing_portal.sessions.create", customer); err != nil {
		return "", err
	}
	configuration, fresh := recall(s, &s.portal)
	if fresh {
		url, err := s.newPortalSession(ctx, key, configuration, customer, returnURL)
		if !isAbout(err, "configuration") {
			return url, missing(err)
		}
		key += ".2" // somebody took the configuration away
		if len(key) > keyMax {
			key = derivedKey(key)
		}
	}
	prices, err := s.pricesOf(ctx, s.seatPrices)
	if err != nil {
		return "", err
	}
	configuration, _, err = s.ensurePortal(ctx, prices)
	if err != nil {
		return "", err
	}
	keep(s, &s.portal, configuration)
	url, err := s.newPortalSession(ctx, key, configuration, customer, returnURL)
	return url, missing(err)
}

// isAbout reports whether Stripe refused that parameter.
func isAbout(err error, param string) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (e.Kind == Refused || e.Kind == NotFound) && e.Param == param
}

// pricesOf are the prices of these ids.
func (s *Client) pricesOf(ctx context.Context, ids []string) ([]foundPrice, error) {
	if _, err := s.SoldID("prices.retrieve"); err != nil {
		return nil, err
	}
	var all []foundPrice
	for _, id := range ids {
		if err := checkID("prices.retrieve", id); err != nil {
			return nil, err
		}
		found, err := s.priceByID(ctx, id)
		if err != nil {
			return nil, err
		}
		all = append(all, found)
	}
	return all, nil
}

// wantedPortal is what the portal must be like for these prices, the first of which is
// sold. Stripe takes one price a product for each interval and currency. Proration is what
// was configured; "" stands for the usual one of the price that is sold.
func wantedPortal(prices []foundPrice, proration string) portalSettings {
	if proration == "" {
		proration = usualProration(prices[0])
	}
	want := portalSettings{Sold: prices[0].ID, Allowed: []string{"quantity"}, Proration: proration}
	type place struct {
		product, interval, currency string
		count                       int64
	}
	taken := map[place]bool{}
	for _, p := range prices {
		at := place{p.Product, p.Interval, p.Currency, p.count}
		if taken[at] {
			continue
		}
		taken[at] = true
		i := slices.IndexFunc(want.Products, func(of portalProduct) bool { return of.Product == p.Product })
		if i < 0 && len(want.Products) == portalProducts {
			continue
		}
		if i < 0 {
			want.Products = append(want.Products, portalProduct{Product: p.Product, Prices: []string{p.ID}})
		} else {
			want.Products[i].Prices = append(want.Products[i].Prices, p.ID)
		}
	}
	return want
}

func (w portalSettings) metadata() map[string]string {
	return map[string]string{metadataOurs: oursPortal, metadataPrice: w.Sold, metadataPrices: w.fingerprint()}
}

// fingerprint stands for the products and prices, in whatever order.
func (w portalSettings) fingerprint() string {
	var words []string
	for _, p := range w.Products {
		words = append(words, p.Product+" "+strings.Join(slices.Sorted(slices.Values(p.Prices)), " "))
	}
	slices.Sort(words)
	return derivedKey(words...)
}

// drift says what of the configuration is not as wanted, in words, or "".
func (c portalConfiguration) drift(want portalSettings) string {
	var words []string
	if c.settings.Proration != want.Proration {
		words = append(words, "a change of seats was billed by "+cmp.Or(c.settings.Proration, "nothing")+" and not by "+want.Proration)
	}
	if !slices.Equal(c.settings.Allowed, want.Allowed) {
		words = append(words, "what may be changed was not exactly the quantity")
	}
	if c.metadata[metadataPrices] != want.fingerprint() || c.settings.fingerprint() != want.fingerprint() {
		words = append(words, "it was for other prices")
	}
	return strings.Join(words, ", ")
}

// ensurePortal finds our configuration of the portal for these prices, puts it right
// where it was changed, or makes it. It says what it did.
func (s *Client) ensurePortal(ctx context.Context, prices []foundPrice) (id, did string, err error) {
	want := wantedPortal(prices, s.proration)
	var found portalConfiguration
	for c, err := range pages("billing_portal.configurations.list", func(after string) (page[portalConfiguration], error) { return s.portalPage(ctx, after) }) {
		if err != nil {
			return "", "", err
		}
		if c.metadata[metadataOurs] == oursPortal && c.metadata[metadataPrice] == want.Sold {
			found = c // the oldest comes last
		}
	}
	if found.id == "" {
		made, err := makeOnce(ctx, []string{"portal", portalHeadline, want.Sold, want.fingerprint(), want.Proration},
			func(key string) (portalConfiguration, error) { return s.newPortal(ctx, key, want) },
			func(c portalConfiguration) (portalConfiguration, bool, error) {
				now, err := s.portalByID(ctx, c.id)
				return now, now.active, err
			})
		if err != nil {
			return "", "", err
		}
		return made.id, "made", nil
	}
	drift := found.drift(want)
	if drift == "" {
		return found.id, "found", nil
	}
	_, err = s.setPortal(ctx, freshKey(), found.id, want)
	return found.id, "repaired: " + drift, err
}

func (s *Client) newPortalSession(ctx context.Context, key, configuration, customer, returnURL string) (string, error) {
	params := &sdk.BillingPortalSessionParams{
		Configuration: sdk.String(configuration), Customer: sdk.String(customer), ReturnURL: sdk.String(returnURL),
	}
	return send(ctx, s, question{"billing_portal.sessions.create", http.MethodPost, "/v1/billing_portal/sessions", key, params}, func(w *sdk.BillingPortalSession) (string, bool) {
		return w.URL, isPage(w.URL)
	})
}

func (c portalConfiguration) key() string { return c.id }

// portalProductsField is left out by Stripe where a request does not expand it.
const portalProductsField = "features.subscription_update.products"

func (s *Client) portalPage(ctx context.Context, after string) (page[portalConfiguration], error) {
	params := &sdk.BillingPortalConfigurationListParams{ListParams: listed(after), Active: sdk.Bool(true)}
	params.AddExpand("data." + portalProductsField)
	return send(ctx, s, question{"billing_portal.configurations.list", http.MethodGet, "/v1/billing_portal/configurations", "", params}, func(l *sdk.BillingPortalConfigurationList) (page[portalConfiguration], bool) {
		return readPage(l.Data, l.ListMeta, readPortal)
	})
}

func (s *Client) portalByID(ctx context.Context, id string) (portalConfiguration, error) {
	path := sdk.FormatURLPath("/v1/billing_portal/configurations/%s", id)
	params := &sdk.BillingPortalConfigurationParams{}
	params.AddExpand(portalProductsField)
	return send(ctx, s, question{"billing_portal.configurations.retrieve", http.MethodGet, path, "", params}, readPortal)
}

func (s *Client) newPortal(ctx context.Context, key string, want portalSettings) (portalConfiguration, error) {
	params := &sdk.BillingPortalConfigurationParams{
		BusinessProfile: &sdk.BillingPortalConfigurationBusinessProfileParams{Headline: sdk.String(portalHeadline)},
		Features: &sdk.BillingPortalConfigurationFeaturesParams{
			CustomerUpdate: &sdk.BillingPortalConfigurationFeaturesCustomerUpdateParams{
				Enabled: sdk.Bool(true), AllowedUpdates: sdk.StringSlice([]string{"email", "address", "name", "tax_id"}),
			},
			InvoiceHistory:      &sdk.BillingPortalConfigurationFeaturesInvoiceHistoryParams{Enabled: sdk.Bool(true)},
			PaymentMethodUpdate: &sdk.BillingPortalConfigurationFeaturesPaymentMethodUpdateParams{Enabled: sdk.Bool(true)},
			SubscriptionCancel: &sdk.BillingPortalConfigurationFeaturesSubscriptionCancelParams{
				Enabled: sdk.Bool(true), Mode: sdk.String("at_period_end"),
			},
			SubscriptionUpdate: portalUpdates(want),
		},
		Metadata: want.metadata(),
	}
	return send(ctx, s, question{"billing_portal.configurations.create", http.MethodPost, "/v1/billing_portal/configurations", key, params}, readPortal)
}

// setPortal puts the settings of seats right and leaves the others.
func (s *Client) setPortal(ctx context.Context, key, id string, want portalSettings) (portalConfiguration, error) {
	path := sdk.FormatURLPath("/v1/billing_portal/configurations/%s", id)
	params := &sdk.BillingPortalConfigurationParams{
		Features: &sdk.BillingPortalConfigurationFeaturesParams{SubscriptionUpdate: portalUpdates(want)},
		Metadata: want.metadata(),
	}
	return send(ctx, s, question{"billing_portal.configurations.update", http.MethodPost, path, key, params}, readPortal)
}

func portalUpdates(want portalSettings) *sdk.BillingPortalConfigurationFeaturesSubscriptionUpdateParams {
	params := &sdk.BillingPortalConfigurationFeaturesSubscriptionUpdateParams{
		Enabled: sdk.Bool(true), DefaultAllowedUpdates: sdk.StringSlice(want.Allowed), ProrationBehavior: sdk.String(want.Proration),
	}
	for _, p := range want.Products {
		params.Products = append(params.Products, &sdk.BillingPortalConfigurationFeaturesSubscriptionUpdateProductParams{
			Product: sdk.String(p.Product), Prices: sdk.StringSlice(p.Prices),
		})
	}
	return params
}

func readPortal(w *sdk.BillingPortalConfiguration) (portalConfiguration, bool) {
	got := portalConfiguration{id: w.ID, active: w.Active, metadata: w.Metadata}
	if w.Features == nil || w.Features.SubscriptionUpdate == nil || !w.Features.SubscriptionUpdate.Enabled {
		return got, IsID(w.ID)
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
	return got, IsID(w.ID)
}
