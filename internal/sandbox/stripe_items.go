package sandbox

import "slices"

// itemsChange is what is to become of the items of a subscription.
type itemsChange struct {
	items     []itemChange
	proration string
	failing   string // payment_behavior: what a declined payment does
}

// itemChange is about one item, or about a new one where the index is below zero.
type itemChange struct {
	index    int
	price    *stripePrice // nil: as it is
	quantity int64
	metadata hash
	deleted  bool
}

func readProration(f *form, c *itemsChange) {
	c.proration = f.one("proration_behavior", prorateLater, prorateLater, prorateNow, prorateNever)
	c.failing = f.one("payment_behavior", "allow_incomplete", "allow_incomplete", "default_incomplete", "error_if_incomplete")
}

// readItemsChange reads items and what goes with them.
func (a stripeAPI) readItemsChange(f *form, s *stripeSubscription) itemsChange {
	var c itemsChange
	readProration(f, &c)
	for _, branch := range f.list("items") {
		one := itemChange{index: -1, quantity: 1}
		if id := branch.str("id"); id != nil {
			one.index = slices.IndexFunc(s.Items.Data, func(i stripeItem) bool { return i.ID == *id })
			if one.index < 0 {
				f.fail(missingAt(branch.within("id"), "subscription_item", *id))
				continue
			}
		}
		a.readItem(branch, s, &one)
		c.items = append(c.items, one)
	}
	return c
}

// readItem reads one item's change.
func (a stripeAPI) readItem(f *form, s *stripeSubscription, one *itemChange) {
	was := hash{}
	if one.index >= 0 {
		one.quantity, was = s.Items.Data[one.index].Quantity, s.Items.Data[one.index].Metadata
	}
	if f.has("price") || one.index < 0 {
		one.price = a.recurringPrice(f)
		for i, item := range s.Items.Data {
			if one.price != nil && i != one.index && item.Price.ID == one.price.ID {
				f.fail(invalidRequest(f.within("price"), "", "Cannot add multiple subscription items with the same plan: %s", item.Price.ID))
			}
		}
	}
	if n := f.number("quantity", 0, quantityMax); n != nil {
		one.quantity = *n
	}
	if gone := f.flag("deleted"); gone != nil {
		one.deleted = *gone
	}
	one.metadata = f.metadata(was)
	f.ignore("clear_usage")
}

// changeItems changes a subscription and its items, and charges or gives back the difference. With error_if_incomplete a declined
// payment changes nothing.
func (a *stripeAccount) changeItems(s *stripeSubscription, c itemsChange, also func()) error {
	method := a.methodOf(s)
	declines := method == nil || method.Declines
	if c.failing == "error_if_incomplete" && c.proration == prorateNow && declines && a.costsMore(s, c) {
		return declined()
	}
	var lines []stripeLine
	differences := func(item stripeItem, was, is int64) {
		if c.proration != prorateNever {
			lines = append(lines, a.proration(s, item, was, is)...)
		}
	}
	a.change(s, func() {
		also()
		gone := map[int]bool{}
		for _, one := range c.items {
			switch {
			case one.index < 0:
				item := a.newItem(FreshID("si_"), s, bought{one.price, one.quantity, one.metadata})
				s.Items.Data = append(s.Items.Data, item)
				differences(item, 0, one.quantity)
			case one.deleted:
				gone[one.index] = true
				differences(s.Items.Data[one.index], s.Items.Data[one.index].Quantity, 0)
			default:
				item := &s.Items.Data[one.index]
				if one.price != nil && one.price.ID != item.Price.ID {
					differences(*item, item.Quantity, 0)
					item.Price, item.Plan = *one.price, one.price.plan()
					differences(*item, 0, one.quantity)
				} else {
					differences(*item, item.Quantity, one.quantity)
				}
				item.Quantity, item.Metadata = one.quantity, one.metadata
			}
		}
		kept := []stripeItem{}
		for i, item := range s.Items.Data {
			if !gone[i] {
				kept = append(kept, item)
			}
		}
		s.Items.Data = kept
	})
	if len(lines) == 0 {
		return nil
	}
	for _, line := range lines {
		if extra, ok := a.extras.get(*line.InvoiceItem); ok {
			a.tell("invoiceitem.created", extra, nil)
		}
	}
	if c.proration == prorateLater {
		s.Waiting = append(s.Waiting, lines...)
		return nil
	}
	lines = slices.Concat(s.Waiting, lines)
	s.Waiting = nil
	invoice := a.draft(s, "subscription_update", lines)
	a.finalize(invoice)
	if !s.sendsInvoices() && c.failing != "default_incomplete" || invoice.Status == invoicePaid {
		a.collect(s, invoice)
	}
	return nil
}

// costsMore says whether a change raises what a period costs.
func (a *stripeAccount) costsMore(s *stripeSubscription, c itemsChange) bool {
	var more int64
	for _, one := range c.items {
		if one.index < 0 {
			more += one.price.costs(one.quantity, s.Currency)
			continue
		}
		item := s.Items.Data[one.index]
		more -= item.Price.costs(item.Quantity, s.Currency)
		if price := one.price; !one.deleted && price != nil {
			more += price.costs(one.quantity, s.Currency)
		} else if !one.deleted {
			more += item.Price.costs(one.quantity, s.Currency)
		}
	}
	return more > 0
}

// itemNamed finds an item and its subscription.
func (a stripeAPI) itemNamed(id string) (*stripeSubscription, int, error) {
	for _, s := range a.subscriptions.where(nil) {
		if i := slices.IndexFunc(s.Items.Data, func(i stripeItem) bool { return i.ID == id }); i >= 0 {
			return s, i, nil
		}
	}
	return nil, 0, missingAt("id", "subscription_item", id)
}

func (a stripeAPI) getItem(q stripeRequest) (any, error) {
	s, i, err := a.itemNamed(q.id)
	if err != nil {
		return nil, err
	}
	return s.Items.Data[i], q.form.done()
}

func (a stripeAPI) listItems(q stripeRequest) (any, error) {
	id := q.form.must("subscription")
	var items []*stripeItem
	if s, ok := a.subscriptions.get(id); ok {
		for i := range s.Items.Data {
			items = append(items, &s.Items.Data[i])
		}
	} else if id != "" {
		return nil, missingAt("subscription", "subscription", id)
	}
	return listed(q, items)
}

// changeItem answers POST /v1/subscription_items/{id}.
func (a stripeAPI) changeItem(q stripeRequest) (any, error) {
	s, i, err := a.itemNamed(q.id)
	if err != nil {
		return nil, err
	}
	one := itemChange{index: i}
	var c itemsChange
	readProration(q.form, &c)
	a.readItem(q.form, s, &one)
	one.deleted = false
	q.form.ignore("off_session")
	if err := q.form.done(); err != nil {
		return nil, err
	}
	if s.over() {
		return nil, invalidRequest("", "", "A canceled subscription can only update its cancellation_details and metadata.")
	}
	c.items = []itemChange{one}
	if err := a.changeItems(s, c, func() {}); err != nil {
		return nil, err
	}
	return s.Items.Data[i], nil
}
