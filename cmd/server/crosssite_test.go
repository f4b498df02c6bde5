package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A page of another site can make a browser send these without asking first. None of
// them reaches a method that writes, token or not.
func TestWhatAForeignPageCanSendReachesNoMethodThatWrites(t *testing.T) {
	t.Parallel()
	s := newPaying(t, nil)
	token := s.token("alice", "d2-gamers", 2)
	id := s.put(row{tenant: "org_d2gamers"})[0]
	before := s.snapshot("org_d2gamers")
	for _, m := range methods() {
		if isRead(m) {
			continue
		}
		body := jsonOf(t, caseOf(t, m).request(id))
		for _, contentType := range []string{
			"", "text/plain", "text/plain;charset=UTF-8", "text/plain; application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
			"application/json, text/plain", "text/plain, application/json", "application/json+x", "application/jsonx",
		} {
			header := map[string]string{"Content-Type": contentType, "Origin": "https://evil.test", "Cookie": "__session=" + token}
			for name, over := range map[string]http.RoundTripper{"HTTP/1.1": s.http1, "h2c": s.http2} {
				title := fmt.Sprintf("%s as %q over %s", m.Name(), contentType, name)
				answer := s.send(over, http.MethodPost, procedureOf(m), token, header, strings.NewReader(string(body)))
				if answer.status != http.StatusUnsupportedMediaType {
					t.Errorf("%s: status %d, want 415: %s", title, answer.status, answer.body)
				}
				// A cookie is no token: what a browser adds by itself counts for nothing.
				header := map[string]string{"Content-Type": "application/json", "Cookie": "__session=" + token}
				s.expect(t, title+", with a cookie", s.send(over, http.MethodPost, procedureOf(m), "", header, strings.NewReader(string(body))), refused(16, "UNAUTHENTICATED"))
			}
		}
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			answer := s.send(s.http1, method, getURL(procedureOf(m), "json", body), token, nil, nil)
			if answer.status != http.StatusMethodNotAllowed {
				t.Errorf("%s of %s: status %d, want 405", method, m.Name(), answer.status)
			}
		}
	}
	if diff := cmp.Diff(before, s.snapshot("org_d2gamers")); diff != "" {
		t.Errorf("rows changed (-before +after):\n%s", diff)
	}
}

// The change from HTTP/1.1 to HTTP/2 within a connection would carry requests past a
// proxy that has looked only at the first.
func TestAConnectionIsNotUpgraded(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	token := s.token("alice", "d2-gamers", 2)
	id := s.put(row{tenant: "org_d2gamers"})[0]
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
		post := "POST " + getTask + " HTTP/1.1\r\nHost: teamtask\r\nContent-Type: application/json\r\n"
		length := fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
		conn := s.dial()
		for _, request := range []string{
			get(listing, token) + header + "\r\n",
			post + "Authorization: Bearer " + token + "\r\n" + header + length,
		} {
			conn.say(request)
			if got := conn.hear(); got.status != http.StatusOK || !strings.Contains(string(got.body), id) || got.header.Get("Upgrade") != "" {
				t.Errorf("%s: %d %v %s, want an ordinary answer", name, got.status, got.header, got.body)
			}
		}
		// The connection speaks HTTP/1.1 as before, and each request needs its own token.
		conn.say(post, header, length)
		if got := conn.hear(); got.status != http.StatusUnauthorized {
			t.Errorf("%s: without a token: %d %s", name, got.status, got.body)
		}
		conn.say(greeting())
		if got := conn.hear(); got.status == http.StatusOK || got.status == http.StatusSwitchingProtocols {
			t.Errorf("%s: the greeting of HTTP/2 behind a request: %d", name, got.status)
		}
		conn.ends(name)
	}
}
