package inbox

import (
	"encoding/json"
	"slices"
	"strings"
)

const (
	stripeName = "stripe"

	// Stripe's thin events name what they are about, and hold nothing else of it.
	thinObject = "v2.core.event"
	thinPing   = "v2.core.event_destination.ping"
	thinPrefix = "v1." // before the kind that the event has when it is not thin
)

// stripeEvent is what an event of Stripe's holds beside personal text.
type stripeEvent struct {
	ID       plainID   `json:"id,omitempty"`
	Object   plainWord `json:"object,omitempty"`
	Type     plainWord `json:"type,omitempty"`
	Livemode any       `json:"livemode,omitempty"`
	Account  plainID   `json:"account,omitempty"`
	Data     struct {
		Object struct {
			ID           plainID   `json:"id,omitempty"`
			Object       plainWord `json:"object,omitempty"`
			Customer     reference `json:"customer,omitzero"`
			Charge       reference `json:"charge,omitzero"`
			Subscription reference `json:"subscription,omitzero"`
		} `json:"object,omitzero"`
	} `json:"data,omitzero"`
	Related struct {
		ID   plainID   `json:"id,omitempty"`
		Type plainWord `json:"type,omitempty"`
	} `json:"related_object,omitzero"`
}

func readStripeEvent(body []byte) (stripeEvent, bool) {
	var e stripeEvent
	err := json.Unmarshal(body, &e)
	if _, ok := e.Livemode.(bool); !ok {
		e.Livemode = nil
	}
	return e, readable(err)
}

func reducedStripe(body []byte) []byte {
	e, ok := readStripeEvent(body)
	if !ok {
		return []byte(`{}`)
	}
	return written(e)
}

// kind is the kind of the event, the same whether it is thin or not.
func (e stripeEvent) kind() string {
	if e.thin() {
		return strings.TrimPrefix(string(e.Type), thinPrefix)
	}
	return string(e.Type)
}

func (e stripeEvent) thin() bool { return e.Object == thinObject }

// inapplicable reports whether the event is thin and in a form that can be applied to
// nothing here.
func (e stripeEvent) inapplicable(kinds []string) bool {
	if !e.thin() || e.Type == thinPing {
		return false
	}
	kind, ours := strings.CutPrefix(string(e.Type), thinPrefix)
	return !ours || slices.Contains(kinds, kind) && e.Related.ID == ""
}

func stripeThing(kind string, body []byte) Thing {
	e, ok := readStripeEvent(body)
	if !ok {
		return Thing{}
	}
	o := e.Data.Object
	if e.thin() {
		id := e.Related.ID.own()
		return Thing{Party: id, Subject: mergeable(kind, id), About: described(kind, e.Related.ID)}
	}
	customer := o.Customer.plainID
	if kind == "customer.deleted" {
		customer = o.ID
	}
	t := Thing{Party: customer.own(), Subject: mergeable(kind, customer.own()), About: described(kind, o.ID)}
	switch {
	case o.Customer.plainID != "":
		t.About += " of customer " + string(o.Customer.plainID)
	case o.Charge.plainID != "":
		t.About += " of charge " + string(o.Charge.plainID)
	}
	return t
}

// mergeable is the subject of an event of the kind about the thing. One that raises an
// alert of its own merges with none.
func mergeable(kind, id string) string {
	if kind == "charge.refunded" || kind == "charge.dispute.created" {
		return ""
	}
	return subject("purchases", id)
}

// described is the thing with a word for what it is: that of the kind before the last dot.
func described(kind string, id plainID) string {
	what := kind
	if dot := strings.LastIndexByte(kind, '.'); dot >= 0 {
		what = kind[:dot]
	}
	what = what[strings.LastIndexByte(what, '.')+1:]
	return named(what, string(id))
}
