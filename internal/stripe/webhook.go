package stripe

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/teamtask/teamtask/internal/webhook"
)

// Webhook verifies the signatures of Stripe's events (docs.stripe.com/webhooks#verify-manually):
// HMAC-SHA256 over timestamp.body, keyed with all of the secret's text. A signature by any
// of the secrets is good, which is how one is exchanged for another.
type Webhook struct{ keys [][]byte }

const signatureHeader = "Stripe-Signature"

var (
	errWebhookSecret  = errors.New("a webhook secret is missing or malformed: want whsec_ and at least 16 characters behind it")
	webhookSecretForm = regexp.MustCompile(`^whsec_[A-Za-z0-9_+/=-]{16,}$`)
)

// NewWebhook returns a Webhook with the secrets, of which there must be one.
func NewWebhook(secrets []string) (*Webhook, error) {
	if len(secrets) == 0 {
		return nil, errWebhookSecret
	}
	keys := make([][]byte, 0, len(secrets))
	for _, secret := range secrets {
		if !webhookSecretForm.MatchString(secret) {
			return nil, errWebhookSecret
		}
		keys = append(keys, []byte(secret))
	}
	return &Webhook{keys}, nil
}

// Check looks at the headers alone. It refuses with a [webhook.Cause] what cannot be
// signed, and what was not signed about now.
func (w *Webhook) Check(now time.Time, h http.Header) error {
	_, _, err := readSignature(now, h)
	return err
}

// Verify refuses with a [webhook.Cause] what Stripe has not signed about now.
func (w *Webhook) Verify(now time.Time, h http.Header, body []byte) error {
	timestamp, signatures, err := readSignature(now, h)
	if err != nil {
		return err
	}
	return webhook.Match(w.keys, signatures, timestamp+".", body)
}

func readSignature(now time.Time, h http.Header) (timestamp string, signatures [][]byte, err error) {
	timestamp, signatures, err = signatureParts(webhook.Header(h, signatureHeader))
	if err != nil {
		return "", nil, err
	}
	seconds, err := strconv.ParseUint(timestamp, 10, 40)
	if err != nil || timestamp[0] == '0' {
		return "", nil, webhook.CauseHeaders
	}
	return timestamp, signatures, webhook.CheckTime(now, seconds)
}

// signatureParts returns the timestamp and the decoded signatures of version 1 in a header
// t=timestamp,v1=signature,v1=signature. Other versions are passed over.
func signatureParts(header string) (timestamp string, signatures [][]byte, err error) {
	if len(header) > webhook.HeaderMax {
		return "", nil, webhook.CauseHeaders
	}
	entries := strings.Split(header, ",")
	if len(entries) > 1+webhook.SignaturesMax {
		return "", nil, webhook.CauseHeaders
	}
	for _, entry := range entries {
		name, value, ok := strings.Cut(entry, "=")
		switch {
		case !ok || value == "" || name == "t" && timestamp != "":
			return "", nil, webhook.CauseHeaders
		case name == "t":
			timestamp = value
		case name == "v1":
			signature, err := hex.DecodeString(value)
			if err != nil || len(signature) != sha256.Size || strings.ToLower(value) != value {
				return "", nil, webhook.CauseHeaders
			}
			signatures = append(signatures, signature)
		}
	}
	if timestamp == "" || len(signatures) == 0 {
		return "", nil, webhook.CauseHeaders
	}
	return timestamp, signatures, nil
}
