package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What it costs to refuse a call, without the network.
func BenchmarkShed(b *testing.B) {
	s := newStack(b, nil)
	defer fillLimiter(b, s.calls, gamers)()
	token := s.token("alice", "d2-gamers", 2)
	if _, err := s.verifier.Verify(b.Context(), http.Header{"Authorization": {"Bearer " + token}}); err != nil {
		b.Fatal(err)
	}
	s.calls.ShedDelay = 0
	for name, origin := range map[string][]string{"early": nil, "by the gate": {"https://app.example.com"}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest(http.MethodPost, listTasks, strings.NewReader("{}"))
				r.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + token}, "Origin": origin}
				w := httptest.NewRecorder()
				s.handler.ServeHTTP(w, r)
				if w.Code != http.StatusTooManyRequests {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
	}
}
