package stripe

// payments replays the invoices of a subscription, oldest first, to find how many of its
// seats are paid for. Only lines of seats may be in them.
//
// A raise is paid for when its invoice is, and so are all raises before it in the same
// period: otherwise the credit for lowering an unpaid raise would pay for the next one. A
// void invoice pays for nothing and holds up nothing. Fewer seats end unpaid raises
// first, the latest ones. The credit for ending those pays for nothing, a renewal neither.
// All other credit does, and is taken to be spent last. A raise that no invoice bills (proration none, or prorations
// that wait for the next invoice) counts where grows is set.
type payments struct {
	grows   bool
	started bool // something was paid for

	paid, unpaid int64            // seats; together the running quantity
	quantities   map[string]int64 // the running quantity by item
	waits        bool             // for a raise that can still be paid
	billed       bool             // an invoice with seats was seen
	unearned     int64            // of the customer's credit: for seats that were never paid
}

// add applies the next invoice.
func (p *payments) add(i invoice) {
	p.started = p.started || i.paid && i.total >= 0
	base := !p.spends(i) && i.base()
	changes := i.changes()
	if len(changes) == 0 {
		return
	}
	if p.quantities == nil || base {
		p.quantities = map[string]int64{}
	}
	if base {
		p.paid, p.unpaid, p.waits = 0, 0, false
	}
	var unbilled, billed int64
	for item, c := range changes {
		had := p.quantities[item]
		switch {
		case base, c.period && (i.reason == reasonCreate || i.reason == reasonUpdate):
			billed += c.to - had
		case c.period: // a renewal bills what was changed before
			unbilled += c.to - had
		default:
			if !c.credited {
				c.from = had
			}
			unbilled += c.from - had
			billed += c.to - c.from
		}
		p.quantities[item] = c.to
	}
	p.unbilled(unbilled)
	p.billed = true
	switch {
	case billed < 0:
		ended := p.lower(-billed)
		if i.paid && i.total < 0 {
			p.unearned += share(-i.total, ended, -billed)
		}
	case i.paid && !p.waits:
		p.paid += billed
	case billed > 0:
		p.unpaid += billed
		p.waits = p.waits || !i.paid && !i.void
	}
}

// unbilled applies a change of the quantity that no invoice bills.
func (p *payments) unbilled(n int64) {
	switch {
	case n < 0:
		p.lower(-n)
	case p.grows || !p.billed:
		p.paid += n
	default:
		p.unpaid += n
	}
}

// lower ends so many seats and returns how many of them were unpaid.
func (p *payments) lower(n int64) int64 {
	first := min(n, p.unpaid)
	p.unpaid -= first
	p.paid -= n - first
	return first
}

// spends notes the credit that the invoice uses up, and reports whether it was paid from
// credit alone and not without some for seats that were never paid.
func (p *payments) spends(i invoice) bool {
	had := min(p.unearned, i.credit) // what is gone was used up elsewhere
	p.unearned = had
	if !i.void { // a void one gives back what it used
		p.unearned = max(0, had-max(0, i.total))
	}
	return i.creditOnly && i.credit-had < i.total
}

// share returns n/all of the amount.
func share(amount, n, all int64) int64 { return int64(float64(amount) * float64(n) / float64(all)) }

// settle returns how many seats are paid for of the present quantities.
func (p *payments) settle(quantities map[string]int64) int64 {
	var now, before int64
	for _, n := range quantities {
		now += n
	}
	for _, n := range p.quantities {
		before += n
	}
	p.unbilled(now - before)
	return max(0, min(p.paid, now))
}
