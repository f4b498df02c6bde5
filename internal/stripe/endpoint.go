package stripe

import (
	"context"
	"net/http"
	"slices"
	"strings"

	sdk "github.com/stripe/stripe-go/v76"
)

// endpoint is a webhook endpoint as it is in Stripe. Only the response that creates it
// has the secret. Its API version does not matter: of an event only ids are read.
type endpoint struct {
	id, url, secret string
	enabled         bool
	connected       bool // is sent events of connected accounts, not of this one
	events          []string
}

func (s *Client) setupEndpoint(ctx context.Context, address string, r *SetupResult) error {
	var found endpoint
	for e, err := range pages("webhook_endpoints.list", func(after string) (page[endpoint], error) { return s.endpointPage(ctx, after) }) {
		if err != nil {
			return err
		}
		if e.url == address && !e.connected && (e.enabled || !found.enabled) {
			found = e // the oldest comes last; an enabled one goes before a disabled one
		}
	}
	if found.id == "" {
		made, err := makeOnce(ctx, append([]string{"webhook", address, apiVersion}, EventTypes...),
			func(key string) (endpoint, error) { return s.newEndpoint(ctx, key, address, EventTypes) },
			func(e endpoint) (endpoint, bool, error) {
				now, err := s.endpointByID(ctx, e.id)
				now.secret = e.secret
				return now, err == nil, err
			})
		if err != nil {
			return err
		}
		r.Endpoint, r.WebhookSecret = made.id, made.secret
		r.did("webhook endpoint", made.id, "made")
		return nil
	}
	r.Endpoint = found.id
	did := "found"
	if lacking := found.lacking(); len(lacking) > 0 {
		if _, err := s.setEndpoint(ctx, freshKey(), found.id, slices.Concat(found.events, lacking)); err != nil {
			return err
		}
		did = "repaired: it was not sent " + strings.Join(lacking, ", ")
	}
	r.did("webhook endpoint", found.id, did)
	if !found.enabled {
		r.Todo = append(r.Todo, "webhook endpoint "+found.id+" is disabled: enable it in the dashboard")
	}
	return nil
}

// lacking are the events that the endpoint is not sent.
func (e endpoint) lacking() []string {
	if slices.Contains(e.events, "*") {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(EventTypes), func(kind string) bool { return slices.Contains(e.events, kind) })
}

func (e endpoint) key() string { return e.id }

func (s *Client) endpointPage(ctx context.Context, after string) (page[endpoint], error) {
	params := &sdk.WebhookEndpointListParams{ListParams: listed(after)}
	return send(ctx, s, question{"webhook_endpoints.list", http.MethodGet, "/v1/webhook_endpoints", "", params}, func(l *sdk.WebhookEndpointList) (page[endpoint], bool) {
		return readPage(l.Data, l.ListMeta, readEndpoint)
	})
}

func (s *Client) endpointByID(ctx context.Context, id string) (endpoint, error) {
	path := sdk.FormatURLPath("/v1/webhook_endpoints/%s", id)
	return send(ctx, s, question{"webhook_endpoints.retrieve", http.MethodGet, path, "", &sdk.WebhookEndpointParams{}}, readEndpoint)
}

func (s *Client) newEndpoint(ctx context.Context, key, address string, events []string) (endpoint, error) {
	params := &sdk.WebhookEndpointParams{
		URL: sdk.String(address), EnabledEvents: sdk.StringSlice(events), APIVersion: sdk.String(apiVersion),
		Description: sdk.String("teamtask: seats"), Metadata: map[string]string{metadataOurs: oursWebhook},
	}
	return send(ctx, s, question{"webhook_endpoints.create", http.MethodPost, "/v1/webhook_endpoints", key, params}, readEndpoint)
}

// setEndpoint changes the events that the endpoint is sent.
func (s *Client) setEndpoint(ctx context.Context, key, id string, events []string) (endpoint, error) {
	path := sdk.FormatURLPath("/v1/webhook_endpoints/%s", id)
	params := &sdk.WebhookEndpointParams{EnabledEvents: sdk.StringSlice(events)}
	return send(ctx, s, question{"webhook_endpoints.update", http.MethodPost, path, key, params}, readEndpoint)
}

func readEndpoint(w *sdk.WebhookEndpoint) (endpoint, bool) {
	return endpoint{
		id: w.ID, url: w.URL, secret: w.Secret,
		enabled: w.Status == "enabled", connected: w.Application != "", events: w.EnabledEvents,
	}, IsID(w.ID)
}
