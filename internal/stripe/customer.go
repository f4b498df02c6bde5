package stripe

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"strings"
	"unicode"

	sdk "github.com/stripe/stripe-go/v76"
)

// metadataOrganization is the key under which customers and subscriptions carry the id
// of their organization.
const metadataOrganization = "organization_id"

const (
	customerNameMax = 256    // characters, Stripe's own limit
	pagesMax        = 10_000 // of one list: 1,000,000 rows
	idMax           = 255    // bytes
)

// Customer is a customer that was made for an organization.
type Customer struct{ ID, Organization string }

// CreateCustomer makes the customer of an organization. The same key makes one, however
// often it is tried; it returns the one it made even where that has been deleted since.
// After an error that is Replayed the same key cannot succeed: another may make a second
// customer, which customers shows.
func (s *Client) CreateCustomer(ctx context.Context, key, org, name string) (string, error) {
	return s.newCustomer(ctx, key, org, customerName(name))
}

// CustomerGone reports whether there is no such customer, or no longer.
func (s *Client) CustomerGone(ctx context.Context, id string) (bool, error) {
	if err := checkID("customers.retrieve", id); err != nil {
		return false, err
	}
	deleted, err := s.IsDeleted(ctx, id)
	if errors.Is(err, NotFound) {
		return true, nil
	}
	return deleted, err
}

// Customers are all customers that carry an organization's id. After an error nothing
// follows, and what came before is not the whole list.
func (s *Client) Customers(ctx context.Context) iter.Seq2[Customer, error] {
	return func(yield func(Customer, error) bool) {
		for c, err := range pages("customers.list", func(after string) (page[Customer], error) { return s.customerPage(ctx, after) }) {
			if (err != nil || c.Organization != "") && !yield(c, err) {
				return
			}
		}
	}
}

// CustomerOfCharge is the customer who was charged; "" where it was nobody.
func (s *Client) CustomerOfCharge(ctx context.Context, charge string) (string, error) {
	if err := checkPlainID("charges.retrieve", charge); err != nil {
		return "", err
	}
	return s.chargedCustomer(ctx, charge)
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

func (c Customer) key() string { return c.ID }

func (s *Client) newCustomer(ctx context.Context, key, org, name string) (string, error) {
	params := &sdk.CustomerParams{Name: sdk.String(name), Metadata: map[string]string{metadataOrganization: org}}
	return send(ctx, s, question{"customers.create", http.MethodPost, "/v1/customers", key, params}, func(c *sdk.Customer) (string, bool) {
		return c.ID, IsID(c.ID)
	})
}

// IsDeleted reports whether a customer that Stripe still knows was deleted.
func (s *Client) IsDeleted(ctx context.Context, id string) (bool, error) {
	q := question{"customers.retrieve", http.MethodGet, sdk.FormatURLPath("/v1/customers/%s", id), "", &sdk.CustomerParams{}}
	return send(ctx, s, q, func(c *sdk.Customer) (bool, bool) { return c.Deleted, c.ID == id })
}

// OrganizationOf is the organization that the customer carries, or "". A customer who is
// unknown or deleted carries none.
func (s *Client) OrganizationOf(ctx context.Context, id string) (string, error) {
	if err := checkID("customers.retrieve", id); err != nil {
		return "", err
	}
	q := question{"customers.retrieve", http.MethodGet, sdk.FormatURLPath("/v1/customers/%s", id), "", &sdk.CustomerParams{}}
	org, err := send(ctx, s, q, func(c *sdk.Customer) (string, bool) { return c.Metadata[metadataOrganization], c.ID == id })
	if errors.Is(err, NotFound) {
		return "", nil
	}
	return org, err
}

func (s *Client) customerPage(ctx context.Context, after string) (page[Customer], error) {
	params := &sdk.CustomerListParams{ListParams: listed(after)}
	return send(ctx, s, question{"customers.list", http.MethodGet, "/v1/customers", "", params}, func(l *sdk.CustomerList) (page[Customer], bool) {
		return readPage(l.Data, l.ListMeta, func(c *sdk.Customer) (Customer, bool) {
			if !IsID(c.ID) { // somebody chose it, and not for us
				return Customer{ID: c.ID}, c.ID != ""
			}
			return Customer{ID: c.ID, Organization: c.Metadata[metadataOrganization]}, true
		})
	})
}

// missing is ErrNoCustomer where Stripe says that the customer named in a request is
// none, and else err.
func missing(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Kind == NotFound && e.Param == "customer" {
		return ErrNoCustomer
	}
	return err
}
