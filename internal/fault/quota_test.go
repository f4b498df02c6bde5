package fault

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
)

// refuses makes a call from an address, by a person unless it is "", that is refused.
func refuses(t *testing.T, x *Exit, peer, person string, err error) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/x.v1.X/Y", nil)
	r.RemoteAddr = peer
	r.Header.Set("Content-Type", "application/json")
	x.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if person != "" {
			Identify(r.Context(), "org_a", person)
		}
		x.Refuse(w, r, err)
	})).ServeHTTP(httptest.NewRecorder(), r)
}

// bounded is an exit whose log a test reads, line by line.
func bounded(level slog.Level) (x *Exit, lines func(message string) []map[string]any, leftOut *int) {
	var log bytes.Buffer
	leftOut = new(int)
	x = NewExit(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: level})), func(Outcome) {})
	x.OnLeftOut(func(n int) { *leftOut += n })
	return x, func(message string) (found []map[string]any) {
		for line := range strings.Lines(log.String()) {
			var fields map[string]any
			if json.Unmarshal([]byte(line), &fields) == nil && fields["msg"] == message {
				found = append(found, fields)
			}
		}
		return found
	}, leftOut
}

var denied = New(connect.CodeUnauthenticated, teamtaskv1.Reason_REASON_UNAUTHENTICATED, "no")

// Refusals cost their caller nothing, so nobody makes more than a few lines a minute of
// them; how many there were is known.
func TestRefusalsOfOneCallerAreBoundedInTheLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x, lines, leftOut := bounded(slog.LevelInfo)
		const calls = 500
		for i := range calls {
			refuses(t, x, fmt.Sprintf("192.0.2.1:%d", 1024+i), "", denied)
		}
		if n := len(lines("refused")); n != callerLines {
			t.Errorf("%d lines of one address, want %d", n, callerLines)
		}
		refuses(t, x, "192.0.2.2:1", "", denied)
		refuses(t, x, "192.0.2.1:1", "user_a", denied) // who is known by name, not by address
		if n := len(lines("refused")); n != callerLines+2 {
			t.Errorf("%d lines, want one more of another address and of a person", n)
		}
		for i := range calls {
			refuses(t, x, fmt.Sprintf("198.51.100.%d:1", i%256), "user_a", denied)
		}
		if n := len(lines("refused")); n != 2*callerLines+1 {
			t.Errorf("%d lines, want %d of the person however many addresses", n, callerLines)
		}
		<-time.After(quotaWindow)
		synctest.Wait()
		got := lines("refusals left out of the log")
		want := 2*calls + 2 - 2*callerLines - 1
		if len(got) != 1 || got[0]["lines"] != float64(want) || got[0]["callers"] != 2.0 || *leftOut != want {
			t.Errorf("reported %v and %d, want %d lines of 2 callers once", got, *leftOut, want)
		}
		refuses(t, x, "192.0.2.1:1", "", denied)
		if n := len(lines("refused")); n != 2*callerLines+2 {
			t.Error("the next minute does not begin anew")
		}
		<-time.After(2 * quotaWindow)
		if n := len(lines("refusals left out of the log")); n != 1 {
			t.Errorf("%d reports, want none of a minute that left nothing out", n)
		}
	})
}

// Callers without end make neither lines nor memory without end.
func TestRefusalsOfAllCallersAreBoundedInTheLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x, lines, _ := bounded(slog.LevelInfo)
		for i := range 5 * callersMax {
			for range 3 {
				refuses(t, x, fmt.Sprintf("[2001:db8:%x:%x::1]:9", i/100, i%100), "", denied)
			}
		}
		if n := len(lines("refused")); n > callersMax+1+allLines || n < callersMax {
			t.Errorf("%d lines", n)
		}
		if n := len(x.quota.callers); n > callersMax+1 {
			t.Errorf("%d callers are remembered", n)
		}
		x.Close()
		if n := len(lines("refusals left out of the log")); n != 1 {
			t.Errorf("%d reports at the end, want 1", n)
		}
		x.Close()
		if n := len(lines("refusals left out of the log")); n != 1 {
			t.Errorf("%d reports after it", n)
		}
	})
}

// A provider or a database that is away makes a line of every call.
func TestOutagesAreBoundedInTheLogAndFailuresOfOursAreNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x, lines, _ := bounded(slog.LevelInfo)
		for range 200 {
			refuses(t, x, "192.0.2.1:1", "", DatabaseUnavailable)
			refuses(t, x, "192.0.2.1:1", "", context.DeadlineExceeded)
			refuses(t, x, "192.0.2.1:1", "", fmt.Errorf("a mistake of ours"))
		}
		if n := len(lines("refused")); n != callerLines {
			t.Errorf("%d lines of an outage, want %d", n, callerLines)
		}
		if n := len(lines("internal error")); n != 200 {
			t.Errorf("%d lines of internal errors, want all: the caller has been given an id to ask for", n)
		}
		x.Close()
	})
}

func TestAtLevelDebugEveryRefusalHasItsLine(t *testing.T) {
	t.Parallel()
	x, lines, leftOut := bounded(slog.LevelDebug)
	for range 3 * callerLines {
		refuses(t, x, "192.0.2.1:1", "", denied)
	}
	if n := len(lines("refused")); n != 3*callerLines || *leftOut != 0 {
		t.Errorf("%d lines, %d left out", n, *leftOut)
	}
}

func TestAHostIsKnownByWhatItCannotChoose(t *testing.T) {
	t.Parallel()
	for peer, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1", "192.0.2.1:81": "192.0.2.1", "[::ffff:192.0.2.1]:80": "192.0.2.1",
		"[2001:db8::1]:80": "2001:db8::/64", "[2001:db8::2]:80": "2001:db8::/64", "[2001:db8:0:1::1]:80": "2001:db8:0:1::/64",
		"[fe80::1%eth0]:80": "fe80::/64", "": "unknown", "@": "unknown", "192.0.2.1": "unknown",
	} {
		if got := addressOf(peer); got != want {
			t.Errorf("%q: %q, want %q", peer, got, want)
		}
	}
}
