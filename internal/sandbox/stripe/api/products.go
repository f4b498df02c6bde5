package api

import (
	"slices"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/account"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/form"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

func (a handler) readProduct(f *form.Form, p *object.Product) {
	if name := f.Text("name"); name != nil {
		p.Name = *name
		if *name == "" {
			f.Empty("name")
		}
	}
	for name, into := range map[string]**string{"description": &p.Description, "unit_label": &p.UnitLabel} {
		if given := f.Text(name); given != nil {
			*into = kit.OrNull(*given)
		}
	}
	if active := f.Bool("active"); active != nil {
		p.Active = *active
	}
	p.Metadata = f.Metadata(p.Metadata)
	f.Ignore("images", "features", "statement_descriptor", "tax_code", "url", "type", "shippable")
}

func (a handler) postProduct(q Request) (any, error) {
	p := object.Product{
		ID: q.Form.TextOr("id", kit.FreshID("prod_")), Object: "product", Active: true, Created: a.Unix(), Features: []string{}, Images: []string{},
		Type: "service", Updated: a.Unix(),
	}
	if !q.Form.Has("name") {
		q.Form.Missing("name")
	}
	a.readProduct(q.Form, &p)
	if err := q.Form.Done(); err != nil {
		return nil, err
	}
	if _, ok := a.Products.Get(p.ID); ok {
		return nil, object.InvalidRequest("id", "resource_already_exists", "Product already exists.")
	}
	a.Products.Add(p.ID, &p)
	a.Emit("product.created", &p, nil)
	return &p, nil
}

func (a handler) getProduct(q Request) (any, error) {
	return only(&a.Products, "product", q)
}

func (a handler) listProducts(q Request) (any, error) {
	active, ids := q.Form.Bool("active"), q.Form.Texts("ids")
	return listed(q, a.Products.Where(func(p *object.Product) bool {
		return (active == nil || *active == p.Active) && (len(ids) == 0 || slices.Contains(ids, p.ID))
	}))
}

func (a handler) changeProduct(q Request) (any, error) {
	p, err := account.Named(&a.Products, "id", "product", q.id)
	if err != nil {
		return nil, err
	}
	changed := *p
	a.readProduct(q.Form, &changed)
	if id := q.Form.Text("default_price"); id != nil {
		changed.Default = id
		if price, ok := a.Prices.Get(*id); !ok || price.Product != p.ID {
			q.Form.Fail(object.Missing("default_price", "price", *id))
		}
	}
	if err := q.Form.Done(); err != nil {
		return nil, err
	}
	before := account.Document(p)
	changed.Updated = a.Unix()
	*p = changed
	a.Emit("product.updated", p, before)
	return p, nil
}
