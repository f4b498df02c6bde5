package inbox

import (
	"encoding/json"
	"net/http"

	"github.com/teamtask/teamtask/internal/webhook"
)

const svixID = "Svix-Id"

// NewClerk returns Clerk as a provider. Kinds are those that have a metric of their own.
func NewClerk(signatures Signatures, kinds []string) Provider {
	return Provider{Name: clerkName, Kinds: kinds, Check: signatures.Check, Verify: signatures.Verify, Read: readClerk}
}

// readClerk reads the envelope, tolerant of everything but its own two fields. The id
// is in the header: the body has none.
func readClerk(h http.Header, body []byte) Envelope {
	e := Envelope{ID: webhook.Header(h, svixID)}
	var envelope struct {
		Type       any `json:"type"`
		InstanceID any `json:"instance_id"`
	}
	if json.Unmarshal(body, &envelope) != nil {
		return e
	}
	e.Kind, _ = envelope.Type.(string)
	e.Instance, _ = envelope.InstanceID.(string)
	e.Thing = clerkThing(e.Kind, body)
	if e.Kind == "user.deleted" {
		e.Gone = e.Thing.Person
	}
	return e
}
