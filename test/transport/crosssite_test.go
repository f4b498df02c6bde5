package transport

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/stacktest"
)

// A page of another site can make a browser send these without asking first. None of
// them reaches a method that writes, token or not.
func TestWhatAForeignPageCanSendReachesNoMethodThatWrites(t *testing.T) {
	t.Parallel()
	s := stacktest.NewPaying(t, nil)
	token := s.Token("alice", "d2-gamers", 2)
	id := s.Put(stacktest.Row{Tenant: "org_d2gamers"})[0]
	before := s.Snapshot("org_d2gamers")
	for _, m := range stacktest.Methods() {
		if stacktest.IsRead(m) {
			continue
		}
		body := stacktest.JSONOf(t, stacktest.CaseOf(t, m).Request(id))
		for _, contentType := range []string{
			"", "text/plain", "text/plain;charset=UTF-8", "text/plain; application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
			"application/json, text/plain", "text/plain, application/json", "application/json+x", "application/jsonx",
		} {
			header := map[string]string{"Content-Type": contentType, "Origin": "https://evil.test", "Cookie": "__session=" + token}
			for name, over := range map[string]http.RoundTripper{"HTTP/1.1": s.HTTP1, "h2c": s.HTTP2} {
				title := fmt.Sprintf("%s as %q over %s", m.Name(), contentType, name)
				answer := s.Send(over, http.MethodPost, stacktest.ProcedureOf(m), token, header, strings.NewReader(string(body)))
				if answer.Status != http.StatusUnsupportedMediaType {
					t.Errorf("%s: status %d, want 415: %s", title, answer.Status, answer.Body)
				}
				// A cookie is no token: what a browser adds by itself counts for nothing.
				header := map[string]string{"Content-Type": "application/json", "Cookie": "__session=" + token}
				s.Expect(t, title+", with a cookie", s.Send(over, http.MethodPost, stacktest.ProcedureOf(m), "", header, strings.NewReader(string(body))), stacktest.Refused(16, "UNAUTHENTICATED"))
			}
		}
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			answer := s.Send(s.HTTP1, method, stacktest.GetURL(stacktest.ProcedureOf(m), "json", body), token, nil, nil)
			if answer.Status != http.StatusMethodNotAllowed {
				t.Errorf("%s of %s: status %d, want 405", method, m.Name(), answer.Status)
			}
		}
	}
	if diff := cmp.Diff(before, s.Snapshot("org_d2gamers")); diff != "" {
		t.Errorf("rows changed (-before +after):\n%s", diff)
	}
}

// The change from HTTP/1.1 to HTTP/2 within a connection would carry requests past a
// proxy that has looked only at the first.
func TestAConnectionIsNotUpgraded(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	token := s.Token("alice", "d2-gamers", 2)
	id := s.Put(stacktest.Row{Tenant: "org_d2gamers"})[0]
	for name, header := range map[string]string{
		"h2c":                  "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
		"h2c, kept alive":      "Connection: keep-alive, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
		"h2c without settings": "Connection: Upgrade\r\nUpgrade: h2c\r\n",
		"h2c with no settings": "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings:\r\n",
		"h2":                   "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
		"several":              "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: websocket, h2c, TLS/1.0\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
		"websocket":            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
	} {
		body := `{"id":"` + id + `"}`
		post := "POST " + stacktest.GetTask + " HTTP/1.1\r\nHost: teamtask\r\nContent-Type: application/json\r\n"
		length := fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
		conn := s.Dial()
		for _, request := range []string{
			stacktest.Get(stacktest.Listing, token) + header + "\r\n",
			post + "Authorization: Bearer " + token + "\r\n" + header + length,
		} {
			conn.Say(request)
			if got := conn.Hear(); got.Status != http.StatusOK || !strings.Contains(string(got.Body), id) || got.Header.Get("Upgrade") != "" {
				t.Errorf("%s: %d %v %s, want an ordinary answer", name, got.Status, got.Header, got.Body)
			}
		}
		// The connection speaks HTTP/1.1 as before, and each request needs its own token.
		conn.Say(post, header, length)
		if got := conn.Hear(); got.Status != http.StatusUnauthorized {
			t.Errorf("%s: without a token: %d %s", name, got.Status, got.Body)
		}
		conn.Say(stacktest.Greeting())
		if got := conn.Hear(); got.Status == http.StatusOK || got.Status == http.StatusSwitchingProtocols {
			t.Errorf("%s: the greeting of HTTP/2 behind a request: %d", name, got.Status)
		}
		conn.Ends(name)
	}
}
