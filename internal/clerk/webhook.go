package clerk

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/teamtask/teamtask/internal/webhook"
)

// Webhook verifies the signatures of Clerk's events. Clerk signs by Svix's scheme
// (docs.svix.com/receiving/verifying-payloads/how-manual): HMAC-SHA256 over
// id.timestamp.body. A signature by any of the secrets is good, which is how one is
// exchanged for another.
type Webhook struct{ keys [][]byte }

const (
	idHeader        = "Svix-Id"
	timestampHeader = "Svix-Timestamp"
	signatureHeader = "Svix-Signature"

	secretMin  = 16  // bytes
	eventIDMax = 200 // bytes
)

// EventTypes are the events that Clerk documents for people and organizations.
var EventTypes = []string{
	"user.created", "user.updated", "user.deleted",
	"organization.created", "organization.updated", "organization.deleted",
	"organizationMembership.created", "organizationMembership.updated", "organizationMembership.deleted",
	"organizationInvitation.created", "organizationInvitation.accepted", "organizationInvitation.revoked",
}

var errWebhookSecret = errors.New("a webhook secret is missing or malformed: want whsec_ and at least 16 bytes in base64")

// NewWebhook returns a Webhook with the secrets, of which there must be one.
func NewWebhook(secrets []string) (*Webhook, error) {
	if len(secrets) == 0 {
		return nil, errWebhookSecret
	}
	keys := make([][]byte, 0, len(secrets))
	for _, secret := range secrets {
		text, ok := strings.CutPrefix(secret, "whsec_")
		key, err := base64.StdEncoding.DecodeString(text)
		if !ok || err != nil || len(key) < secretMin {
			return nil, errWebhookSecret
		}
		keys = append(keys, key)
	}
	return &Webhook{keys}, nil
}

// Check looks at the headers alone. It refuses with a [webhook.Cause] what cannot be
// signed, and what was not signed about now.
func (w *Webhook) Check(now time.Time, h http.Header) error {
	_, err := readSignature(now, h)
	return err
}

// Verify refuses with a [webhook.Cause] what Clerk has not signed about now.
func (w *Webhook) Verify(now time.Time, h http.Header, body []byte) error {
	read, err := readSignature(now, h)
	if err != nil {
		return err
	}
	return webhook.Match(w.keys, read.signatures, read.id+"."+read.timestamp+".", body)
}

// signed are the headers of a signed request, read.
type signed struct {
	id, timestamp string
	signatures    [][]byte
}

func readSignature(now time.Time, h http.Header) (signed, error) {
	id, timestamp, header := webhook.Header(h, idHeader), webhook.Header(h, timestampHeader), webhook.Header(h, signatureHeader)
	// A dot in the id could move the border between the signed parts.
	if id == "" || len(id) > eventIDMax || strings.Contains(id, ".") || strings.ContainsFunc(id, isUnprintable) || len(header) > webhook.HeaderMax {
		return signed{}, webhook.CauseHeaders
	}
	seconds, err := strconv.ParseUint(timestamp, 10, 40)
	if err != nil || timestamp[0] == '+' {
		return signed{}, webhook.CauseHeaders
	}
	signatures, err := decodeSignatures(header)
	if err != nil {
		return signed{}, err
	}
	return signed{id: id, timestamp: timestamp, signatures: signatures}, webhook.CheckTime(now, seconds)
}

func isUnprintable(r rune) bool { return r <= ' ' || r > '~' }

// decodeSignatures returns the decoded signatures of version 1. Other versions are passed
// over, as Svix asks for.
func decodeSignatures(header string) ([][]byte, error) {
	var all [][]byte
	entries := strings.Split(header, " ")
	if len(entries) > webhook.SignaturesMax {
		return nil, webhook.CauseHeaders
	}
	for _, entry := range entries {
		version, text, ok := strings.Cut(entry, ",")
		if !ok {
			return nil, webhook.CauseHeaders
		}
		if version != "v1" {
			continue
		}
		signature, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil || len(signature) != sha256.Size {
			return nil, webhook.CauseHeaders
		}
		all = append(all, signature)
	}
	if len(all) == 0 {
		return nil, webhook.CauseHeaders
	}
	return all, nil
}
