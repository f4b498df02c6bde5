package audit

import (
	"testing"
	"time"
)

func TestIDsOfAPeriodAreThoseOfItsMilliseconds(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 20, 12, 0, 0, 123_456_789, time.UTC)
	f := filter{since: &at, until: &at}
	if got, want := f.lowest().String(), "01a1f8d3-ea7b-0000-0000-000000000000"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := f.highest().String(), "01a1f8d3-ea7c-0000-0000-000000000000"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
