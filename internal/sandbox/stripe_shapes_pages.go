package sandbox

type stripeSession struct {
	ID                  string       `json:"id"`
	Object              string       `json:"object"`
	AllowPromotionCodes *bool        `json:"allow_promotion_codes"`
	AmountSubtotal      int64        `json:"amount_subtotal"`
	AmountTotal         int64        `json:"amount_total"`
	AutomaticTax        stripeSwitch `json:"automatic_tax"`
	BillingAddress      *string      `json:"billing_address_collection"`
	CancelURL           *string      `json:"cancel_url"`
	ClientReferenceID   *string      `json:"client_reference_id"`
	Created             int64        `json:"created"`
	Currency            string       `json:"currency"`
	Customer            *string      `json:"customer"`
	CustomerCreation    *string      `json:"customer_creation"`
	CustomerDetails     *stripeBuyer `json:"customer_details"`
	CustomerEmail       *string      `json:"customer_email"`
	ExpiresAt           int64        `json:"expires_at"`
	Invoice             *string      `json:"invoice"`
	Livemode            bool         `json:"livemode"`
	Locale              *string      `json:"locale"`
	Metadata            hash         `json:"metadata"`
	Mode                string       `json:"mode"`
	PaymentIntent       *string      `json:"payment_intent"`
	PaymentCollection   string       `json:"payment_method_collection"`
	PaymentMethodTypes  []string     `json:"payment_method_types"`
	PaymentStatus       string       `json:"payment_status"`
	Status              string       `json:"status"`
	Subscription        *string      `json:"subscription"`
	SuccessURL          string       `json:"success_url"`
	TotalDetails        stripeTotals `json:"total_details"`
	UIMode              string       `json:"ui_mode"`
	URL                 *string      `json:"url"`

	Lines    []stripeSessionLine `json:"-"` // in an answer when they are expanded
	Wish     stripeWish          `json:"-"`
	Declined *string             `json:"-"` // the incomplete subscription of a declined card
}

type stripeBuyer struct {
	Email     *string  `json:"email"`
	Name      *string  `json:"name"`
	Phone     *string  `json:"phone"`
	TaxExempt string   `json:"tax_exempt"`
	TaxIDs    []string `json:"tax_ids"`
}

type stripeTotals struct {
	AmountDiscount int64 `json:"amount_discount"`
	AmountShipping int64 `json:"amount_shipping"`
	AmountTax      int64 `json:"amount_tax"`
}

type stripeSessionLine struct {
	ID             string      `json:"id"`
	Object         string      `json:"object"`
	AmountDiscount int64       `json:"amount_discount"`
	AmountSubtotal int64       `json:"amount_subtotal"`
	AmountTax      int64       `json:"amount_tax"`
	AmountTotal    int64       `json:"amount_total"`
	Currency       string      `json:"currency"`
	Description    string      `json:"description"`
	Price          stripePrice `json:"price"`
	Quantity       int64       `json:"quantity"`

	Adjustable bool  `json:"-"`
	Least      int64 `json:"-"`
	Most       int64 `json:"-"`
}

// stripeWish is the subscription_data of a session.
type stripeWish struct {
	Metadata    hash
	Description *string
	TrialDays   int64
	TrialEnd    int64
	NoMethod    string // trial_settings[end_behavior][missing_payment_method]
}

type stripePortalSession struct {
	ID            string  `json:"id"`
	Object        string  `json:"object"`
	Configuration string  `json:"configuration"`
	Created       int64   `json:"created"`
	Customer      string  `json:"customer"`
	Livemode      bool    `json:"livemode"`
	Locale        *string `json:"locale"`
	ReturnURL     *string `json:"return_url"`
	URL           string  `json:"url"`
}

type stripePortal struct {
	ID               string               `json:"id"`
	Object           string               `json:"object"`
	Active           bool                 `json:"active"`
	BusinessProfile  stripeBusiness       `json:"business_profile"`
	Created          int64                `json:"created"`
	DefaultReturnURL *string              `json:"default_return_url"`
	Features         stripePortalFeatures `json:"features"`
	IsDefault        bool                 `json:"is_default"`
	Livemode         bool                 `json:"livemode"`
	LoginPage        stripeLoginPage      `json:"login_page"`
	Metadata         hash                 `json:"metadata"`
	Updated          int64                `json:"updated"`
}

type stripeBusiness struct {
	Headline          *string `json:"headline"`
	PrivacyPolicyURL  *string `json:"privacy_policy_url"`
	TermsOfServiceURL *string `json:"terms_of_service_url"`
}

type stripeLoginPage struct {
	Enabled bool    `json:"enabled"`
	URL     *string `json:"url"`
}

type stripePortalFeatures struct {
	CustomerUpdate      stripeCustomerUpdate `json:"customer_update"`
	InvoiceHistory      stripeSwitch         `json:"invoice_history"`
	PaymentMethodUpdate stripeSwitch         `json:"payment_method_update"`
	SubscriptionCancel  stripeCancelFeature  `json:"subscription_cancel"`
	SubscriptionPause   stripeSwitch         `json:"subscription_pause"`
	SubscriptionUpdate  stripeUpdateFeature  `json:"subscription_update"`
}

type stripeCustomerUpdate struct {
	AllowedUpdates []string `json:"allowed_updates"`
	Enabled        bool     `json:"enabled"`
}

type stripeCancelFeature struct {
	CancellationReason stripeReasons `json:"cancellation_reason"`
	Enabled            bool          `json:"enabled"`
	Mode               string        `json:"mode"`
	ProrationBehavior  string        `json:"proration_behavior"`
}

type stripeReasons struct {
	Enabled bool     `json:"enabled"`
	Options []string `json:"options"`
}

type stripeUpdateFeature struct {
	DefaultAllowedUpdates []string `json:"default_allowed_updates"`
	Enabled               bool     `json:"enabled"`
	ProrationBehavior     string   `json:"proration_behavior"`

	Products []stripePortalProduct `json:"-"` // in an answer when they are expanded
}

type stripePortalProduct struct {
	Prices  []string `json:"prices"`
	Product string   `json:"product"`

	Least *int64 `json:"-"` // of the quantity
	Most  *int64 `json:"-"`
}
