package account

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

const eventsKept = 10_000

// heldEvent is an event that waits for its place in the order.
type heldEvent struct {
	kind  string
	event object.Event
}

// Emit publishes an event of a kind such as invoice.paid about an object. Before is what the object was, nil where the event does
// not show it.
func (a *Account) Emit(kind string, subject any, before map[string]any) {
	now := Document(subject)
	raw, err := json.Marshal(now)
	if err != nil {
		panic(fmt.Sprintf("sandbox: write %s: %v", kind, err)) // a document of ours that is no JSON
	}
	e := object.Event{
		ID: kit.FreshID("evt_"), Object: "event", APIVersion: object.Version, Created: a.Unix(), Data: object.EventData{Object: raw},
		Request: a.Request, Type: kind,
	}
	if before != nil {
		if e.Data.PreviousAttributes, err = json.Marshal(difference(before, now)); err != nil {
			panic(fmt.Sprintf("sandbox: write %s: %v", kind, err))
		}
	}
	if a.held != nil {
		*a.held = append(*a.held, heldEvent{kind, e})
		return
	}
	a.publish(e)
}

func (a *Account) publish(e object.Event) {
	var to []object.WebhookEndpoint
	for _, endpoint := range a.Endpoints.Where(nil) {
		wanted := slices.Contains(endpoint.EnabledEvents, e.Type) || slices.Contains(endpoint.EnabledEvents, "*")
		if endpoint.Status == "enabled" && wanted {
			to = append(to, *endpoint)
		}
	}
	e.PendingWebhooks = int64(len(to))
	a.Events.Add(e.ID, &e)
	if a.Events.Len() > eventsKept {
		a.Events.Remove(a.Events.order[0])
	}
	if a.OnEvent != nil {
		a.OnEvent(e, to)
	}
}

// inOrder calls do and then publishes its events in the order of kinds; other kinds come last.
func (a *Account) inOrder(kinds []string, do func() error) error {
	if a.held != nil { // by an outer inOrder
		return do()
	}
	held := []heldEvent{}
	a.held = &held
	err := do()
	a.held = nil
	place := func(kind string) int {
		if i := slices.Index(kinds, kind); i >= 0 {
			return i
		}
		return len(kinds)
	}
	slices.SortStableFunc(held, func(a, b heldEvent) int { return place(a.kind) - place(b.kind) })
	for _, h := range held {
		a.publish(h.event)
	}
	return err
}
