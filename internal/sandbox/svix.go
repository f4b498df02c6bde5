package sandbox

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Svix sends Clerk's webhooks. How it signs: https://docs.svix.com/receiving/verifying-payloads/how-manual, when it tries
// again: https://docs.svix.com/retries.

const (
	secretPrefix   = "whsec_"
	attemptTimeout = 15 * time.Second
	answerMax      = 64 << 10 // bytes of an answer that are read, so that the connection can be used again
)

// retrySchedule is how long after each failed attempt the next one follows.
var retrySchedule = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 10 * time.Hour,
}

// webhookKey reads the key behind whsec_.
func webhookKey(secret string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(secret, secretPrefix)
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

// svixPost makes one attempt and answers the status. Redirects are not followed.
func svixPost(ctx context.Context, client *http.Client, url string, key []byte, id string, now time.Time, body []byte) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	timestamp := strconv.FormatInt(now.Unix(), 10)
	for name, value := range map[string]string{
		"Content-Type": "application/json", "User-Agent": "Svix-Webhooks/sandbox",
		"Svix-Id": id, "Svix-Timestamp": timestamp, "Svix-Signature": svixSignature(key, id, timestamp, body),
	} {
		request.Header.Set(name, value)
	}
	answer, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, answerMax))
	return answer.StatusCode, answer.Body.Close()
}
