package sandbox

import (
	"encoding/json"
	"fmt"
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

// tell sends an event of a kind such as user.created to the webhook's address, with the data as it is now. The caller holds
// s.mu, so that events are told in the order of the changes.
func (s *clerkServer) tell(kind string, data any) {
	if s.webhook.URL == "" {
		return
	}
	if user, ok := data.(userJSON); ok {
		user.PrivateMetadata = nil
		data = user
	}
	body, err := json.Marshal(event{Data: data, Object: "event", Type: kind, Timestamp: s.dir.ms(), InstanceID: instanceID})
	if err != nil {
		panic(fmt.Sprintf("sandbox: write %s: %v", kind, err)) // a shape of ours that is no JSON
	}
	s.deliverer.Deliver(s.webhook, FreshID("msg_"), kind, body)
}
