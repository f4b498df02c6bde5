package server

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// paced takes each write after a pause, and notes the deadline that it had.
type paced struct {
	http.ResponseWriter
	pause     time.Duration
	deadline  time.Time
	deadlines []time.Duration // left at each write
}

func (p *paced) SetWriteDeadline(t time.Time) error {
	p.deadline = t
	return nil
}

func (p *paced) Write(data []byte) (int, error) {
	p.deadlines = append(p.deadlines, time.Until(p.deadline))
	<-time.After(p.pause)
	if !p.deadline.IsZero() && time.Now().After(p.deadline) {
		return 0, http.ErrHandlerTimeout
	}
	return p.ResponseWriter.Write(data)
}

// A reader who takes a piece now and then has until the end; one who takes nothing is cut
// after the time for a piece.
func TestTheDeadlineOfAResponseMovesWithItsReader(t *testing.T) {
	t.Parallel()
	const stall, whole = 10 * time.Second, 30 * time.Second
	large := bytes.Repeat([]byte("x"), 5*pieceMax+1)
	for _, c := range []struct {
		name  string
		data  []byte
		pause time.Duration
		took  time.Duration
		whole bool
	}{
		{"at once", large, 0, 0, true},
		{"slowly", large, 4 * time.Second, 24 * time.Second, true},
		{"too slowly for the whole", large, 9 * time.Second, 36 * time.Second, false},
		{"not at all", large, 11 * time.Second, 11 * time.Second, false},
		{"a small one", large[:pieceMax], 20 * time.Second, 20 * time.Second, true}, // the server's own deadline holds
	} {
		synctest.Test(t, func(t *testing.T) {
			recorder := httptest.NewRecorder()
			w := &paced{ResponseWriter: recorder, pause: c.pause}
			began := time.Now()
			var wrote int
			var err error
			withProgress(stall, whole, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				wrote, err = w.Write(c.data)
			})).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
			if got := time.Since(began); got != c.took {
				t.Errorf("%s: took %v, want %v", c.name, got, c.took)
			}
			if (err == nil) != c.whole || wrote != recorder.Body.Len() || c.whole && !bytes.Equal(recorder.Body.Bytes(), c.data) {
				t.Errorf("%s: %d of %d bytes were written, %v", c.name, wrote, len(c.data), err)
			}
			for i, left := range w.deadlines {
				if len(c.data) > pieceMax && (left <= 0 || left > stall) {
					t.Errorf("%s: piece %d has %v", c.name, i, left)
				}
			}
			if c.whole && len(c.data) > pieceMax && !w.deadline.Equal(began.Add(whole)) {
				t.Errorf("%s: what is left has until %v, want %v", c.name, w.deadline.Sub(began), whole)
			}
		})
	}
}

// Nothing of a response is lost in pieces, over either protocol.
func TestALargeResponseArrivesWhole(t *testing.T) {
	t.Parallel()
	large := bytes.Repeat([]byte("0123456789"), 100_000)
	server := httptest.NewUnstartedServer(nil)
	server.Config = APIServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(large) // the reader checks
	}), (&logged{}).logger(), DefaultTimeouts())
	server.Start()
	t.Cleanup(server.Close)
	two := &http.Transport{Protocols: new(http.Protocols)}
	two.Protocols.SetUnencryptedHTTP2(true)
	for name, over := range map[string]*http.Transport{"HTTP/1.1": {}, "HTTP/2": two} {
		t.Cleanup(over.CloseIdleConnections)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the connection is used again
			answer, err := over.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if err != nil || !bytes.Equal(got, large) {
				t.Errorf("%s: %d of %d bytes, %v", name, len(got), len(large), err)
			}
		}
	}
}
