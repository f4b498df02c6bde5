// Package sandboxtest starts sandboxes for tests of the sandbox, with the clients that Clerk and Stripe publish and receivers of
// their webhooks.
package sandboxtest

import (
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/teamtask/teamtask/internal/sandbox"
)

// Serve starts a sandbox on a free port, which sets o.BaseURL, and returns its address.
func Serve(t *testing.T, o sandbox.Options) (*sandbox.Sandbox, string) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	o.BaseURL = "http://" + server.Listener.Addr().String()
	s, err := sandbox.New(o)
	if err != nil {
		t.Fatal(errors.Join(err, server.Listener.Close()))
	}
	server.Config.Handler = s.Handler()
	server.Start()
	t.Cleanup(server.Close)
	return s, o.BaseURL
}
