package stripe

import (
	"net/http"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/api"
)

// try carries a request out with the fault it meets, if any. It answers what to say, nil where the client has gone away
// before anything was done, and what an idempotency key keeps of it, nil for nothing.
func (s *Server) try(r *http.Request, q api.Request) (answer, keep *api.Response) {
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
		told := s.lie(q)
		return &told, nil
	case f.HasResponse():
		failed := failureResponse(f)
		if f.Status == http.StatusInternalServerError { // Stripe itself failed: what is in front of it remembers nothing
			return &failed, &failed
		}
		return &failed, nil
	}
	done := s.do(q)
	return &done, savedOf(done)
}

// savedOf is what a key keeps of an answer: whatever came of it once it was begun, and no refusal before that.
func savedOf(a api.Response) *api.Response {
	if a.Status < http.StatusBadRequest || a.Status == http.StatusPaymentRequired || a.Status >= http.StatusInternalServerError {
		return &a
	}
	return nil
}

// response is how a fault is told.
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

// lie answers 200 with what a copy of the account answers, which is then forgotten; where that is a refusal, with an empty
// object.
func (s *Server) lie(q api.Request) api.Response {
	s.mu.Lock()
	shadow := s.account.Clone()
	s.mu.Unlock()
	said := api.Respond(shadow, q)
	if said.Status != http.StatusOK {
		said = api.Response{Status: http.StatusOK, Body: []byte("{}\n"), ContentType: kit.JSONType}
	}
	return said
}
