package sandbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Svix sends Clerk's webhooks. How it signs: https://docs.svix.com/receiving/verifying-payloads/how-manual, when it tries
// again: https://docs.svix.com/retries.

// webhookKey reads the key behind whsec_.
func webhookKey(secret string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(secret, SecretPrefix)
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
func svixSigner(key []byte) Signer {
	return func(id string, now time.Time, body []byte) http.Header {
		timestamp := strconv.FormatInt(now.Unix(), 10)
		return http.Header{
			"User-Agent": {"Svix-Webhooks/sandbox"},
			"Svix-Id":    {id}, "Svix-Timestamp": {timestamp}, "Svix-Signature": {svixSignature(key, id, timestamp, body)},
		}
	}
}
