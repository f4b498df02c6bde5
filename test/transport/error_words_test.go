package transport

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/stacktest"
)

func TestTheLogHoldsNoAddressOfACaller(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	exit := fault.NewExit(slog.New(slog.NewJSONHandler(&log, nil)), func(fault.Outcome) {})
	stalled := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusGatewayTimeout)
		_, _ = fmt.Fprint(w, `{"code":"deadline_exceeded","message":"read tcp 192.0.2.1:80->192.0.2.7:9: i/o timeout"}`)
	})
	answer := httptest.NewRecorder()
	exit.Handler(stalled).ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/", nil))
	if text := log.String() + answer.Body.String(); strings.Contains(text, "192.0.2.7") || !strings.Contains(text, "DEADLINE_EXCEEDED") {
		t.Errorf("got %s", text)
	}
}

func TestOptionsOfTheWholeServerCarryARequestID(t *testing.T) {
	t.Parallel()
	wire := stacktest.New(t, nil).Dial()
	wire.Say("OPTIONS * HTTP/1.1\r\nHost: teamtask\r\n\r\n")
	if got := wire.Hear(); got.Header.Get(fault.RequestIDHeader) == "" {
		t.Errorf("got %d %v", got.Status, got.Header)
	}
}
