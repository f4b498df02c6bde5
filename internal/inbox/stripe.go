package inbox

import (
	"net/http"
	"regexp"
)

var stripeEventForm = regexp.MustCompile(`^evt_[A-Za-z0-9_]+$`)

// NewStripe returns Stripe as a provider. Kinds are the events that consumers apply; they
// have a metric of their own. Events of every API version are taken: what is done about one
// is to fetch the present state.
func NewStripe(signatures Signatures, kinds []string) Provider {
	return Provider{
		Name: stripeName, Kinds: kinds, Check: signatures.Check, Verify: signatures.Verify,
		Read: func(_ http.Header, body []byte) Envelope { return readStripe(kinds, body) },
	}
}

// readStripe reads the envelope, tolerant of everything but its own fields. The instance
// is live or test, behind the account where it is a connected one's. A thin event has the
// kind of the event that is not thin.
func readStripe(kinds []string, body []byte) (e Envelope) {
	read, ok := readStripeEvent(body)
	if !ok {
		return Envelope{}
	}
	if id := string(read.ID); stripeEventForm.MatchString(id) {
		e.ID = id
	}
	e.Kind, e.Inapplicable = read.kind(), read.inapplicable(kinds)
	if live, ok := read.Livemode.(bool); ok && live {
		e.Instance = "live"
	} else if ok {
		e.Instance = "test"
	}
	if account := read.Account.own(); account != "" {
		e.Instance = account + ":" + e.Instance
	}
	e.Thing = stripeThing(e.Kind, body)
	return e
}
