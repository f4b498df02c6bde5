package api

import (
	"slices"

	"github.com/teamtask/teamtask/internal/sandbox/stripe/account"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/form"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

func readProration(f *form.Form, c *account.ItemsChange) {
	c.Proration = f.OneOf("proration_behavior", object.CreateProrations, object.CreateProrations, object.AlwaysInvoice, object.NoProrations)
	c.Failing = f.OneOf("payment_behavior", "allow_incomplete", "allow_incomplete", "default_incomplete", "error_if_incomplete")
}

// readItemsChange reads items and what goes with them.
func (a handler) readItemsChange(f *form.Form, s *object.Subscription) account.ItemsChange {
	var c account.ItemsChange
	readProration(f, &c)
	for _, branch := range f.List("items") {
		one := account.ItemChange{Index: -1, Quantity: 1}
		if id := branch.Text("id"); id != nil {
			one.Index = slices.IndexFunc(s.Items.Data, func(i object.Item) bool { return i.ID == *id })
			if one.Index < 0 {
				f.Fail(object.Missing(branch.Path("id"), "subscription_item", *id))
				continue
			}
		}
		a.readItem(branch, s, &one)
		c.Items = append(c.Items, one)
	}
	return c
}

// readItem reads one item's change.
func (a handler) readItem(f *form.Form, s *object.Subscription, one *account.ItemChange) {
	was := object.Metadata{}
	if one.Index >= 0 {
		one.Quantity, was = s.Items.Data[one.Index].Quantity, s.Items.Data[one.Index].Metadata
	}
	if f.Has("price") || one.Index < 0 {
		one.Price = a.recurringPrice(f)
		for i, item := range s.Items.Data {
			if one.Price != nil && i != one.Index && item.Price.ID == one.Price.ID {
				f.Fail(object.InvalidRequest(f.Path("price"), "", "Cannot add multiple subscription items with the same plan: %s", item.Price.ID))
			}
		}
	}
	if n := f.Number("quantity", 0, object.QuantityMax); n != nil {
		one.Quantity = *n
	}
	if gone := f.Bool("deleted"); gone != nil {
		one.Deleted = *gone
	}
	one.Metadata = f.Metadata(was)
	f.Ignore("clear_usage")
}

// itemNamed finds an item and its subscription.
func (a handler) itemNamed(id string) (*object.Subscription, int, error) {
	for _, s := range a.Subscriptions.Where(nil) {
		if i := slices.IndexFunc(s.Items.Data, func(i object.Item) bool { return i.ID == id }); i >= 0 {
			return s, i, nil
		}
	}
	return nil, 0, object.Missing("id", "subscription_item", id)
}

func (a handler) getItem(q Request) (any, error) {
	s, i, err := a.itemNamed(q.id)
	if err != nil {
		return nil, err
	}
	return s.Items.Data[i], q.Form.Done()
}

func (a handler) listItems(q Request) (any, error) {
	id := q.Form.Required("subscription")
	var items []*object.Item
	if s, ok := a.Subscriptions.Get(id); ok {
		for i := range s.Items.Data {
			items = append(items, &s.Items.Data[i])
		}
	} else if id != "" {
		return nil, object.Missing("subscription", "subscription", id)
	}
	return listed(q, items)
}

// changeItem serves POST /v1/subscription_items/{id}.
func (a handler) changeItem(q Request) (any, error) {
	s, i, err := a.itemNamed(q.id)
	if err != nil {
		return nil, err
	}
	one := account.ItemChange{Index: i}
	var c account.ItemsChange
	readProration(q.Form, &c)
	a.readItem(q.Form, s, &one)
	one.Deleted = false
	q.Form.Ignore("off_session")
	if err := q.Form.Done(); err != nil {
		return nil, err
	}
	if s.Ended() {
		return nil, object.InvalidRequest("", "", "A canceled subscription can only update its cancellation_details and metadata.")
	}
	c.Items = []account.ItemChange{one}
	if err := a.ChangeItems(s, c, func() {}); err != nil {
		return nil, err
	}
	return s.Items.Data[i], nil
}
