package object

// How the portal cancels.
const (
	CancelAtEnd = "at_period_end"
	CancelNow   = "immediately"
)

// PortalSession is a session of the customer portal.
type PortalSession struct {
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

// PortalConfiguration is a configuration of the customer portal.
type PortalConfiguration struct {
	ID               string          `json:"id"`
	Object           string          `json:"object"`
	Active           bool            `json:"active"`
	BusinessProfile  BusinessProfile `json:"business_profile"`
	Created          int64           `json:"created"`
	DefaultReturnURL *string         `json:"default_return_url"`
	Features         PortalFeatures  `json:"features"`
	IsDefault        bool            `json:"is_default"`
	Livemode         bool            `json:"livemode"`
	LoginPage        LoginPage       `json:"login_page"`
	Metadata         Metadata        `json:"metadata"`
	Updated          int64           `json:"updated"`
}

// BusinessProfile is the headline and the links of the portal.
type BusinessProfile struct {
	Headline          *string `json:"headline"`
	PrivacyPolicyURL  *string `json:"privacy_policy_url"`
	TermsOfServiceURL *string `json:"terms_of_service_url"`
}

// LoginPage is the login page of the portal.
type LoginPage struct {
	Enabled bool    `json:"enabled"`
	URL     *string `json:"url"`
}

// PortalFeatures is what the portal lets customers do.
type PortalFeatures struct {
	CustomerUpdate      CustomerUpdate     `json:"customer_update"`
	InvoiceHistory      Toggle             `json:"invoice_history"`
	PaymentMethodUpdate Toggle             `json:"payment_method_update"`
	SubscriptionCancel  SubscriptionCancel `json:"subscription_cancel"`
	SubscriptionPause   Toggle             `json:"subscription_pause"`
	SubscriptionUpdate  SubscriptionUpdate `json:"subscription_update"`
}

// CustomerUpdate is the feature that changes the customer's own details.
type CustomerUpdate struct {
	AllowedUpdates []string `json:"allowed_updates"`
	Enabled        bool     `json:"enabled"`
}

// SubscriptionCancel is the feature that cancels subscriptions.
type SubscriptionCancel struct {
	CancellationReason CancellationReason `json:"cancellation_reason"`
	Enabled            bool               `json:"enabled"`
	Mode               string             `json:"mode"`
	ProrationBehavior  string             `json:"proration_behavior"`
}

// CancellationReason is the question for the reason of a cancellation.
type CancellationReason struct {
	Enabled bool     `json:"enabled"`
	Options []string `json:"options"`
}

// SubscriptionUpdate is the feature that changes subscriptions.
type SubscriptionUpdate struct {
	DefaultAllowedUpdates []string `json:"default_allowed_updates"`
	Enabled               bool     `json:"enabled"`
	ProrationBehavior     string   `json:"proration_behavior"`

	Products []PortalProduct `json:"-"` // shown where they are expanded
}

// PortalProduct is a product that the portal lets customers change to.
type PortalProduct struct {
	Prices  []string `json:"prices"`
	Product string   `json:"product"`

	Least *int64 `json:"-"` // of the quantity
	Most  *int64 `json:"-"`
}
