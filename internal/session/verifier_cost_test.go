package session_test

import (
	"math"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/teamtask/teamtask/internal/session"
)

// Allocations are counted for the whole process, so nothing else may run meanwhile.

//nolint:paralleltest // see above
func TestCachedTokenAllocatesNothing(t *testing.T) {
	s := newStage(t, nil)
	header := bearerHeader(s.token(nil))
	cached := testing.AllocsPerRun(100, func() {
		if _, err := s.Verify(t.Context(), header); err != nil {
			t.Error(err)
		}
	})
	first := testing.AllocsPerRun(10, func() { newStage(t, nil).accept("first", header.Get("Authorization")[len("Bearer "):]) })
	if cached > 1 || first < 50 {
		t.Errorf("a cached token costs %v allocations, a new one %v; want none, and many", cached, first)
	}
}

// What is too long or not of the form is refused before anything is made of it.
//
//nolint:paralleltest // see above
func TestOversizedTokensAreRefusedBeforeTheyAreRead(t *testing.T) {
	s := newStage(t, nil)
	good := s.token(nil)
	// bounds is a signed token that is the first to reach the limit of 8 KB and the change.
	bounds := func(change int) string {
		for n := (8<<10 + change - len(good) - 40) * 3 / 4; ; n++ {
			if token := s.with("pad", strings.Repeat("p", n)); len(token) >= 8<<10+change {
				return token
			}
		}
	}
	largest := bounds(-1)
	if len(largest) > 8<<10 {
		t.Fatalf("the largest token has %d bytes", len(largest))
	}
	s.accept("8 KB", largest)
	s.refuse("8 KB and some", bounds(1))
	dots := func(n int) string { return strings.Repeat(".", n) }
	large := func(n int) string { return s.with("pad", strings.Repeat("p", n)) }
	for name, token := range map[string]string{
		"64 KB, signed":   large(64 << 10),
		"900 KB, signed":  large(900 << 10),
		"64 KB of x":      strings.Repeat("x", 64<<10),
		"900 KB of x":     strings.Repeat("x", 900<<10),
		"8 KB of x":       strings.Repeat("x", 8<<10),
		"8 KB of dots":    dots(8 << 10),
		"100,000 dots":    dots(100_000),
		"100,000 braces":  strings.Repeat("{", 100_000),
		"a large segment": good + strings.Repeat("A", 900<<10),
		"encrypted":       strings.Join([]string{"eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0", "", "AAAA", strings.Repeat("A", 900<<10), "AAAA"}, "."),
		"zipped":          strings.Join([]string{"eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwiemlwIjoiREVGIn0", "", "AAAA", strings.Repeat("A", 7000), "AAAA"}, "."),
		"nested lists":    compact(map[string]any{"alg": "RS256"}, strings.Repeat("W1tb", 1900), unsigned),
	} {
		header := http.Header{"Authorization": {"Bearer " + token}}
		limit := uint64(64 << 10)
		if len(token) > 8<<10 {
			limit = 4 << 10
		}
		least := uint64(math.MaxUint64) // of some tries: the runtime allocates now and then for itself
		for range 5 {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			actor, err := s.Verify(t.Context(), header)
			runtime.ReadMemStats(&after)
			s.wantUnauthenticated(name, actor, err)
			least = min(least, after.TotalAlloc-before.TotalAlloc)
		}
		if least > limit {
			t.Errorf("%s: %d bytes were allocated, want at most %d", name, least, limit)
		}
	}
	s.accept("good", good)
}

func BenchmarkVerifyCached(b *testing.B) {
	s := newStage(b, nil)
	header := bearerHeader(s.token(nil))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Verify(b.Context(), header); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyFirst(b *testing.B) {
	s := newStage(b, nil)
	header := bearerHeader(s.token(nil))
	keys, err := session.KeysFromPEM(s.PublicKeyPEM())
	if err != nil {
		b.Fatal(err)
	}
	rules := session.Verification{Issuer: s.Issuer(), Now: s.clock.Now}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := session.NewVerifier(keys, rules).Verify(b.Context(), header); err != nil {
			b.Fatal(err)
		}
	}
}
