package inbox

import (
	"fmt"
	"testing"
	"time"
)

// A storm about one subject costs two fetches a second, and others wait for none of them.
func TestFetchesOfASubjectAreApart(t *testing.T) {
	t.Parallel()
	var f fetches
	of := deliveryJob{Consumer: "c", Party: "org_1", Subject: "s"}
	start := time.Now()
	end, _ := f.begin(of, start)
	if end == nil {
		t.Fatal("the first does not begin")
	}
	for name, other := range map[string]deliveryJob{
		"consumer": {Consumer: "d", Party: "org_1", Subject: "s"}, "party": {Consumer: "c", Party: "org_2", Subject: "s"},
		"subject": {Consumer: "c", Party: "org_1", Subject: "t"},
	} {
		if end, _ := f.begin(other, start); end == nil {
			t.Errorf("another %s has to wait", name)
		}
	}
	later := start.Add(time.Hour)
	if end, wait := f.begin(of, later); end != nil || wait <= 0 {
		t.Errorf("while one is running another begins, or waits %v", wait)
	}
	end()
	if end, wait := f.begin(of, start.Add(fetchApart-time.Millisecond)); end != nil || wait <= 0 || wait > fetchApart {
		t.Errorf("a moment later another begins, or waits %v", wait)
	}
	if end, _ := f.begin(of, start.Add(fetchApart)); end == nil {
		t.Error("it never begins again")
	}
}

func TestNoMoreSubjectsAreRememberedThanMayBe(t *testing.T) {
	t.Parallel()
	var f fetches
	start := time.Now()
	for i := range fetchesMax {
		end, _ := f.begin(deliveryJob{Subject: fmt.Sprint(i)}, start)
		if i > 0 { // the first is running
			end()
		}
	}
	f.begin(deliveryJob{Subject: "one more"}, start.Add(fetchApart))
	if n := len(f.all); n != 2 {
		t.Errorf("%d are remembered, want the one that is running and the new one", n)
	}
}
