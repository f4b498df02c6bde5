package settings_test

import (
	"testing"
)

func TestTheEndpointIsTheBaseOrTheAddressOfTraces(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]map[string]string{
		"":                                  nil,
		"http://collector:4318/v1/traces":   {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"},
		"https://c.example.com/x/v1/traces": {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c.example.com/x/"},
		"https://c.example.com/other":       {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://c.example.com/other"},
	} {
		if c, err := read(t, change); err != nil || c.TracesTo != want {
			t.Errorf("%v: %q, %v; want %q", change, c.TracesTo, err, want)
		}
	}
}
