// Package api is the methods of Stripe's API over an account: it reads their parameters, calls the account, and expands and
// pages what they return.
package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/account"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/form"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

// Response is a response of Stripe's API.
type Response struct {
	Status      int
	Body        []byte
	ContentType string // of content
	RetryAfter  int    // Retry-After in seconds, 0 for none
	Replayed    bool
}

func (a Response) Write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", a.ContentType)
	if a.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(a.RetryAfter))
	}
	if a.Replayed {
		w.Header().Set("Idempotent-Replayed", "true")
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body)
}

// RefusalResponse returns a refusal as Stripe writes it.
func RefusalResponse(err error) Response {
	recorded := kit.NewRecorder()
	WriteRefusal(recorded, err)
	return Response{Status: recorded.Status, Body: recorded.Body.Bytes(), ContentType: kit.JSONType}
}

// Request is a request to Stripe's API.
type Request struct {
	RequestID, IdempotencyKey string // ids of the request and for its idempotency
	Method, Path              string
	id                        string // in the path
	Form                      *form.Form
}

// Respond carries a request out on an account. The caller holds the lock of what the account belongs to.
func Respond(a *account.Account, q Request) Response {
	body, err := handler{a}.perform(q)
	if err != nil {
		return RefusalResponse(err)
	}
	var out bytes.Buffer
	if err := json.NewEncoder(&out).Encode(body); err != nil {
		return RefusalResponse(err)
	}
	return Response{Status: http.StatusOK, Body: out.Bytes(), ContentType: kit.JSONType}
}

func (a handler) perform(q Request) (map[string]any, error) {
	method, id := methodFor(q.Method, q.Path)
	if method == nil {
		return nil, &object.Refusal{
			Status: http.StatusNotFound, Type: object.TypeInvalidRequest,
			Message: "Unrecognized request URL (" + q.Method + ": /v1" + q.Path + ").",
		}
	}
	q.id = id
	expand := q.Form.Texts("expand")
	a.Request = object.EventRequest{ID: &q.RequestID, IdempotencyKey: kit.OrNull(q.IdempotencyKey)}
	defer func() { a.Request = object.EventRequest{} }()
	a.Sweep()
	body, err := method(a, q)
	if err != nil {
		return nil, err
	}
	doc := account.Document(body)
	return doc, a.expand(doc, expand)
}
