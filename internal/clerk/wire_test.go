package clerk

import (
	"compress/gzip"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/teamtask/teamtask/internal/outbound"
)

func TestTheClientsOwnConnectionsAreKeptAndBounded(t *testing.T) {
	t.Parallel()
	var answer atomic.Pointer[http.HandlerFunc]
	var elsewhere, remotes atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*answer.Load())(w, r) }))
	server.Config.ConnState = countNew(&remotes)
	server.Start()
	defer server.Close()
	c, err := New(Options{URL: server.URL + "/v1", SecretKey: testKey})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(h http.HandlerFunc) error {
		answer.Store(&h)
		_, err := c.User(t.Context(), "user_alice")
		return err
	}
	for range 5 {
		if err := ask(sends(http.StatusOK, aliceJSON)); err != nil {
			t.Fatal(err)
		}
	}
	if n := remotes.Load(); n != 1 {
		t.Errorf("%d connections for 5 calls in a row", n)
	}
	want(t, ask(sends(http.StatusTemporaryRedirect, "", "Location", other.URL)), Unavailable)
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
	var bomb strings.Builder // one byte more than may be, in a thousandth of it
	z := gzip.NewWriter(&bomb)
	z.Write(make([]byte, outbound.BodyMax+1))
	z.Close()
	if e := want(t, ask(sends(http.StatusOK, bomb.String(), "Content-Encoding", "gzip")), Unavailable); !e.TooLarge {
		t.Errorf("got %v", e)
	}
	good, tries := sends(http.StatusOK, aliceJSON), 0
	if err := ask(func(w http.ResponseWriter, r *http.Request) {
		if tries++; tries == 1 {
			w.Header().Set("X-Long", strings.Repeat("x", 2*outbound.HeadersMax))
		}
		good(w, r)
	}); err != nil || tries != 2 {
		t.Errorf("headers too long: got %v after %d tries", err, tries)
	}
}

func countNew(n *atomic.Int64) func(net.Conn, http.ConnState) {
	return func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			n.Add(1)
		}
	}
}
