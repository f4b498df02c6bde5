package sandbox

import "encoding/json"

type stripeInvoice struct {
	ID                  string            `json:"id"`
	Object              string            `json:"object"`
	AmountDue           int64             `json:"amount_due"`
	AmountPaid          int64             `json:"amount_paid"`
	AmountRemaining     int64             `json:"amount_remaining"`
	AttemptCount        int64             `json:"attempt_count"`
	Attempted           bool              `json:"attempted"`
	AutoAdvance         bool              `json:"auto_advance"`
	AutomaticTax        stripeSwitch      `json:"automatic_tax"`
	BillingReason       string            `json:"billing_reason"`
	Charge              *string           `json:"charge"`
	CollectionMethod    string            `json:"collection_method"`
	Created             int64             `json:"created"`
	Currency            string            `json:"currency"`
	Customer            string            `json:"customer"`
	CustomerEmail       *string           `json:"customer_email"`
	CustomerName        *string           `json:"customer_name"`
	Discounts           []string          `json:"discounts"`
	EndingBalance       *int64            `json:"ending_balance"`
	Lines               stripeLines       `json:"lines"`
	Livemode            bool              `json:"livemode"`
	Metadata            hash              `json:"metadata"`
	NextPaymentAttempt  *int64            `json:"next_payment_attempt"`
	Number              *string           `json:"number"`
	Paid                bool              `json:"paid"`
	PaidOutOfBand       bool              `json:"paid_out_of_band"`
	PaymentIntent       *string           `json:"payment_intent"`
	PeriodEnd           int64             `json:"period_end"`
	PeriodStart         int64             `json:"period_start"`
	StartingBalance     int64             `json:"starting_balance"`
	Status              string            `json:"status"`
	StatusTransitions   stripeTransitions `json:"status_transitions"`
	Subscription        string            `json:"subscription"`
	SubscriptionDetails stripeNotes       `json:"subscription_details"`
	Subtotal            int64             `json:"subtotal"`
	Total               int64             `json:"total"`
}

type stripeTransitions struct {
	FinalizedAt           *int64 `json:"finalized_at"`
	MarkedUncollectibleAt *int64 `json:"marked_uncollectible_at"`
	PaidAt                *int64 `json:"paid_at"`
	VoidedAt              *int64 `json:"voided_at"`
}

type stripeNotes struct {
	Metadata hash `json:"metadata"`
}

type stripeLines struct {
	Object     string       `json:"object"`
	Data       []stripeLine `json:"data"`
	HasMore    bool         `json:"has_more"`
	TotalCount int          `json:"total_count"`
	URL        string       `json:"url"`
}

type stripeLine struct {
	ID               string       `json:"id"`
	Object           string       `json:"object"`
	Amount           int64        `json:"amount"`
	Currency         string       `json:"currency"`
	Description      string       `json:"description"`
	Discountable     bool         `json:"discountable"`
	InvoiceItem      *string      `json:"invoice_item,omitempty"`
	Livemode         bool         `json:"livemode"`
	Metadata         hash         `json:"metadata"`
	Period           stripePeriod `json:"period"`
	Plan             stripePlan   `json:"plan"`
	Price            stripePrice  `json:"price"`
	Proration        bool         `json:"proration"`
	Quantity         int64        `json:"quantity"`
	Subscription     string       `json:"subscription"`
	SubscriptionItem string       `json:"subscription_item"`
	Type             string       `json:"type"`
}

type stripePeriod struct {
	End   int64 `json:"end"`
	Start int64 `json:"start"`
}

// stripeInvoiceItem is a proration that waits for its invoice, or is on one.
type stripeInvoiceItem struct {
	ID           string       `json:"id"`
	Object       string       `json:"object"`
	Amount       int64        `json:"amount"`
	Currency     string       `json:"currency"`
	Customer     string       `json:"customer"`
	Date         int64        `json:"date"`
	Description  string       `json:"description"`
	Invoice      *string      `json:"invoice"`
	Livemode     bool         `json:"livemode"`
	Metadata     hash         `json:"metadata"`
	Period       stripePeriod `json:"period"`
	Price        stripePrice  `json:"price"`
	Proration    bool         `json:"proration"`
	Quantity     int64        `json:"quantity"`
	Subscription string       `json:"subscription"`
}

