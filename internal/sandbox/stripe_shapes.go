package sandbox

// The shapes below are Stripe's at API version 2023-10-16, in answers and in the data of its events, as far as they mean anything
// here: what is always null or empty is left out, but for lists. They are also what the sandbox keeps. Fields without a name in
// JSON are its own.

type hash = map[string]string

type stripeProduct struct {
	ID          string   `json:"id"`
	Object      string   `json:"object"`
	Active      bool     `json:"active"`
	Created     int64    `json:"created"`
	Default     *string  `json:"default_price"`
	Description *string  `json:"description"`
	Features    []string `json:"features"`
	Images      []string `json:"images"`
	Livemode    bool     `json:"livemode"`
	Metadata    hash     `json:"metadata"`
	Name        string   `json:"name"`
	Type        string   `json:"type"`
	UnitLabel   *string  `json:"unit_label"`
	Updated     int64    `json:"updated"`
}

type stripePrice struct { //nolint:recvcheck // it is written where it is a field, by value
	ID                string           `json:"id"`
	Object            string           `json:"object"`
	Active            bool             `json:"active"`
	BillingScheme     string           `json:"billing_scheme"`
	Created           int64            `json:"created"`
	Currency          string           `json:"currency"`
	Livemode          bool             `json:"livemode"`
	LookupKey         *string          `json:"lookup_key"`
	Metadata          hash             `json:"metadata"`
	Nickname          *string          `json:"nickname"`
	Product           string           `json:"product"`
	Recurring         *stripeRecurring `json:"recurring"`
	TaxBehavior       string           `json:"tax_behavior"`
	TiersMode         *string          `json:"tiers_mode"`
	Transform         *stripeTransform `json:"transform_quantity"`
	Type              string           `json:"type"`
	UnitAmount        int64            `json:"unit_amount"`         // null where it has a fraction or tiers
	UnitAmountDecimal string           `json:"unit_amount_decimal"` // null where it has tiers

	Tiers   []stripeTier            `json:"-"` // said where they are expanded
	Options map[string]stripeOption `json:"-"` // by currency, likewise
}

// stripeTransform makes packages of a quantity.
type stripeTransform struct {
	DivideBy int64  `json:"divide_by"`
	Round    string `json:"round"`
}

type stripeTier struct {
	FlatAmount *int64 `json:"flat_amount"`
	UnitAmount int64  `json:"unit_amount"`
	UpTo       *int64 `json:"up_to"` // null: all above
}

// stripeOption is what a price costs in another currency.
type stripeOption struct {
	TaxBehavior       string `json:"tax_behavior"`
	UnitAmount        int64  `json:"unit_amount"`
	UnitAmountDecimal string `json:"unit_amount_decimal"`
}

type stripeRecurring struct {
	Interval      string `json:"interval"`
	IntervalCount int64  `json:"interval_count"`
	UsageType     string `json:"usage_type"`
}

// stripePlan is how a recurring price is called in old fields.
type stripePlan struct {
	ID            string  `json:"id"`
	Object        string  `json:"object"`
	Active        bool    `json:"active"`
	Amount        *int64  `json:"amount"`
	AmountDecimal *string `json:"amount_decimal"`
	BillingScheme string  `json:"billing_scheme"`
	Created       int64   `json:"created"`
	Currency      string  `json:"currency"`
	Interval      string  `json:"interval"`
	IntervalCount int64   `json:"interval_count"`
	Livemode      bool    `json:"livemode"`
	Product       string  `json:"product"`
	UsageType     string  `json:"usage_type"`
}

type stripeCustomer struct {
	ID              string              `json:"id"`
	Object          string              `json:"object"`
	Address         *stripeAddress      `json:"address"`
	Balance         int64               `json:"balance"`
	Created         int64               `json:"created"`
	Currency        *string             `json:"currency"`
	DefaultSource   *string             `json:"default_source"`
	Delinquent      bool                `json:"delinquent"`
	Description     *string             `json:"description"`
	Email           *string             `json:"email"`
	InvoicePrefix   string              `json:"invoice_prefix"`
	InvoiceSettings stripeInvoiceWishes `json:"invoice_settings"`
	Livemode        bool                `json:"livemode"`
	Metadata        hash                `json:"metadata"`
	Name            *string             `json:"name"`
	NextInvoice     int64               `json:"next_invoice_sequence"`
	Phone           *string             `json:"phone"`
	Locales         []string            `json:"preferred_locales"`
	TaxExempt       string              `json:"tax_exempt"`
}

