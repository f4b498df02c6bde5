package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/teamtask/teamtask/internal/fault"
)

// What it costs to refuse a call, without the network.
func BenchmarkShed(b *testing.B) {
	s := newStack(b, nil)
	defer fillLimiter(b, s.calls, gamers)()
	c, err := readConfig(lookupIn(usual(s.database.AppURL, s.box), nil))
	if err != nil {
		b.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(discard{}, nil))
	handler, err := newAPI(c, parts{db: s.db, verifier: s.verifier, exit: fault.NewExit(log, s.metrics.Call), trail: s.trail, calls: s.calls, ready: s.db.Ready})
	if err != nil {
		b.Fatal(err)
	}
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
				handler.ServeHTTP(w, r)
				if w.Code != http.StatusTooManyRequests {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
