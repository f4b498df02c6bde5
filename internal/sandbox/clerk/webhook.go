package clerk

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/teamtask/teamtask/internal/sandbox/clerk/directory"
	"github.com/teamtask/teamtask/internal/sandbox/kit"
)

const (
	defaultSecret = "whsec_dGVhbXRhc2sgc2FuZGJveCBvZiBDbGVyaw==" //nolint:gosec // public, as the secret key of the sandbox is
	instanceID    = "ins_sandbox"
)

// event is the envelope of Clerk's events.
type event struct {
	Data       any             `json:"data"`
	Object     string          `json:"object"`
	Type       string          `json:"type"`
	Timestamp  int64           `json:"timestamp"` // milliseconds
	InstanceID string          `json:"instance_id"`
	Attributes eventAttributes `json:"event_attributes"`
}

type eventAttributes struct {
	HTTPRequest struct {
		ClientIP  string `json:"client_ip"`
		UserAgent string `json:"user_agent"`
	} `json:"http_request"`
}

// deliver sends an event of a kind such as user.created to the webhook's address, with the data as it is now. The caller holds
// s.mu, so that events are queued in the order of the changes.
func (s *Server) deliver(kind string, data any) {
	if s.webhook.URL == "" {
		return
	}
	if user, ok := data.(directory.UserJSON); ok {
		user.PrivateMetadata = nil
		data = user
	}
	body, err := json.Marshal(event{Data: data, Object: "event", Type: kind, Timestamp: s.dir.Millis(), InstanceID: instanceID})
	if err != nil {
		panic(fmt.Sprintf("sandbox: write %s: %v", kind, err)) // a shape of ours that is no JSON
	}
	s.deliverer.Deliver(s.webhook, kit.FreshID("msg_"), kind, body)
}

// Svix sends Clerk's webhooks. How it signs: https://docs.svix.com/receiving/verifying-payloads/how-manual, when it tries
// again: https://docs.svix.com/retries.

// webhookKey reads the key behind whsec_.
func webhookKey(secret string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(secret, kit.SecretPrefix)
	key, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(key) == 0 {
		return nil, errors.New("WebhookSecret is not whsec_ and base64")
	}
	return key, nil
}

// svixSignature signs an attempt: the id, the attempt's own time and the body.
func svixSignature(key []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	_, _ = fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body) // never fails
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// svixSigner signs with a key as Svix does.
func svixSigner(key []byte) kit.Signer {
	return func(id string, now time.Time, body []byte) http.Header {
		timestamp := strconv.FormatInt(now.Unix(), 10)
		return http.Header{
			"User-Agent": {"Svix-Webhooks/sandbox"},
			"Svix-Id":    {id}, "Svix-Timestamp": {timestamp}, "Svix-Signature": {svixSignature(key, id, timestamp, body)},
		}
	}
}
