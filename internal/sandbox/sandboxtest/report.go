package sandboxtest

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"
)

// Report is the response of GET /sandbox/webhooks.
type Report struct {
	Sent, Pending, Failed, Dropped int
	RetryMS                        []int64 `json:"retry_ms"`
	Settings                       struct{ Drop json.RawMessage }
	Deliveries                     []struct {
		ID, Type, Status, Problem string
		Attempts, Answer          int
		Event                     struct{ Type string }
	}
}

// Report returns what became of the deliveries.
func (b Clerk) Report(t *testing.T) Report {
	t.Helper()
	var r Report
	if err := json.Unmarshal([]byte(Send(t, http.MethodGet, b.URL+"/sandbox/webhooks", "").Body), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// WaitForReport waits until is reports true for the report.
func (b Clerk) WaitForReport(t *testing.T, what string, is func(Report) bool) Report {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(Soon)
	for {
		r := b.Report(t)
		if is(r) {
			return r
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%s: %+v", what, r)
		}
	}
}
