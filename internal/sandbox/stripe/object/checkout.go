package object

import (
	"net/url"
	"slices"
	"strings"
)

// The states of a checkout session.
const (
	SessionOpen     = "open"
	SessionComplete = "complete"
	SessionExpired  = "expired"
)

// SessionIDTemplate stands for the id of the session in a success address.
const SessionIDTemplate = "{CHECKOUT_SESSION_ID}"

// The outcomes of a checkout.
const (
	OutcomePaid     = "paid"
	OutcomeDeclined = "declined"
	OutcomeUnpaid   = "unpaid" // a payment that takes days
)

// UpdateTotals updates the amounts of a session.
func (s *CheckoutSession) UpdateTotals() {
	s.AmountSubtotal = 0
	for i := range s.Lines {
		line := &s.Lines[i]
		line.AmountSubtotal = line.Price.Cost(line.Quantity, line.Currency)
		line.AmountTotal = line.AmountSubtotal
		s.AmountSubtotal += line.AmountSubtotal
		s.Currency = line.Currency
	}
	s.AmountTotal = s.AmountSubtotal
	if s.HasTrial() {
		s.AmountSubtotal, s.AmountTotal = 0, 0
	}
}

// HasTrial reports whether the subscription begins with a trial.
func (s *CheckoutSession) HasTrial() bool {
	return s.SubscriptionData.TrialDays > 0 || s.SubscriptionData.TrialEnd > 0
}

// ReturnURL returns the address that a buyer is sent to after the payment.
func (s *CheckoutSession) ReturnURL() string {
	return strings.ReplaceAll(s.SuccessURL, SessionIDTemplate, url.PathEscape(s.ID))
}

// SetQuantity sets the quantity that a buyer chose, of the first line that may be adjusted.
func (s *CheckoutSession) SetQuantity(quantity *int64) error {
	if quantity == nil {
		return nil
	}
	i := max(0, slices.IndexFunc(s.Lines, func(l SessionLine) bool { return l.Adjustable }))
	line := &s.Lines[i]
	if *quantity < max(1, line.Least) || *quantity > line.Most {
		return InvalidRequest("quantity", "", "The quantity is from %d to %d.", max(1, line.Least), line.Most)
	}
	line.Quantity = *quantity
	s.UpdateTotals()
	return nil
}

// CheckoutSession is a checkout session.
type CheckoutSession struct {
	ID                  string           `json:"id"`
	Object              string           `json:"object"`
	AllowPromotionCodes *bool            `json:"allow_promotion_codes"`
	AmountSubtotal      int64            `json:"amount_subtotal"`
	AmountTotal         int64            `json:"amount_total"`
	AutomaticTax        Toggle           `json:"automatic_tax"`
	BillingAddress      *string          `json:"billing_address_collection"`
	CancelURL           *string          `json:"cancel_url"`
	ClientReferenceID   *string          `json:"client_reference_id"`
	Created             int64            `json:"created"`
	Currency            string           `json:"currency"`
	Customer            *string          `json:"customer"`
	CustomerCreation    *string          `json:"customer_creation"`
	CustomerDetails     *CustomerDetails `json:"customer_details"`
	CustomerEmail       *string          `json:"customer_email"`
	ExpiresAt           int64            `json:"expires_at"`
	Invoice             *string          `json:"invoice"`
	Livemode            bool             `json:"livemode"`
	Locale              *string          `json:"locale"`
	Metadata            Metadata         `json:"metadata"`
	Mode                string           `json:"mode"`
	PaymentIntent       *string          `json:"payment_intent"`
	PaymentCollection   string           `json:"payment_method_collection"`
	PaymentMethodTypes  []string         `json:"payment_method_types"`
	PaymentStatus       string           `json:"payment_status"`
	Status              string           `json:"status"`
	Subscription        *string          `json:"subscription"`
	SuccessURL          string           `json:"success_url"`
	TotalDetails        TotalDetails     `json:"total_details"`
	UIMode              string           `json:"ui_mode"`
	URL                 *string          `json:"url"`

	Lines            []SessionLine    `json:"-"` // shown where they are expanded
	SubscriptionData SubscriptionData `json:"-"`
	Declined         *string          `json:"-"` // the incomplete subscription of a declined card
}

// CustomerDetails is the buyer of a checkout session.
type CustomerDetails struct {
	Email     *string  `json:"email"`
	Name      *string  `json:"name"`
	Phone     *string  `json:"phone"`
	TaxExempt string   `json:"tax_exempt"`
	TaxIDs    []string `json:"tax_ids"`
}

// TotalDetails is what the totals of a checkout session include.
type TotalDetails struct {
	AmountDiscount int64 `json:"amount_discount"`
	AmountShipping int64 `json:"amount_shipping"`
	AmountTax      int64 `json:"amount_tax"`
}

// SessionLine is a line item of a checkout session.
type SessionLine struct {
	ID             string `json:"id"`
	Object         string `json:"object"`
	AmountDiscount int64  `json:"amount_discount"`
	AmountSubtotal int64  `json:"amount_subtotal"`
	AmountTax      int64  `json:"amount_tax"`
	AmountTotal    int64  `json:"amount_total"`
	Currency       string `json:"currency"`
	Description    string `json:"description"`
	Price          Price  `json:"price"`
	Quantity       int64  `json:"quantity"`

	Adjustable bool  `json:"-"`
	Least      int64 `json:"-"`
	Most       int64 `json:"-"`
}

// SubscriptionData is the subscription_data of a session.
type SubscriptionData struct {
	Metadata    Metadata
	Description *string
	TrialDays   int64
	TrialEnd    int64
	NoMethod    string // trial_settings[end_behavior][missing_payment_method]
}
