package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/teamtask/teamtask/internal/fault"
)

func TestDrainingIsNotBlamedOnTheDatabase(t *testing.T) {
	t.Parallel()
	if err := notReady(errDraining); !errors.Is(err, errDraining) || errors.Is(err, fault.DatabaseUnavailable) {
		t.Errorf("draining: got %v", err)
	}
	if err := notReady(errors.New("refused")); !errors.Is(err, fault.DatabaseUnavailable) {
		t.Errorf("anything else: got %v", err)
	}
}

func TestAnAddressThatCannotBeListenedOnIsNotQuoted(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"192.0.2.7:1", "canary.invalid:8080"} {
		_, err := listen(address, "LISTEN_ADDR", &http.Server{})
		if err == nil || !strings.Contains(err.Error(), "LISTEN_ADDR") {
			t.Fatalf("%s: got %v, want an error that names the variable", address, err)
		}
		if strings.Contains(err.Error(), "192.0.2.7") || strings.Contains(err.Error(), "canary") {
			t.Errorf("the error quotes the variable: %v", err)
		}
	}
}

func TestMigrationsRefuseTwoDatabases(t *testing.T) {
	t.Setenv("MIGRATE_DATABASE_URL", "postgres://o@127.0.0.1:1/one")
	t.Setenv("DATABASE_URL", "postgres://a@127.0.0.1:1/two")
	if err := (migrateUpCommand{}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "different databases") {
		t.Errorf("got %v", err)
	}
}

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
	wire := newStack(t, nil).dial()
	wire.say("OPTIONS * HTTP/1.1\r\nHost: teamtask\r\n\r\n")
	if got := wire.hear(); got.header.Get(fault.RequestIDHeader) == "" {
		t.Errorf("got %d %v", got.status, got.header)
	}
}
