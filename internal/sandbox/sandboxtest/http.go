package sandboxtest

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// Response is an HTTP response with its body.
type Response struct {
	Status int
	Header http.Header
	Body   string
}

// Send makes a request without a body. It may be called from any goroutine of the test.
func Send(t *testing.T, method, url, authorization string) Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Error(err)
		return Response{}
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return Do(t, r)
}

// Do makes a request. It may be called from any goroutine of the test.
func Do(t *testing.T, r *http.Request) Response {
	t.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Error(err)
		return Response{}
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Error(err)
	}
	return Response{Status: response.StatusCode, Header: response.Header, Body: string(body)}
}

// Call makes a control request with a JSON body and checks the status of the response.
func Call(t *testing.T, method, url, body string, status int) Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return Response{}
	}
	a := Do(t, r)
	if a.Status != status {
		t.Errorf("%s %s %s: %d %s, want %d", method, url, body, a.Status, a.Body, status)
	}
	return a
}
