package stripe

import (
	"context"
	"net/http"

	sdk "github.com/stripe/stripe-go/v76"
)

// foundProduct is a product as it is in Stripe.
type foundProduct struct {
	id       string
	active   bool
	metadata map[string]string
}

func (p foundProduct) key() string { return p.id }

func (s *Client) productPage(ctx context.Context, after string) (page[foundProduct], error) {
	params := &sdk.ProductListParams{ListParams: listed(after), Active: sdk.Bool(true)}
	return send(ctx, s, question{"products.list", http.MethodGet, "/v1/products", "", params}, func(l *sdk.ProductList) (page[foundProduct], bool) {
		return readPage(l.Data, l.ListMeta, readProduct)
	})
}

func (s *Client) productByID(ctx context.Context, id string) (foundProduct, error) {
	return send(ctx, s, question{"products.retrieve", http.MethodGet, sdk.FormatURLPath("/v1/products/%s", id), "", &sdk.ProductParams{}}, func(w *sdk.Product) (foundProduct, bool) {
		found, ok := readProduct(w)
		return found, ok && w.ID == id
	})
}

func (s *Client) newProduct(ctx context.Context, key, name string) (foundProduct, error) {
	params := &sdk.ProductParams{Name: sdk.String(name), UnitLabel: sdk.String("seat"), Metadata: map[string]string{metadataOurs: oursSeat}}
	return send(ctx, s, question{"products.create", http.MethodPost, "/v1/products", key, params}, func(w *sdk.Product) (foundProduct, bool) {
		found, ok := readProduct(w)
		return found, ok && IsID(w.ID)
	})
}

func readProduct(w *sdk.Product) (foundProduct, bool) {
	return foundProduct{id: w.ID, active: w.Active && !w.Deleted, metadata: w.Metadata}, w.ID != ""
}

func (s *Client) setupProduct(ctx context.Context, r *SetupResult) (foundProduct, error) {
	const name = "Seat"
	var found foundProduct
	for p, err := range pages("products.list", func(after string) (page[foundProduct], error) { return s.productPage(ctx, after) }) {
		if err != nil {
			return foundProduct{}, err
		}
		if p.metadata[metadataOurs] == oursSeat {
			found = p // the oldest comes last
		}
	}
	if found.id != "" {
		r.did("product", found.id, "found")
		return found, nil
	}
	made, err := makeOnce(ctx, []string{"product", name},
		func(key string) (foundProduct, error) { return s.newProduct(ctx, key, name) },
		func(p foundProduct) (foundProduct, bool, error) {
			now, err := s.productByID(ctx, p.id)
			return now, now.active, err
		})
	if err == nil {
		r.did("product", made.id, "made")
	}
	return made, err
}
