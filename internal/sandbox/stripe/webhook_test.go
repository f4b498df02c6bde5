package stripe

import (
	"encoding/json"
	"testing"

	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

// A thin event names the thing and holds nothing else of it.
func TestAThinEventNamesTheThingAlone(t *testing.T) {
	t.Parallel()
	raw, err := json.Marshal(thinOf(object.Event{
		ID: "evt_1", Created: 1_700_000_000, Type: "customer.subscription.updated",
		Data: object.EventData{Object: json.RawMessage(`{"id":"sub_1","object":"subscription","customer":"cus_1","status":"active"}`)},
	}))
	want := `{"id":"evt_1","object":"v2.core.event","type":"v1.customer.subscription.updated","created":"2023-11-14T22:13:20.000Z",` +
		`"livemode":false,"related_object":{"id":"sub_1","type":"subscription","url":"/v1/subscriptions/sub_1"}}`
	if err != nil || string(raw) != want {
		t.Errorf("got %s, %v, want %s", raw, err, want)
	}
}
