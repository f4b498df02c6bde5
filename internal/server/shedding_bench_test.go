package server_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/teamtask/teamtask/internal/stacktest"
)

// What it costs to refuse a call, without the network.
func BenchmarkShed(b *testing.B) {
	s := stacktest.New(b, nil)
	defer stacktest.FillLimiter(b, s.Calls, stacktest.Gamers)()
	token := s.Token("alice", "d2-gamers", 2)
	if _, err := s.Verifier.Verify(b.Context(), http.Header{"Authorization": {"Bearer " + token}}); err != nil {
		b.Fatal(err)
	}
	s.Calls.ShedDelay = 0
	for name, origin := range map[string][]string{"early": nil, "by the gate": {"https://app.example.com"}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest(http.MethodPost, stacktest.ListTasks, strings.NewReader("{}"))
				r.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + token}, "Origin": origin}
				w := httptest.NewRecorder()
				s.Handler.ServeHTTP(w, r)
				if w.Code != http.StatusTooManyRequests {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
	}
}
