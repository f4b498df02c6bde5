package server

import (
	"errors"
	"net/http"
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
