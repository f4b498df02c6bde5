package jobs_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/jobs"
)

func TestEightAttemptsTakeHours(t *testing.T) {
	t.Parallel()
	var total time.Duration
	for attempt := 1; attempt < 8; attempt++ {
		wait := jobs.Backoff(attempt)
		if wait < time.Second || wait > 3*time.Hour {
			t.Errorf("after attempt %d: %v", attempt, wait)
		}
		total += wait
	}
	if total < time.Hour || total > 12*time.Hour || jobs.Backoff(1000) != 3*time.Hour {
		t.Errorf("%v in all", total)
	}
}

func TestOpenRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	x := newStage(t, nil)
	for name, o := range map[string]jobs.Options{
		"not a URL":        {URL: "postgres://u:not-the-password@%zz/x"},
		"nobody there":     {URL: "postgres://u:not-the-password@127.0.0.1:1/x"},
		"simple protocol":  {URL: x.db.AppURL + "&default_query_exec_mode=simple_protocol"},
		"two jobs alike":   {URL: x.db.AppURL, Jobs: []jobs.Job{{Name: "a", Do: nothingDone}, {Name: "a", Do: nothingDone}}},
		"a job of no name": {URL: x.db.AppURL, Jobs: []jobs.Job{{Do: nothingDone}}},
		"a job to no end":  {URL: x.db.AppURL, Jobs: []jobs.Job{{Name: "a"}}},
		"rescue too early": {URL: x.db.AppURL, Timeout: time.Minute, Rescue: time.Second},
	} {
		o.Log = slog.New(slog.DiscardHandler)
		if c, err := jobs.Open(t.Context(), o); err == nil {
			c.Close()
			t.Errorf("%s: opened", name)
		} else if strings.Contains(err.Error(), "not-the-password") || strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: the error quotes the URL: %v", name, err)
		}
	}
	x.exec(`DROP TABLE river_migration`)
	_, err := jobs.Open(t.Context(), jobs.Options{URL: x.db.AppURL, Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "migrate up") {
		t.Errorf("without the job tables: %v", err)
	}
}
