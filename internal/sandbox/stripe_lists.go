package sandbox

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
)

const (
	stripeLimit     = 10
	stripeLimitMax  = 100
	expandDepthMax  = 4
	searchResultMax = 100
)

type stripeListJSON struct {
	Object  string `json:"object"`
	Data    []any  `json:"data"`
	HasMore bool   `json:"has_more"`
	URL     string `json:"url"`
}

// listed is the page that was asked for of rows that stand newest first. It is the last reader of the parameters.
func listed[T any](q stripeRequest, rows []*T) (any, error) {
	limit := int64(stripeLimit)
	if given := q.form.number("limit", 1, stripeLimitMax); given != nil {
		limit = *given
	}
	after, before := q.form.str("starting_after"), q.form.str("ending_before")
	rows = slices.DeleteFunc(rows, createdOutside[T](q.form))
	if err := q.form.done(); err != nil {
		return nil, err
	}
	from, to := 0, len(rows)
	for param, id := range map[string]*string{"starting_after": after, "ending_before": before} {
		if id == nil {
			continue
		}
		i := slices.IndexFunc(rows, func(row *T) bool { return field(row, "ID").String() == *id })
		if i < 0 {
			return nil, missingAt(param, "object", *id)
		}
		if param == "starting_after" {
			from = i + 1
		} else {
			to = i
		}
	}
	more := int64(to-from) > limit
	if more && before != nil && after == nil {
		from = to - int(limit)
	} else if more {
		to = from + int(limit)
	}
	list := stripeListJSON{Object: "list", Data: []any{}, HasMore: more, URL: "/v1" + q.path}
	for _, row := range rows[from:max(from, to)] {
		list.Data = append(list.Data, row)
	}
	return list, nil
}

func field[T any](row *T, name string) reflect.Value {
	return reflect.ValueOf(row).Elem().FieldByName(name)
}

// createdOutside says which rows the parameter created leaves out.
func createdOutside[T any](f *form) func(*T) bool {
	if !f.has("created") {
		return func(*T) bool { return false }
	}
	within := []func(int64) bool{}
	if f.kids["created"].text != nil {
		if at := f.number("created", 0, 1<<40); at != nil {
			within = append(within, func(made int64) bool { return made == *at })
		}
	} else {
		branch := f.child("created")
		for name, is := range map[string]func(made, at int64) bool{
			"gt":  func(made, at int64) bool { return made > at },
			"gte": func(made, at int64) bool { return made >= at },
			"lt":  func(made, at int64) bool { return made < at },
			"lte": func(made, at int64) bool { return made <= at },
		} {
			if at := branch.number(name, 0, 1<<40); at != nil {
				within = append(within, func(made int64) bool { return is(made, *at) })
			}
		}
	}
	return func(row *T) bool {
		made := field(row, "Created").Int()
		return slices.ContainsFunc(within, func(is func(int64) bool) bool { return !is(made) })
	}
}

// expandable are the fields whose ids may be replaced by what they stand for.
var expandable = []string{
	"charge", "configuration", "customer", "default_payment_method", "default_price", "dispute", "invoice", "latest_charge", "latest_invoice",
	"payment_intent", "payment_method", "product", "subscription", "default_source", "setup_intent", "pending_setup_intent", "test_clock",
	"schedule", "application", "on_behalf_of", "discounts", "payment_link", "source",
}

// expand replaces ids in an answer by what they stand for, as paths such as data.latest_invoice.charge name them.
func (a stripeAPI) expand(doc map[string]any, paths []string) error {
	for _, path := range paths {
		steps := strings.Split(path, ".")
		depth := len(steps)
		if steps[0] == "data" {
			depth--
		}
		if depth > expandDepthMax {
			return invalidRequest("expand", "", "You cannot expand more than %d levels of a property (property: %s).", expandDepthMax, path)
		}
		if !a.expandAt(doc, steps) {
			return invalidRequest("expand", "", "This property cannot be expanded (%s).", path)
		}
	}
	return nil
}

// expandAt follows a path from an object, and says whether it leads somewhere.
func (a stripeAPI) expandAt(at any, steps []string) bool {
	if len(steps) == 0 {
		return true
	}
	if list, ok := at.([]any); ok {
		for _, one := range list {
			if !a.expandAt(one, steps) {
				return false
			}
		}
		return true
	}
	doc, ok := at.(map[string]any)
	if !ok {
		return at == nil || ok
	}
	name := steps[0]
	id, _ := doc["id"].(string)
	switch {
	case doc["object"] == "checkout.session" && name == "line_items" && doc[name] == nil:
		if s, ok := a.sessions.get(id); ok {
			doc[name] = document(sessionLines(s))
		}
	case doc["object"] == "customer" && name == "subscriptions" && doc[name] == nil:
		doc[name] = document(a.subscriptionsOf(id))
	case doc["object"] == "billing_portal.configuration" && slices.Equal(steps, portalProducts):
		return a.expandPortal(doc, id)
	case doc["object"] == "price" && (name == "currency_options" || name == "tiers"):
		if p, ok := a.prices.get(id); ok {
			doc[name] = p.expanded(name)
		}
		return len(steps) == 1
	}
	value, known := doc[name]
	if id, ok := value.(string); ok && slices.Contains(expandable, name) {
		if object := a.find(id); object != nil {
			doc[name] = document(object)
		}
		return a.expandAt(doc[name], steps[1:])
	}
	switch value.(type) {
	case map[string]any, []any:
		return a.expandAt(value, steps[1:])
	case nil:
		return known || slices.Contains(expandable, name)
	}
	return false
}

// portalProducts leads from a portal configuration to the products whose quantity may be changed in it.
var portalProducts = []string{"features", "subscription_update", "products"}

// expandPortal puts the products into the document of a portal configuration, and says whether there is a place for them.
func (a stripeAPI) expandPortal(doc map[string]any, id string) bool {
	p, ok := a.portals.get(id)
	features, _ := doc["features"].(map[string]any)
	update, found := features["subscription_update"].(map[string]any)
	if !ok || !found {
		return false
	}
	update["products"] = p.Features.SubscriptionUpdate.Products
	return true
}

var (
	searchTerm = regexp.MustCompile(`^(name|email|metadata\[["']([^"']+)["']\]):["']([^"']*)["']$`)
	searchAnd  = regexp.MustCompile(`(?i)\s+AND\s+`)
)

// searchTerms reads a query such as metadata['a']:'b' AND name:'c' into a function that says what fits.
func searchTerms(query string) (func(name, email *string, metadata hash) bool, error) {
	var terms [][]string
	for _, part := range searchAnd.Split(strings.TrimSpace(query), -1) {
		term := searchTerm.FindStringSubmatch(part)
		if term == nil {
			return nil, invalidRequest("query", "", "We were unable to parse your search query. The sandbox knows name, email and metadata['key'] with ':' and AND.")
		}
		terms = append(terms, term)
	}
	return func(name, email *string, metadata hash) bool {
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
