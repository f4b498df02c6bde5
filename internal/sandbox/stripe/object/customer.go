package object

// Customer is a customer.
type Customer struct {
	ID              string          `json:"id"`
	Object          string          `json:"object"`
	Address         *Address        `json:"address"`
	Balance         int64           `json:"balance"`
	Created         int64           `json:"created"`
	Currency        *string         `json:"currency"`
	DefaultSource   *string         `json:"default_source"`
	Delinquent      bool            `json:"delinquent"`
	Description     *string         `json:"description"`
	Email           *string         `json:"email"`
	InvoicePrefix   string          `json:"invoice_prefix"`
	InvoiceSettings InvoiceSettings `json:"invoice_settings"`
	Livemode        bool            `json:"livemode"`
	Metadata        Metadata        `json:"metadata"`
	Name            *string         `json:"name"`
	NextInvoice     int64           `json:"next_invoice_sequence"`
	Phone           *string         `json:"phone"`
	Locales         []string        `json:"preferred_locales"`
	TaxExempt       string          `json:"tax_exempt"`
}

// Address is a postal address.
type Address struct {
	City       *string `json:"city"`
	Country    *string `json:"country"`
	Line1      *string `json:"line1"`
	Line2      *string `json:"line2"`
	PostalCode *string `json:"postal_code"`
	State      *string `json:"state"`
}

// InvoiceSettings is the settings for the invoices of a customer.
type InvoiceSettings struct {
	DefaultPaymentMethod *string `json:"default_payment_method"`
	Footer               *string `json:"footer"`
}

// PaymentMethod is a payment method, always a card.
type PaymentMethod struct {
	ID             string         `json:"id"`
	Object         string         `json:"object"`
	BillingDetails BillingDetails `json:"billing_details"`
	Card           Card           `json:"card"`
	Created        int64          `json:"created"`
	Customer       *string        `json:"customer"`
	Livemode       bool           `json:"livemode"`
	Metadata       Metadata       `json:"metadata"`
	Type           string         `json:"type"`

	Declines bool `json:"-"` // every charge
}

// BillingDetails is the billing address of a payment method.
type BillingDetails struct {
	Address Address `json:"address"`
	Email   *string `json:"email"`
	Name    *string `json:"name"`
	Phone   *string `json:"phone"`
}

// Card is the card of a payment method.
type Card struct {
	Brand    string `json:"brand"`
	Country  string `json:"country"`
	ExpMonth int64  `json:"exp_month"`
	ExpYear  int64  `json:"exp_year"`
	Funding  string `json:"funding"`
	Last4    string `json:"last4"`
}
