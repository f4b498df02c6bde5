package fault

import (
	"bytes"
	"crypto/rand"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// preparedTypes are the content types for which responses are made in advance; "" is
// that of a GET.
var preparedTypes = []string{
	"", "application/json", "application/proto",
	"application/grpc", "application/grpc+proto", "application/grpc+json",
	"application/grpc-web", "application/grpc-web+proto", "application/grpc-web+json",
}

// Prepared is a refusal whose responses are made in advance, one for each protocol: for
// refusals that have to cost as little as possible. It is safe to share.
type Prepared struct {
	exit         *Exit
	code, reason string
	responses    map[string]*prepared // by content type
}

// prepared is one response. Its slices are shared with every header that they are in.
type prepared struct {
	status  int
	before  http.Header // what is set before the status is written
	after   http.Header // what is set after it: trailers
	content []byte
}

// Prepare makes the responses of a fault without a cause.
func (x *Exit) Prepare(f *Fault) *Prepared {
	p := &Prepared{exit: x, code: f.code.String(), reason: ReasonName(f.reason), responses: map[string]*prepared{}}
	stated, _ := onWire(f, "")
	for _, contentType := range preparedTypes {
		r := &http.Request{Method: http.MethodPost, URL: &url.URL{}, Header: http.Header{"Content-Type": {contentType}}}
		if contentType == "" {
			r.Method, r.Header = http.MethodGet, http.Header{}
		}
		made := &preparing{header: http.Header{}}
		_ = x.writer.Write(made, r, stated) // to memory
		p.responses[contentType] = made.prepared()
	}
	return p
}

// For reports whether there is a prepared response for the request.
func (p *Prepared) For(r *http.Request) bool { return p.of(r) != nil }

func (p *Prepared) of(r *http.Request) *prepared {
	switch r.Method {
	case http.MethodPost:
		if types := r.Header["Content-Type"]; len(types) == 1 && types[0] != "" {
			return p.responses[types[0]]
		}
	case http.MethodGet:
		return p.responses[""]
	}
	return nil
}

// Send refuses a call of the method, with an id of its own. For must hold.
func (p *Prepared) Send(w http.ResponseWriter, r *http.Request, method string, began time.Time) {
	id := rand.Text()
	response, header := p.of(r), w.Header()
	header[RequestIDHeader] = []string{id}
	maps.Copy(header, response.before)
	w.WriteHeader(response.status)
	maps.Copy(header, response.after)
	if len(response.content) > 0 {
		_, _ = w.Write(response.content) // the caller is gone if this fails
	}
	p.exit.ended(r.Context(), &call{id: id, started: began, method: method, code: p.code, reason: p.reason})
}

// preparing keeps what is written.
type preparing struct {
	header, before http.Header
	status         int
	content        bytes.Buffer
}

func (p *preparing) Header() http.Header { return p.header }

func (p *preparing) WriteHeader(status int) { p.status, p.before = status, p.header.Clone() }

func (p *preparing) Write(data []byte) (int, error) { return p.content.Write(data) }

func (p *preparing) prepared() *prepared {
	made := &prepared{status: p.status, before: p.before, after: http.Header{}, content: p.content.Bytes()}
	for name, values := range p.header {
		if _, ok := p.before[name]; !ok {
			made.after[name] = values
		}
	}
	if len(made.content) > 0 {
		made.before.Set("Content-Length", strconv.Itoa(len(made.content)))
	}
	for _, header := range []http.Header{made.before, made.after} {
		for name, values := range header {
			header[name] = slices.Clip(values) // an append makes a copy
		}
	}
	return made
}
