package stripe

// How the portal bills a change of seats, as Stripe calls it.
const (
	prorationNow   = "always_invoice"    // with an invoice of its own, at once
	prorationLater = "create_prorations" // on the invoice of the next period
	prorationNone  = "none"              // not before the next period, and nothing for the rest of this one
)

// Prorations are the values that Options.Proration takes beside "".
func Prorations() []string { return []string{prorationNow, prorationLater, prorationNone} }

// usualProration returns how a change of seats is billed where nothing was configured. A
// price of up to a month waits for its next invoice: an invoice for every change would be
// many small ones. A longer one is billed at once: its next invoice may be a year away.
func usualProration(p foundPrice) string {
	days := map[string]int64{"day": 1, "week": 7, "month": 31}[p.Interval]
	if days == 0 || max(p.count, 1)*days > 31 {
		return prorationNow
	}
	return prorationLater
}
