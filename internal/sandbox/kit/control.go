// Package kit is what the sandbox's two providers share: injected failures, deliveries of signed webhooks, control requests,
// and how JSON and refusals are read and written.
package kit

import (
	"io"
	"maps"
	"net/http"
	"strings"
)

// Control is the requests under /sandbox, by method and path. They stand for what people do in a browser and for what goes
// wrong. None needs a key. Request and response bodies are JSON objects; a refusal is one sentence of text, with 400 for a bad
// body.
type Control map[string]func(*http.Request) (any, error)

// Add adds the requests of another one.
func (c Control) Add(other Control) { maps.Copy(c, other) }

// Handle serves the requests on mux.
func (c Control) Handle(mux *http.ServeMux) {
	for pattern, method := range c {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			body, err := method(r)
			if err != nil {
				WriteRefusal(w, err)
				return
			}
			WriteJSON(w, http.StatusOK, body)
		})
	}
}

// ReadControl reads the JSON object of a control request. It ignores the Content-Type, so that curl -d works.
func ReadControl(r *http.Request, into any) error {
	raw, err := io.ReadAll(io.LimitReader(r.Body, BodyMax+1))
	if err != nil || len(raw) > BodyMax {
		return Refuse(http.StatusBadRequest, "The body is too long or did not arrive.")
	}
	if !strings.HasPrefix(strings.TrimSpace(string(raw)), "{") {
		return Refuse(http.StatusBadRequest, "The body is a JSON object.")
	}
	return DecodeJSON(raw, into)
}

// ReadOptional reads the JSON object of a control request that may have no body.
func ReadOptional(r *http.Request, into any) error {
	if r.ContentLength == 0 {
		return nil
	}
	return ReadControl(r, into)
}
