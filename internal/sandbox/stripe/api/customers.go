package api

import (
	"regexp"
	"strings"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/account"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/form"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

// readCustomer reads the parameters that a customer is made and changed with into one.
func (a handler) readCustomer(f *form.Form, c *object.Customer) {
	for name, into := range map[string]**string{"name": &c.Name, "email": &c.Email, "description": &c.Description, "phone": &c.Phone} {
		if given := f.Text(name); given != nil {
			*into = kit.OrNull(*given)
		}
	}
	c.Metadata = f.Metadata(c.Metadata)
	if branch := f.Child("address"); branch != nil {
		c.Address = &object.Address{
			City: branch.Text("city"), Country: branch.Text("country"), Line1: branch.Text("line1"), Line2: branch.Text("line2"),
			PostalCode: branch.Text("postal_code"), State: branch.Text("state"),
		}
	}
	if balance := f.Number("balance", -1<<40, 1<<40); balance != nil {
		c.Balance = *balance
	}
	c.TaxExempt = f.OneOf("tax_exempt", c.TaxExempt, "none", "exempt", "reverse")
	if branch := f.Child("invoice_settings"); branch != nil {
		if id := branch.Text("default_payment_method"); id != nil {
			c.InvoiceSettings.DefaultPaymentMethod = kit.OrNull(*id)
			if m, ok := a.PaymentMethods.Get(*id); *id != "" && (!ok || m.Customer == nil || *m.Customer != c.ID) {
				f.Fail(object.Missing("invoice_settings[default_payment_method]", "PaymentMethod", *id))
			}
		}
		if footer := branch.Text("footer"); footer != nil {
			c.InvoiceSettings.Footer = kit.OrNull(*footer)
		}
	}
	f.Ignore("preferred_locales", "shipping", "tax", "validate")
}

func (a handler) postCustomer(q Request) (any, error) {
	id := kit.FreshID("cus_")
	made := object.Customer{ID: id, TaxExempt: "none"}
	a.readCustomer(q.Form, &made)
	card := q.Form.Text("payment_method")
	if err := q.Form.Done(); err != nil {
		return nil, err
	}
	var method *object.PaymentMethod
	if card != nil {
		var err error
		if method, err = a.Attachable(*card); err != nil {
			return nil, err
		}
	}
	c := a.NewCustomer(id)
	made.Object, made.Created, made.InvoicePrefix, made.NextInvoice, made.Locales = c.Object, c.Created, c.InvoicePrefix, 1, c.Locales
	*c = made
	a.Emit("customer.created", c, nil)
	if method != nil {
		a.Attach(method, c)
	}
	return c, nil
}

func (a handler) getCustomer(q Request) (any, error) {
	if a.DeletedCustomers[q.id] {
		return a.Find(q.id), q.Form.Done()
	}
	return only(&a.Customers, "customer", q)
}

func (a handler) listCustomers(q Request) (any, error) {
	email := q.Form.Text("email")
	return listed(q, a.Customers.Where(func(c *object.Customer) bool {
		return email == nil || c.Email != nil && *c.Email == *email
	}))
}

// searchCustomers finds at once what was made; Stripe may take a minute.
func (a handler) searchCustomers(q Request) (any, error) {
	limit := q.Form.Number("limit", 1, searchResultMax)
	q.Form.Ignore("page")
	fits, err := searchTerms(q.Form.Required("query"))
	if refused := q.Form.Done(); refused != nil {
		return nil, refused
	}
	if err != nil {
		return nil, err
	}
	found := a.Customers.Where(func(c *object.Customer) bool { return fits(c.Name, c.Email, c.Metadata) })
	result := map[string]any{"object": "search_result", "url": "/v1" + q.Path, "has_more": false, "next_page": nil}
	if most := 10; limit == nil && len(found) > most || limit != nil && len(found) > int(*limit) {
		if limit != nil {
			most = int(*limit)
		}
		found, result["has_more"] = found[:most], true
	}
	result["data"] = found
	if len(found) == 0 {
		result["data"] = []any{}
	}
	return result, nil
}

func (a handler) changeCustomer(q Request) (any, error) {
	c, err := account.Named(&a.Customers, "id", "customer", q.id)
	if err != nil {
		return nil, err
	}
	changed := *c
	a.readCustomer(q.Form, &changed)
	if err := q.Form.Done(); err != nil {
		return nil, err
	}
	before := account.Document(c)
	*c = changed
	a.Emit("customer.updated", c, before)
	return c, nil
}

// deleteCustomer takes a customer away, whose subscriptions end at once.
func (a handler) deleteCustomer(q Request) (any, error) {
	c, err := account.Named(&a.Customers, "id", "customer", q.id)
	if err != nil {
		return nil, err
	}
	if err := q.Form.Done(); err != nil {
		return nil, err
	}
	for _, sub := range a.Subscriptions.Where(func(sub *object.Subscription) bool { return sub.Customer == c.ID && !sub.Ended() }) {
		a.Cancel(sub)
	}
	a.Customers.Remove(c.ID)
	a.DeletedCustomers[c.ID] = true
	a.Emit("customer.deleted", c, nil)
	return a.Find(c.ID), nil
}

var (
	searchTerm = regexp.MustCompile(`^(name|email|metadata\[["']([^"']+)["']\]):["']([^"']*)["']$`)
	searchAnd  = regexp.MustCompile(`(?i)\s+AND\s+`)
)

// searchTerms reads a query such as metadata['a']:'b' AND name:'c' into a function that reports what fits.
func searchTerms(query string) (func(name, email *string, metadata object.Metadata) bool, error) {
	var terms [][]string
	for _, part := range searchAnd.Split(strings.TrimSpace(query), -1) {
		term := searchTerm.FindStringSubmatch(part)
		if term == nil {
			return nil, object.InvalidRequest("query", "", "We were unable to parse your search query. The sandbox knows name, email and metadata['key'] with ':' and AND.")
		}
		terms = append(terms, term)
	}
	return func(name, email *string, metadata object.Metadata) bool {
		for _, term := range terms {
			var is string
			switch {
			case term[1] == "name" && name != nil:
				is = *name
			case term[1] == "email" && email != nil:
				is = *email
			case term[2] != "":
				is = metadata[term[2]]
			}
			if is != term[3] {
				return false
			}
		}
		return true
	}, nil
}
