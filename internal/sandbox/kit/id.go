package kit

import (
	"crypto/rand"
	"time"
)

// Day is 24 hours.
const Day = 24 * time.Hour

// SecretPrefix starts the signing secret of a webhook.
const SecretPrefix = "whsec_"

// FreshID returns an id that was never given before.
func FreshID(prefix string) string { return prefix + rand.Text() }

// OrNull returns a pointer to text, nil for an empty one: null in JSON.
func OrNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
