package inbox

import (
	"crypto/sha256"
	"encoding/hex"
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
		Name:  stripeName,
		Kinds: stripeKinds,
		Check: func(now time.Time, h http.Header) error {
			_, _, err := readStripeHeader(now, h)
			return err
		},
		Verify: func(now time.Time, h http.Header, body []byte) error {
			return verifyStripe(keys, now, h, body)
		},
		Read: readStripe,
	}, nil
}

// readStripeHeader reads the header. It refuses what is malformed, and what was not signed
// about now.
func readStripeHeader(now time.Time, h http.Header) (timestamp string, signatures [][]byte, err error) {
	timestamp, signatures, err = stripeParts(only(h, stripeSignature))
	if err != nil {
		return "", nil, err
	}
	seconds, err := strconv.ParseUint(timestamp, 10, 40)
	if err != nil || timestamp[0] == '0' {
		return "", nil, CauseHeaders
	}
	if age := now.Unix() - int64(seconds); age > tolerance || age < -tolerance {
		return "", nil, CauseTime
	}
	return timestamp, signatures, nil
}

// verifyStripe looks at the header first, which costs nothing, and then at every
// signature with every key, however early one fits.
func verifyStripe(keys [][]byte, now time.Time, h http.Header, body []byte) error {
	timestamp, signatures, err := readStripeHeader(now, h)
	if err != nil {
		return err
	}
	return matched(keys, signatures, timestamp+".", body)
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
// is live or test, behind the account where it is a connected one's. A thin event has the
// kind of the event that is not thin.
func readStripe(_ http.Header, body []byte) (e Envelope) {
	read, ok := readStripeEvent(body)
	if !ok {
		return Envelope{}
	}
	if id := string(read.ID); stripeEventForm.MatchString(id) {
		e.ID = id
	}
	e.Kind, e.Inapplicable = read.kind(), read.inapplicable()
	if live, ok := read.Livemode.(bool); ok && live {
		e.Instance = "live"
	} else if ok {
		e.Instance = "test"
	}
	if account := read.Account.own(); account != "" {
		e.Instance = account + ":" + e.Instance
	}
	e.Thing = stripeThing(e.Kind, body)
	return e
}