type stripeIntent struct {
	ID               string       `json:"id"`
	Object           string       `json:"object"`
	Amount           int64        `json:"amount"`
	AmountReceived   int64        `json:"amount_received"`
	Created          int64        `json:"created"`
	Currency         string       `json:"currency"`
	Customer         string       `json:"customer"`
	Invoice          *string      `json:"invoice"`
	LastPaymentError *stripeError `json:"last_payment_error"`
	LatestCharge     *string      `json:"latest_charge"`
	Livemode         bool         `json:"livemode"`
	Metadata         hash         `json:"metadata"`
	PaymentMethod    *string      `json:"payment_method"`
	Status           string       `json:"status"`
}

type stripeCharge struct {
	ID                   string        `json:"id"`
	Object               string        `json:"object"`
	Amount               int64         `json:"amount"`
	AmountCaptured       int64         `json:"amount_captured"`
	AmountRefunded       int64         `json:"amount_refunded"`
	BillingDetails       stripeBilling `json:"billing_details"`
	Captured             bool          `json:"captured"`
	Created              int64         `json:"created"`
	Currency             string        `json:"currency"`
	Customer             string        `json:"customer"`
	Description          *string       `json:"description"`
	Disputed             bool          `json:"disputed"`
	FailureCode          *string       `json:"failure_code"`
	FailureMessage       *string       `json:"failure_message"`
	Invoice              *string       `json:"invoice"`
	Livemode             bool          `json:"livemode"`
	Metadata             hash          `json:"metadata"`
	Outcome              stripeOutcome `json:"outcome"`
	Paid                 bool          `json:"paid"`
	PaymentIntent        *string       `json:"payment_intent"`
	PaymentMethod        *string       `json:"payment_method"`
	PaymentMethodDetails stripePaidBy  `json:"payment_method_details"`
	Refunded             bool          `json:"refunded"`
	Status               string        `json:"status"`
}

type stripeOutcome struct {
	NetworkStatus string  `json:"network_status"`
	Reason        *string `json:"reason"`
	RiskLevel     string  `json:"risk_level"`
	SellerMessage string  `json:"seller_message"`
	Type          string  `json:"type"`
}

type stripePaidBy struct {
	Card stripeCard `json:"card"`
	Type string     `json:"type"`
}

type stripeRefund struct {
	ID            string  `json:"id"`
	Object        string  `json:"object"`
	Amount        int64   `json:"amount"`
	Charge        string  `json:"charge"`
	Created       int64   `json:"created"`
	Currency      string  `json:"currency"`
	Metadata      hash    `json:"metadata"`
	PaymentIntent *string `json:"payment_intent"`
	Reason        *string `json:"reason"`
	Status        string  `json:"status"`
}

type stripeDispute struct {
	ID                 string         `json:"id"`
	Object             string         `json:"object"`
	Amount             int64          `json:"amount"`
	Charge             string         `json:"charge"`
	Created            int64          `json:"created"`
	Currency           string         `json:"currency"`
	EvidenceDetails    stripeEvidence `json:"evidence_details"`
	IsChargeRefundable bool           `json:"is_charge_refundable"`
	Livemode           bool           `json:"livemode"`
	Metadata           hash           `json:"metadata"`
	PaymentIntent      *string        `json:"payment_intent"`
	Reason             string         `json:"reason"`
	Status             string         `json:"status"`
}

type stripeEvidence struct {
	DueBy           int64 `json:"due_by"`
	HasEvidence     bool  `json:"has_evidence"`
	PastDue         bool  `json:"past_due"`
	SubmissionCount int64 `json:"submission_count"`
}

type stripeEvent struct {
	ID              string          `json:"id"`
	Object          string          `json:"object"`
	APIVersion      string          `json:"api_version"`
	Created         int64           `json:"created"`
	Data            stripeEventData `json:"data"`
	Livemode        bool            `json:"livemode"`
	PendingWebhooks int64           `json:"pending_webhooks"`
	Request         stripeCause     `json:"request"`
	Type            string          `json:"type"`
}

type stripeEventData struct {
	Object             json.RawMessage `json:"object"`
	PreviousAttributes json.RawMessage `json:"previous_attributes,omitempty"`
}

// stripeCause is the request that an event comes from, null where there was none.
type stripeCause struct {
	ID             *string `json:"id"`
	IdempotencyKey *string `json:"idempotency_key"`
}

type stripeEndpoint struct {
	ID            string   `json:"id"`
	Object        string   `json:"object"`
	APIVersion    *string  `json:"api_version"`
	Created       int64    `json:"created"`
	Description   *string  `json:"description"`
	EnabledEvents []string `json:"enabled_events"`
	Livemode      bool     `json:"livemode"`
	Metadata      hash     `json:"metadata"`
	Secret        string   `json:"secret,omitempty"` // in the answer to its creation alone
	Status        string   `json:"status"`
	URL           string   `json:"url"`

	Key string `json:"-"` // the secret
}
