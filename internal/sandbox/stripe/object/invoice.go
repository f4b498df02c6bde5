package object

// The states of an invoice.
const (
	InvoiceDraft         = "draft"
	InvoiceOpen          = "open"
	InvoicePaid          = "paid"
	InvoiceVoid          = "void"
	InvoiceUncollectible = "uncollectible"
)

// Invoice is an invoice.
type Invoice struct {
	ID                  string              `json:"id"`
	Object              string              `json:"object"`
	AmountDue           int64               `json:"amount_due"`
	AmountPaid          int64               `json:"amount_paid"`
	AmountRemaining     int64               `json:"amount_remaining"`
	AttemptCount        int64               `json:"attempt_count"`
	Attempted           bool                `json:"attempted"`
	AutoAdvance         bool                `json:"auto_advance"`
	AutomaticTax        Toggle              `json:"automatic_tax"`
	BillingReason       string              `json:"billing_reason"`
	Charge              *string             `json:"charge"`
	CollectionMethod    string              `json:"collection_method"`
	Created             int64               `json:"created"`
	Currency            string              `json:"currency"`
	Customer            string              `json:"customer"`
	CustomerEmail       *string             `json:"customer_email"`
	CustomerName        *string             `json:"customer_name"`
	Discounts           []string            `json:"discounts"`
	EndingBalance       *int64              `json:"ending_balance"`
	Lines               Lines               `json:"lines"`
	Livemode            bool                `json:"livemode"`
	Metadata            Metadata            `json:"metadata"`
	NextPaymentAttempt  *int64              `json:"next_payment_attempt"`
	Number              *string             `json:"number"`
	Paid                bool                `json:"paid"`
	PaidOutOfBand       bool                `json:"paid_out_of_band"`
	PaymentIntent       *string             `json:"payment_intent"`
	PeriodEnd           int64               `json:"period_end"`
	PeriodStart         int64               `json:"period_start"`
	StartingBalance     int64               `json:"starting_balance"`
	Status              string              `json:"status"`
	StatusTransitions   StatusTransitions   `json:"status_transitions"`
	Subscription        string              `json:"subscription"`
	SubscriptionDetails SubscriptionDetails `json:"subscription_details"`
	Subtotal            int64               `json:"subtotal"`
	Total               int64               `json:"total"`
}

// StatusTransitions is the times at which an invoice changed its status.
type StatusTransitions struct {
	FinalizedAt           *int64 `json:"finalized_at"`
	MarkedUncollectibleAt *int64 `json:"marked_uncollectible_at"`
	PaidAt                *int64 `json:"paid_at"`
	VoidedAt              *int64 `json:"voided_at"`
}

// SubscriptionDetails is what an invoice repeats of its subscription.
type SubscriptionDetails struct {
	Metadata Metadata `json:"metadata"`
}

// Lines is the list of the lines of an invoice.
type Lines struct {
	Object     string `json:"object"`
	Data       []Line `json:"data"`
	HasMore    bool   `json:"has_more"`
	TotalCount int    `json:"total_count"`
	URL        string `json:"url"`
}

// Line is a line of an invoice.
type Line struct {
	ID               string   `json:"id"`
	Object           string   `json:"object"`
	Amount           int64    `json:"amount"`
	Currency         string   `json:"currency"`
	Description      string   `json:"description"`
	Discountable     bool     `json:"discountable"`
	InvoiceItem      *string  `json:"invoice_item,omitempty"`
	Livemode         bool     `json:"livemode"`
	Metadata         Metadata `json:"metadata"`
	Period           Period   `json:"period"`
	Plan             Plan     `json:"plan"`
	Price            Price    `json:"price"`
	Proration        bool     `json:"proration"`
	Quantity         int64    `json:"quantity"`
	Subscription     string   `json:"subscription"`
	SubscriptionItem string   `json:"subscription_item"`
	Type             string   `json:"type"`
}

// Period is the time that a line is for.
type Period struct {
	End   int64 `json:"end"`
	Start int64 `json:"start"`
}

// InvoiceItem is a proration that waits for its invoice, or is on one.
type InvoiceItem struct {
	ID           string   `json:"id"`
	Object       string   `json:"object"`
	Amount       int64    `json:"amount"`
	Currency     string   `json:"currency"`
	Customer     string   `json:"customer"`
	Date         int64    `json:"date"`
	Description  string   `json:"description"`
	Invoice      *string  `json:"invoice"`
	Livemode     bool     `json:"livemode"`
	Metadata     Metadata `json:"metadata"`
	Period       Period   `json:"period"`
	Price        Price    `json:"price"`
	Proration    bool     `json:"proration"`
	Quantity     int64    `json:"quantity"`
	Subscription string   `json:"subscription"`
}
