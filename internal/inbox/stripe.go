package inbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const stripeSignature = "Stripe-Signature"

var (
	errStripeSecret  = errors.New("a webhook secret is missing or malformed: want whsec_ and at least 16 characters behind it")
	stripeSecretForm = regexp.MustCompile(`^whsec_[A-Za-z0-9_+/=-]{16,}$`)
	stripeEventForm  = regexp.MustCompile(`^evt_[A-Za-z0-9_]+$`)
)

// stripeKinds are the events that tell of what seats hang on.
var stripeKinds = []string{
	"checkout.session.completed", "checkout.session.async_payment_succeeded", "checkout.session.async_payment_failed",
	"customer.subscription.created", "customer.subscription.updated", "customer.subscription.deleted",
	"customer.subscription.paused", "customer.subscription.resumed",
	"invoice.paid", "invoice.payment_failed", "customer.deleted", "charge.refunded", "charge.dispute.created",
}

// NewStripe is Stripe, which signs by a scheme of its own (docs.stripe.com/webhooks#verify-manually):
// HMAC-SHA256 over timestamp.body, keyed with all of the secret's text. A signature by any
// of the secrets is good, which is how one is exchanged for another. Events of every API
// version are taken: what is done about one is to ask for the present state.
func NewStripe(secrets []string) (Provider, error) {
	if len(secrets) == 0 {
		return Provider{}, errStripeSecret
	}
	keys := make([][]byte, 0, len(secrets))
	for _, secret := range secrets {
		if !stripeSecretForm.MatchString(secret) {
			return Provider{}, errStripeSecret
		}
		keys = append(keys, []byte(secret))
	}
	return Provider{
		Name:  "stripe",
		Kinds: stripeKinds,
		Verify: func(now time.Time, h http.Header, body []byte) error {
			return verifyStripe(keys, now, h, body)
		},
		Read: readStripe,
	}, nil
}

// verifyStripe looks at the header first, which costs nothing, and then at every
// signature with every key, however early one fits.
func verifyStripe(keys [][]byte, now time.Time, h http.Header, body []byte) error {
	timestamp, signatures, err := stripeParts(only(h, stripeSignature))
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseUint(timestamp, 10, 40)
	if err != nil || timestamp[0] == '0' {
		return CauseHeaders
	}
	if age := now.Unix() - int64(seconds); age > tolerance || age < -tolerance {
		return CauseTime
	}
	good := false
	for _, key := range keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(timestamp + "."))
		mac.Write(body)
		want := mac.Sum(nil)
		for _, signature := range signatures {
			if hmac.Equal(signature, want) {
				good = true
			}
		}
	}
	if !good {
		return CauseSignature
	}
	return nil
}

// stripeParts are the timestamp and the decoded signatures of version 1 in a header
// t=timestamp,v1=signature,v1=signature. Other versions are passed over.
func stripeParts(header string) (timestamp string, signatures [][]byte, err error) {
	if len(header) > headerMax {
		return "", nil, CauseHeaders
	}
	entries := strings.Split(header, ",")
	if len(entries) > 1+signatories {
		return "", nil, CauseHeaders
	}
	for _, entry := range entries {
		name, value, ok := strings.Cut(entry, "=")
		switch {
		case !ok || value == "" || name == "t" && timestamp != "":
			return "", nil, CauseHeaders
		case name == "t":
			timestamp = value
		case name == "v1":
			signature, err := hex.DecodeString(value)
			if err != nil || len(signature) != sha256.Size || strings.ToLower(value) != value {
				return "", nil, CauseHeaders
			}
			signatures = append(signatures, signature)
		}
	}
	if timestamp == "" || len(signatures) == 0 {
		return "", nil, CauseHeaders
	}
	return timestamp, signatures, nil
}

// readStripe reads the envelope, tolerant of everything but its own fields. The instance
// is live or test, behind the account where it is a connected one's.
func readStripe(_ http.Header, body []byte) (e Envelope) {
	var envelope struct {
		ID       any `json:"id"`
		Type     any `json:"type"`
		Account  any `json:"account"`
		Livemode any `json:"livemode"`
	}
	if json.Unmarshal(body, &envelope) != nil {
		return Envelope{}
	}
	if id, ok := envelope.ID.(string); ok && stripeEventForm.MatchString(id) {
		e.ID = id
	}
	e.Kind, _ = envelope.Type.(string)
	if live, ok := envelope.Livemode.(bool); ok && live {
		e.Instance = "live"
	} else if ok {
		e.Instance = "test"
	}
	if account, ok := envelope.Account.(string); ok && idForm.MatchString(account) {
		e.Instance = account + ":" + e.Instance
	}
	return e
}
