package transport

import (
	"net/http"
	"net/http/httptest"

	"github.com/teamtask/teamtask/internal/stacktest"
)

// inProcess hands the request to the handler without a connection between.
func inProcess(s *stacktest.Stack, r *http.Request) stacktest.Reply {
	recorder := httptest.NewRecorder()
	s.Handler.ServeHTTP(recorder, r)
	response := recorder.Result()
	s.Look(r.Method+" "+r.URL.Path, response)
	s.FindLeaks(r.URL.Path, recorder.Body.Bytes())
	return stacktest.Reply{Status: response.StatusCode, Header: response.Header, Trailer: response.Trailer, Body: recorder.Body.Bytes()}
}
