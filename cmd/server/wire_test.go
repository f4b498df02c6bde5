package main

import (
	"net/http"
	"net/http/httptest"
)

// inProcess hands the request to the handler without a connection between.
func (s *stack) inProcess(r *http.Request) reply {
	recorder := httptest.NewRecorder()
	s.handler.ServeHTTP(recorder, r)
	response := recorder.Result()
	s.look(r.Method+" "+r.URL.Path, response)
	s.findLeaks(r.URL.Path, recorder.Body.Bytes())
	return reply{status: response.StatusCode, header: response.Header, trailer: response.Trailer, body: recorder.Body.Bytes()}
}
