package sandbox

import (
	"net/url"
	"regexp"
)

const endpointsMax = 16

var eventKind = regexp.MustCompile(`^[a-z_]+(\.[a-z_]+)+$`)

func (a stripeAPI) readEndpoint(f *form, e *stripeEndpoint) {
	if description := f.str("description"); description != nil {
		e.Description = OrNull(*description)
	}
	e.Metadata = f.metadata(e.Metadata)
	if at := f.str("url"); at != nil {
		e.URL = *at
		if u, err := url.Parse(*at); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			f.fail(invalidRequest("url", "url_invalid", "Invalid URL: an explicit scheme (such as https) must be provided."))
		}
	}
	if f.has("enabled_events") {
		e.EnabledEvents = f.texts("enabled_events")
		if len(e.EnabledEvents) == 0 {
			f.empty("enabled_events")
		}
		for _, kind := range e.EnabledEvents {
			if kind != "*" && !eventKind.MatchString(kind) {
				f.fail(invalidRequest("enabled_events", "", "Invalid enabled_events: %s", kind))
			}
		}
	}
}

func (a stripeAPI) postEndpoint(q stripeRequest) (any, error) {
	e := stripeEndpoint{
		ID: FreshID("we_"), Object: "webhook_endpoint", Created: a.at(), Status: "enabled", Key: FreshID(SecretPrefix),
		APIVersion: q.form.str("api_version"),
	}
	for _, name := range []string{"url", "enabled_events"} {
		if !q.form.has(name) {
			q.form.missing(name)
		}
	}
	if e.APIVersion != nil && *e.APIVersion != stripeVersion {
		q.form.fail(invalidRequest("api_version", "", "The sandbox sends events of version %s alone.", stripeVersion))
	}
	q.form.ignore("connect")
	a.readEndpoint(q.form, &e)
	if err := q.form.done(); err != nil {
		return nil, err
	}
	if len(a.endpoints.order) >= endpointsMax {
		return nil, invalidRequest("", "", "You have reached the maximum of %d test webhook endpoints.", endpointsMax)
	}
	a.endpoints.add(e.ID, &e)
	shown := e
	shown.Secret = e.Key // this once
	return shown, nil
}

func (a stripeAPI) getEndpoint(q stripeRequest) (any, error) {
	return only(&a.endpoints, "webhook endpoint", q)
}

func (a stripeAPI) listEndpoints(q stripeRequest) (any, error) {
	return listed(q, a.endpoints.where(nil))
}

func (a stripeAPI) changeEndpoint(q stripeRequest) (any, error) {
	e, err := named(&a.endpoints, "id", "webhook endpoint", q.id)
	if err != nil {
		return nil, err
	}
	changed := *e
	a.readEndpoint(q.form, &changed)
	if off := q.form.flag("disabled"); off != nil {
		changed.Status = map[bool]string{true: "disabled", false: "enabled"}[*off]
	}
	if err := q.form.done(); err != nil {
		return nil, err
	}
	*e = changed
	return e, nil
}

func (a stripeAPI) deleteEndpoint(q stripeRequest) (any, error) {
	e, err := named(&a.endpoints, "id", "webhook endpoint", q.id)
	if err != nil {
		return nil, err
	}
	if err := q.form.done(); err != nil {
		return nil, err
	}
	a.endpoints.remove(e.ID)
	return goneJSON{ID: e.ID, Object: e.Object, Deleted: true}, nil
}
