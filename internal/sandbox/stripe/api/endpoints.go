package api

import (
	"net/url"
	"regexp"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/account"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/form"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

const endpointsMax = 16

var eventKind = regexp.MustCompile(`^[a-z_]+(\.[a-z_]+)+$`)

func (a handler) readEndpoint(f *form.Form, e *object.WebhookEndpoint) {
	if description := f.Text("description"); description != nil {
		e.Description = kit.OrNull(*description)
	}
	e.Metadata = f.Metadata(e.Metadata)
	if at := f.Text("url"); at != nil {
		e.URL = *at
		if u, err := url.Parse(*at); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			f.Fail(object.InvalidRequest("url", "url_invalid", "Invalid URL: an explicit scheme (such as https) must be provided."))
		}
	}
	if f.Has("enabled_events") {
		e.EnabledEvents = f.Texts("enabled_events")
		if len(e.EnabledEvents) == 0 {
			f.Empty("enabled_events")
		}
		for _, kind := range e.EnabledEvents {
			if kind != "*" && !eventKind.MatchString(kind) {
				f.Fail(object.InvalidRequest("enabled_events", "", "Invalid enabled_events: %s", kind))
			}
		}
	}
}

func (a handler) postEndpoint(q Request) (any, error) {
	e := object.WebhookEndpoint{
		ID: kit.FreshID("we_"), Object: "webhook_endpoint", Created: a.Unix(), Status: "enabled", Key: kit.FreshID(kit.SecretPrefix),
		APIVersion: q.Form.Text("api_version"),
	}
	for _, name := range []string{"url", "enabled_events"} {
		if !q.Form.Has(name) {
			q.Form.Missing(name)
		}
	}
	if e.APIVersion != nil && *e.APIVersion != object.Version {
		q.Form.Fail(object.InvalidRequest("api_version", "", "The sandbox sends events of version %s alone.", object.Version))
	}
	q.Form.Ignore("connect")
	a.readEndpoint(q.Form, &e)
	if err := q.Form.Done(); err != nil {
		return nil, err
	}
	if a.Endpoints.Len() >= endpointsMax {
		return nil, object.InvalidRequest("", "", "You have reached the maximum of %d test webhook endpoints.", endpointsMax)
	}
	a.Endpoints.Add(e.ID, &e)
	shown := e
	shown.Secret = e.Key // this once
	return shown, nil
}

func (a handler) getEndpoint(q Request) (any, error) {
	return only(&a.Endpoints, "webhook endpoint", q)
}

func (a handler) listEndpoints(q Request) (any, error) {
	return listed(q, a.Endpoints.Where(nil))
}

func (a handler) changeEndpoint(q Request) (any, error) {
	e, err := account.Named(&a.Endpoints, "id", "webhook endpoint", q.id)
	if err != nil {
		return nil, err
	}
	changed := *e
	a.readEndpoint(q.Form, &changed)
	if off := q.Form.Bool("disabled"); off != nil {
		changed.Status = map[bool]string{true: "disabled", false: "enabled"}[*off]
	}
	if err := q.Form.Done(); err != nil {
		return nil, err
	}
	*e = changed
	return e, nil
}

func (a handler) deleteEndpoint(q Request) (any, error) {
	e, err := account.Named(&a.Endpoints, "id", "webhook endpoint", q.id)
	if err != nil {
		return nil, err
	}
	if err := q.Form.Done(); err != nil {
		return nil, err
	}
	a.Endpoints.Remove(e.ID)
	return object.Deleted{ID: e.ID, Object: e.Object, Deleted: true}, nil
}
