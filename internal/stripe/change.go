package stripe

// change is what an invoice says of the quantity of an item. From is known where credit is
// given: not where the invoice bills a whole period, and not where what was there before
// cost nothing (all of it discounted).
type change struct {
	from, to int64
	period   bool
	credited bool
}

// changes returns what the invoice says of each item. Of several changes in a row the
// quantity before the first and the one after the last are returned.
func (i invoice) changes() map[string]change {
	all := map[string]change{}
	between := map[string]map[int64]int{} // by item and quantity: debits less credits
	for _, line := range i.lines.rows {
		c := all[line.item]
		switch {
		case line.period && !c.period:
			all[line.item] = change{to: line.quantity, period: true}
		case line.period:
			c.to += line.quantity
			all[line.item] = c
		case line.amount != 0:
			if between[line.item] == nil {
				between[line.item] = map[int64]int{}
			}
			if line.amount > 0 {
				between[line.item][line.quantity]++
			} else {
				between[line.item][line.quantity]--
			}
		}
	}
	for item, quantities := range between {
		if all[item].period {
			continue
		}
		var c change
		for quantity, n := range quantities {
			if n > 0 {
				c.to += quantity * int64(n)
			} else if n < 0 {
				c.from -= quantity * int64(n)
				c.credited = true
			}
		}
		if c.from != c.to {
			all[item] = c
		}
	}
	return all
}
