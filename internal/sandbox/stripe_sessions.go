package sandbox

import (
	"net/url"
	"slices"
	"strings"
)

// successURL is where a session leads to after it was paid.
func (s *stripeSession) successURL() string {
	return strings.ReplaceAll(s.SuccessURL, sessionIDTemplate, url.PathEscape(s.ID))
}

func (a stripeAPI) getSession(q stripeRequest) (any, error) {
	return only(&a.sessions, "checkout.session", q)
}

func (a stripeAPI) listSessions(q stripeRequest) (any, error) {
	customer, subscription := q.form.str("customer"), q.form.str("subscription")
	status := q.form.one("status", "", sessionOpen, sessionComplete, sessionExpired)
	return listed(q, a.sessions.where(func(s *stripeSession) bool {
		return (customer == nil || s.Customer != nil && *s.Customer == *customer) && (status == "" || s.Status == status) &&
			(subscription == nil || s.Subscription != nil && *s.Subscription == *subscription)
	}))
}

func (a stripeAPI) listSessionLines(q stripeRequest) (any, error) {
	s, err := named(&a.sessions, "id", "checkout.session", q.id)
	if err != nil {
		return nil, err
	}
	var lines []*stripeSessionLine
	for i := range s.Lines {
		lines = append(lines, &s.Lines[i])
	}
	return listed(q, lines)
}

func sessionLines(s *stripeSession) stripeListJSON {
	list := stripeListJSON{Object: "list", Data: []any{}, URL: "/v1/checkout/sessions/" + s.ID + "/line_items"}
	for _, line := range s.Lines {
		list.Data = append(list.Data, line)
	}
	return list
}

func (a stripeAPI) expireSession(q stripeRequest) (any, error) {
	s, err := named(&a.sessions, "id", "checkout.session", q.id)
	if err != nil {
		return nil, err
	}
	if err := q.form.done(); err != nil {
		return nil, err
	}
	if s.Status != sessionOpen {
		return nil, invalidRequest("", "", "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of %s.", s.Status)
	}
	a.expire(s)
	return s, nil
}

// expire ends an open session, and with it the subscription of a card that was declined.
func (a *stripeAccount) expire(s *stripeSession) {
	s.Status, s.URL = sessionExpired, nil
	if sub := a.declinedOf(s); sub != nil {
		a.giveUp(sub)
	}
	a.tell("checkout.session.expired", s, nil)
}

// declinedOf is the subscription that waits for another card; nil where there is none.
func (a *stripeAccount) declinedOf(s *stripeSession) *stripeSubscription {
	if s.Declined == nil {
		return nil
	}
	if sub, ok := a.subscriptions.get(*s.Declined); ok && sub.Status == subIncomplete {
		return sub
	}
	return nil
}

// adjust sets the quantity that a buyer chose, of the first line that may be adjusted.
func (s *stripeSession) adjust(quantity *int64) error {
	if quantity == nil {
		return nil
	}
	i := max(0, slices.IndexFunc(s.Lines, func(l stripeSessionLine) bool { return l.Adjustable }))
	line := &s.Lines[i]
	if *quantity < max(1, line.Least) || *quantity > line.Most {
		return invalidRequest("quantity", "", "The quantity is from %d to %d.", max(1, line.Least), line.Most)
	}
	line.Quantity = *quantity
	s.total()
	return nil
}
