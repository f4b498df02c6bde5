package object

// PaymentIntent is a payment intent.
type PaymentIntent struct {
	ID               string   `json:"id"`
	Object           string   `json:"object"`
	Amount           int64    `json:"amount"`
	AmountReceived   int64    `json:"amount_received"`
	Created          int64    `json:"created"`
	Currency         string   `json:"currency"`
	Customer         string   `json:"customer"`
	Invoice          *string  `json:"invoice"`
	LastPaymentError *Error   `json:"last_payment_error"`
	LatestCharge     *string  `json:"latest_charge"`
	Livemode         bool     `json:"livemode"`
	Metadata         Metadata `json:"metadata"`
	PaymentMethod    *string  `json:"payment_method"`
	Status           string   `json:"status"`
}

// Charge is a charge.
type Charge struct {
	ID                   string               `json:"id"`
	Object               string               `json:"object"`
	Amount               int64                `json:"amount"`
	AmountCaptured       int64                `json:"amount_captured"`
	AmountRefunded       int64                `json:"amount_refunded"`
	BillingDetails       BillingDetails       `json:"billing_details"`
	Captured             bool                 `json:"captured"`
	Created              int64                `json:"created"`
	Currency             string               `json:"currency"`
	Customer             string               `json:"customer"`
	Description          *string              `json:"description"`
	Disputed             bool                 `json:"disputed"`
	FailureCode          *string              `json:"failure_code"`
	FailureMessage       *string              `json:"failure_message"`
	Invoice              *string              `json:"invoice"`
	Livemode             bool                 `json:"livemode"`
	Metadata             Metadata             `json:"metadata"`
	Outcome              Outcome              `json:"outcome"`
	Paid                 bool                 `json:"paid"`
	PaymentIntent        *string              `json:"payment_intent"`
	PaymentMethod        *string              `json:"payment_method"`
	PaymentMethodDetails PaymentMethodDetails `json:"payment_method_details"`
	Refunded             bool                 `json:"refunded"`
	Status               string               `json:"status"`
}

// Outcome is the outcome of a charge.
type Outcome struct {
	NetworkStatus string  `json:"network_status"`
	Reason        *string `json:"reason"`
	RiskLevel     string  `json:"risk_level"`
	SellerMessage string  `json:"seller_message"`
	Type          string  `json:"type"`
}

// PaymentMethodDetails is the card that was charged.
type PaymentMethodDetails struct {
	Card Card   `json:"card"`
	Type string `json:"type"`
}

// Refund is a refund.
type Refund struct {
	ID            string   `json:"id"`
	Object        string   `json:"object"`
	Amount        int64    `json:"amount"`
	Charge        string   `json:"charge"`
	Created       int64    `json:"created"`
	Currency      string   `json:"currency"`
	Metadata      Metadata `json:"metadata"`
	PaymentIntent *string  `json:"payment_intent"`
	Reason        *string  `json:"reason"`
	Status        string   `json:"status"`
}

// Dispute is a dispute.
type Dispute struct {
	ID                 string          `json:"id"`
	Object             string          `json:"object"`
	Amount             int64           `json:"amount"`
	Charge             string          `json:"charge"`
	Created            int64           `json:"created"`
	Currency           string          `json:"currency"`
	EvidenceDetails    EvidenceDetails `json:"evidence_details"`
	IsChargeRefundable bool            `json:"is_charge_refundable"`
	Livemode           bool            `json:"livemode"`
	Metadata           Metadata        `json:"metadata"`
	PaymentIntent      *string         `json:"payment_intent"`
	Reason             string          `json:"reason"`
	Status             string          `json:"status"`
}

// EvidenceDetails is the state of the evidence in a dispute.
type EvidenceDetails struct {
	DueBy           int64 `json:"due_by"`
	HasEvidence     bool  `json:"has_evidence"`
	PastDue         bool  `json:"past_due"`
	SubmissionCount int64 `json:"submission_count"`
}