type stripeAddress struct {
	City       *string `json:"city"`
	Country    *string `json:"country"`
	Line1      *string `json:"line1"`
	Line2      *string `json:"line2"`
	PostalCode *string `json:"postal_code"`
	State      *string `json:"state"`
}

type stripeInvoiceWishes struct {
	DefaultPaymentMethod *string `json:"default_payment_method"`
	Footer               *string `json:"footer"`
}

// goneJSON is what is left of a deleted object.
type goneJSON struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Deleted bool   `json:"deleted"`
}

type stripeMethod struct {
	ID             string        `json:"id"`
	Object         string        `json:"object"`
	BillingDetails stripeBilling `json:"billing_details"`
	Card           stripeCard    `json:"card"`
	Created        int64         `json:"created"`
	Customer       *string       `json:"customer"`
	Livemode       bool          `json:"livemode"`
	Metadata       hash          `json:"metadata"`
	Type           string        `json:"type"`

	Declines bool `json:"-"` // every charge
}

type stripeBilling struct {
	Address stripeAddress `json:"address"`
	Email   *string       `json:"email"`
	Name    *string       `json:"name"`
	Phone   *string       `json:"phone"`
}

type stripeCard struct {
	Brand    string `json:"brand"`
	Country  string `json:"country"`
	ExpMonth int64  `json:"exp_month"`
	ExpYear  int64  `json:"exp_year"`
	Funding  string `json:"funding"`
	Last4    string `json:"last4"`
}

type stripeSubscription struct {
	ID                   string             `json:"id"`
	Object               string             `json:"object"`
	AutomaticTax         stripeSwitch       `json:"automatic_tax"`
	BillingCycleAnchor   int64              `json:"billing_cycle_anchor"`
	CancelAt             *int64             `json:"cancel_at"`
	CancelAtPeriodEnd    bool               `json:"cancel_at_period_end"`
	CanceledAt           *int64             `json:"canceled_at"`
	CancellationDetails  stripeCancellation `json:"cancellation_details"`
	CollectionMethod     string             `json:"collection_method"`
	Created              int64              `json:"created"`
	Currency             string             `json:"currency"`
	CurrentPeriodEnd     int64              `json:"current_period_end"`
	CurrentPeriodStart   int64              `json:"current_period_start"`
	Customer             string             `json:"customer"`
	DaysUntilDue         *int64             `json:"days_until_due"`
	DefaultPaymentMethod *string            `json:"default_payment_method"`
	DefaultTaxRates      []string           `json:"default_tax_rates"`
	Description          *string            `json:"description"`
	EndedAt              *int64             `json:"ended_at"`
	Items                stripeItems        `json:"items"`
	LatestInvoice        *string            `json:"latest_invoice"`
	Livemode             bool               `json:"livemode"`
	Metadata             hash               `json:"metadata"`
	Plan                 *stripePlan        `json:"plan"`     // of the only item
	Quantity             *int64             `json:"quantity"` // of the only item
	StartDate            int64              `json:"start_date"`
	Status               string             `json:"status"`
	TrialEnd             *int64             `json:"trial_end"`
	TrialSettings        stripeTrial        `json:"trial_settings"`
	TrialStart           *int64             `json:"trial_start"`

	Waiting  []stripeLine `json:"-"` // prorations for the next invoice
	Failures int          `json:"-"` // of payment, one after the other
	Made     bool         `json:"-"` // told of
}

type stripeSwitch struct {
	Enabled bool `json:"enabled"`
}

type stripeCancellation struct {
	Comment  *string `json:"comment"`
	Feedback *string `json:"feedback"`
	Reason   *string `json:"reason"`
}

type stripeTrial struct {
	EndBehavior stripeTrialEnd `json:"end_behavior"`
}

type stripeTrialEnd struct {
	MissingPaymentMethod string `json:"missing_payment_method"`
}

type stripeItems struct {
	Object     string       `json:"object"`
	Data       []stripeItem `json:"data"`
	HasMore    bool         `json:"has_more"`
	TotalCount int          `json:"total_count"`
	URL        string       `json:"url"`
}

type stripeItem struct {
	ID           string      `json:"id"`
	Object       string      `json:"object"`
	Created      int64       `json:"created"`
	Metadata     hash        `json:"metadata"`
	Plan         stripePlan  `json:"plan"`
	Price        stripePrice `json:"price"`
	Quantity     int64       `json:"quantity"`
	Subscription string      `json:"subscription"`
	TaxRates     []string    `json:"tax_rates"`
}
