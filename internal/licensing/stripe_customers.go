package licensing

import (
	"context"
	"errors"
	"iter"
	"strings"
	"unicode"
)

// metadataOrganization is the key under which customers and subscriptions carry the id
// of their organization.
const metadataOrganization = "organization_id"

const (
	customerNameMax = 256    // characters, Stripe's own limit
	pagesMax        = 10_000 // of one list: 1,000,000 rows
	stripeIDMax     = 255    // bytes
)

// customer is a customer that was made for an organization.
type customer struct{ ID, Organization string }

// createCustomer makes the customer of an organization. The same key makes one, however
// often it is tried; it answers the one it made even where that has been deleted since.
// After an error that is Replayed the same key cannot succeed: another may make a second
// customer, which customers shows.
func (s *Stripe) createCustomer(ctx context.Context, key, org, name string) (string, error) {
	return s.newCustomer(ctx, key, org, customerName(name))
}

// customerGone tells whether there is no such customer, or no longer.
func (s *Stripe) customerGone(ctx context.Context, id string) (bool, error) {
	if err := checkStripeID("customers.retrieve", id); err != nil {
		return false, err
	}
	deleted, err := s.isDeleted(ctx, id)
	if errors.Is(err, StripeNotFound) {
		return true, nil
	}
	return deleted, err
}

// customers are all customers that carry an organization's id. After an error nothing
// follows, and what came before is not the whole list.
func (s *Stripe) customers(ctx context.Context) iter.Seq2[customer, error] {
	return func(yield func(customer, error) bool) {
		for c, err := range pages("customers.list", func(after string) (page[customer], error) { return s.customerPage(ctx, after) }) {
			if (err != nil || c.Organization != "") && !yield(c, err) {
				return
			}
		}
	}
}

// customerOfCharge is the customer who was charged; "" where it was nobody.
func (s *Stripe) customerOfCharge(ctx context.Context, charge string) (string, error) {
	if err := checkPlainID("charges.retrieve", charge); err != nil {
		return "", err
	}
	return s.chargedCustomer(ctx, charge)
}

// pages gives the rows of a list page by page. After an error nothing follows.
func pages[T row](name string, turn func(after string) (page[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		after := ""
		for range pagesMax {
			got, err := turn(after)
			if err != nil {
				yield(none, err)
				return
			}
			for _, row := range got.rows {
				if !yield(row, nil) {
					return
				}
			}
			if got.next == "" {
				return
			}
			if got.next == after {
				break
			}
			after = got.next
		}
		yield(none, &StripeError{Kind: StripeUnavailable, Method: name, words: "the list does not end"})
	}
}

// isStripeID tells whether id can be one that Stripe gives.
func isStripeID(id string) bool { return isPlainID(id) && !strings.Contains(id, "-") }

// isPlainID reports whether id can be one that Stripe gives, or one that somebody chose for
// what was brought into the account, such as "sub-legacy-1". It is a segment of a path as it
// stands.
func isPlainID(id string) bool {
	return id != "" && len(id) <= stripeIDMax && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	})
}

// checkStripeID refuses an id that must not get into a request. The id is not quoted:
// it may be anything.
func checkStripeID(method, id string) error {
	if isStripeID(id) {
		return nil
	}
	return &StripeError{Kind: StripeRefused, Method: method, words: "not asked: an id must hold letters, digits and underscores"}
}

// checkPlainID is checkStripeID for the id of a thing that somebody may have brought into the
// account.
func checkPlainID(method, id string) error {
	if isPlainID(id) {
		return nil
	}
	return checkStripeID(method, id)
}

// customerName makes a name one that Stripe takes: without control characters, and cut
// to 256 characters.
func customerName(name string) string {
	n := 0
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || n == customerNameMax {
			return -1
		}
		n++
		return r
	}, strings.ToValidUTF8(name, "")))
}
