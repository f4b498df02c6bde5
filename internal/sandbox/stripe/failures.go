package stripe

import (
	"net/http"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/api"
)

// try carries a request out, with the injected failure that it matches. It returns the response, nil where the client has gone
// away before anything was done, and the response that an idempotency key saves, nil for none.
func (s *Server) try(r *http.Request, q api.Request) (response, saved *api.Response) {
	f, ok := s.failures.Take(kit.Stripe, r)
	if !ok {
		done := s.do(q)
		return &done, savedOf(done)
	}
	if f.ApplyFirst {
		done := s.do(q)
		f.Wait(r.Context())
		if f.HasResponse() {
			failed := failureResponse(f)
			return &failed, savedOf(done)
		}
		return &done, savedOf(done)
	}
	if !f.Wait(r.Context()) {
		return nil, nil
	}
	switch {
	case f.Lie:
		lie := s.lie(q)
		return &lie, nil
	case f.HasResponse():
		failed := failureResponse(f)
		if f.Status == http.StatusInternalServerError { // Stripe itself failed, so the key saves it
			return &failed, &failed
		}
		return &failed, nil
	}
	done := s.do(q)
	return &done, savedOf(done)
}

// savedOf returns the response that an idempotency key saves: every one of a request that was carried out, and no refusal before.
func savedOf(a api.Response) *api.Response {
	if a.Status < http.StatusBadRequest || a.Status == http.StatusPaymentRequired || a.Status >= http.StatusInternalServerError {
		return &a
	}
	return nil
}

// failureResponse returns the response of an injected failure.
func failureResponse(f kit.Failure) api.Response {
	status := f.Status
	if status == 0 {
		status = http.StatusOK
	}
	a := api.RefusalResponse(api.StatusRefusal(status))
	if f.Body != "" {
		a.Body, a.ContentType = []byte(f.Body), f.ContentType()
	}
	a.Status, a.RetryAfter = status, f.RetryAfter
	return a
}

// lie returns a 200 with the response of a copy of the account, which is then dropped; where that is a refusal, an empty object.
func (s *Server) lie(q api.Request) api.Response {
	s.mu.Lock()
	shadow := s.account.Clone()
	s.mu.Unlock()
	response := api.Respond(shadow, q)
	if response.Status != http.StatusOK {
		response = api.Response{Status: http.StatusOK, Body: []byte("{}\n"), ContentType: kit.JSONType}
	}
	return response
}
