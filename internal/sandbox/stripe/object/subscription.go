package object

import "slices"

// How invoices are collected.
const (
	ChargeAutomatically = "charge_automatically"
	SendInvoice         = "send_invoice"
)

// The states of a subscription.
const (
	SubscriptionIncomplete        = "incomplete"
	SubscriptionIncompleteExpired = "incomplete_expired"
	SubscriptionTrialing          = "trialing"
	SubscriptionActive            = "active"
	SubscriptionPastDue           = "past_due"
	SubscriptionUnpaid            = "unpaid"
	SubscriptionPaused            = "paused"
	SubscriptionCanceled          = "canceled"
)

// What becomes of the difference when a quantity changes.
const (
	CreateProrations = "create_prorations"
	AlwaysInvoice    = "always_invoice"
	NoProrations     = "none"
)

// SendsInvoices reports whether invoices are sent instead of charging a card.
func (s *Subscription) SendsInvoices() bool { return s.CollectionMethod == SendInvoice }

// PeriodEnd returns the end of a period that begins at a time.
func (s *Subscription) PeriodEnd(from int64) int64 {
	if len(s.Items.Data) == 0 {
		return from + s.CurrentPeriodEnd - s.CurrentPeriodStart
	}
	return s.Items.Data[0].Price.PeriodEnd(from)
}

// Ended reports whether a subscription has come to its end.
func (s *Subscription) Ended() bool {
	return s.Status == SubscriptionCanceled || s.Status == SubscriptionIncompleteExpired
}

// Refresh updates the fields that repeat the only item.
func (s *Subscription) Refresh() {
	s.Plan, s.Quantity = nil, nil
	s.Items.TotalCount = len(s.Items.Data)
	if len(s.Items.Data) == 1 {
		plan, quantity := s.Items.Data[0].Plan, s.Items.Data[0].Quantity
		s.Plan, s.Quantity = &plan, &quantity
	}
	s.CancelAt = cancelTime(s)
}

// cancelTime returns when a subscription will end.
func cancelTime(s *Subscription) *int64 {
	if s.CancelAtPeriodEnd {
		end := s.CurrentPeriodEnd
		return &end
	}
	return s.CancelAt
}

// liveStatuses are those of a subscription that may go on.
var liveStatuses = []string{SubscriptionActive, SubscriptionTrialing, SubscriptionPastDue}

// Live reports whether a subscription is active, trialing or past due.
func (s *Subscription) Live() bool { return slices.Contains(liveStatuses, s.Status) }

// Subscription is a subscription.
type Subscription struct {
	ID                   string              `json:"id"`
	Object               string              `json:"object"`
	AutomaticTax         Toggle              `json:"automatic_tax"`
	BillingCycleAnchor   int64               `json:"billing_cycle_anchor"`
	CancelAt             *int64              `json:"cancel_at"`
	CancelAtPeriodEnd    bool                `json:"cancel_at_period_end"`
	CanceledAt           *int64              `json:"canceled_at"`
	CancellationDetails  CancellationDetails `json:"cancellation_details"`
	CollectionMethod     string              `json:"collection_method"`
	Created              int64               `json:"created"`
	Currency             string              `json:"currency"`
	CurrentPeriodEnd     int64               `json:"current_period_end"`
	CurrentPeriodStart   int64               `json:"current_period_start"`
	Customer             string              `json:"customer"`
	DaysUntilDue         *int64              `json:"days_until_due"`
	DefaultPaymentMethod *string             `json:"default_payment_method"`
	DefaultTaxRates      []string            `json:"default_tax_rates"`
	Description          *string             `json:"description"`
	EndedAt              *int64              `json:"ended_at"`
	Items                Items               `json:"items"`
	LatestInvoice        *string             `json:"latest_invoice"`
	Livemode             bool                `json:"livemode"`
	Metadata             Metadata            `json:"metadata"`
	Plan                 *Plan               `json:"plan"`     // of the only item
	Quantity             *int64              `json:"quantity"` // of the only item
	StartDate            int64               `json:"start_date"`
	Status               string              `json:"status"`
	TrialEnd             *int64              `json:"trial_end"`
	TrialSettings        TrialSettings       `json:"trial_settings"`
	TrialStart           *int64              `json:"trial_start"`

	PendingLines []Line `json:"-"` // prorations for the next invoice
	Failures     int    `json:"-"` // of payment, one after the other
}

// CancellationDetails is why a subscription was canceled.
type CancellationDetails struct {
	Comment  *string `json:"comment"`
	Feedback *string `json:"feedback"`
	Reason   *string `json:"reason"`
}

// TrialSettings is the settings of a trial.
type TrialSettings struct {
	EndBehavior EndBehavior `json:"end_behavior"`
}

// EndBehavior is what happens at the end of a trial.
type EndBehavior struct {
	MissingPaymentMethod string `json:"missing_payment_method"`
}

// Items is the list of the items of a subscription.
type Items struct {
	Object     string `json:"object"`
	Data       []Item `json:"data"`
	HasMore    bool   `json:"has_more"`
	TotalCount int    `json:"total_count"`
	URL        string `json:"url"`
}

// Item is an item of a subscription.
type Item struct {
	ID           string   `json:"id"`
	Object       string   `json:"object"`
	Created      int64    `json:"created"`
	Metadata     Metadata `json:"metadata"`
	Plan         Plan     `json:"plan"`
	Price        Price    `json:"price"`
	Quantity     int64    `json:"quantity"`
	Subscription string   `json:"subscription"`
	TaxRates     []string `json:"tax_rates"`
}
