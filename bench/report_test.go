package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func twoRounds() [][]lap {
	return [][]lap{
		roundOf(roundOrder, 400, 100, 200, 200, 100, 400),
		roundOf(roundOrder, 400, 100, 200, 200, 100, 400),
	}
}

func TestRowHoldsMediansAndRatios(t *testing.T) {
	t.Parallel()
	r := newRow(getTask, overGRPC, twoRounds())
	for name, c := range map[string]struct{ got, want float64 }{
		"rps":               {r.RPS, 100},
		"p50":               {r.P50, 1},
		"p99":               {r.P99, 2},
		"rss":               {r.RSSMiB, 100},
		"calls":             {float64(r.Calls), 400},
		"echo":              {r.RatioEchoFloor, 0.25},
		"query":             {r.RatioQueryFloor, 0.5},
		"cpu":               {r.QueryFloor.RatioCPU.Median, 0.5},
		"p99 ratio":         {r.QueryFloor.RatioP99.Median, 1},
		"pairs":             {float64(r.EchoFloor.Pairs), 4},
		"slices of a floor": {float64(r.QueryFloor.Slices), 4},
		"others":            {r.OthersShare, 0.25},
	} {
		if math.Abs(c.got-c.want) > 1e-9 {
			t.Errorf("%s: got %v, want %v", name, c.got, c.want)
		}
	}
}

func TestFileHasTheNamesThatOthersRelyOn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bench.json")
	r := report{Commit: "abc", Time: time.Unix(0, 0).UTC(), Rows: []row{newRow(getTask, connectJSON, twoRounds())}}
	for range 2 { // the second replaces the first
		if err := r.write(path); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Commit            string
		Versions, Machine map[string]any
		Rows              []map[string]any
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Commit != "abc" || got.Versions["postgres"] == nil || got.Machine["cores"] == nil || len(got.Rows) != 1 {
		t.Fatalf("got %s", text)
	}
	if got.Rows[0]["op"] != "GetTask" || got.Rows[0]["protocol"] != "connect-json" {
		t.Errorf("got %v over %v", got.Rows[0]["op"], got.Rows[0]["protocol"])
	}
	for _, name := range []string{"rps", "p50_ms", "p99_ms", "rss_mib", "ratio_echo_floor", "ratio_query_floor"} {
		if _, ok := got.Rows[0][name].(float64); !ok {
			t.Errorf("%s: got %v", name, got.Rows[0][name])
		}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("beside the file: %v, %v", entries, err)
	}
}

func TestWhatIsNoNumberIsNotWritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bench.json")
	r := report{Rows: []row{newRow(getTask, connectJSON, nil)}}
	if err := r.write(path); err == nil {
		t.Error("a row of nothing was written")
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file: %v", err)
	}
}

func TestTableNamesEveryRow(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	r := report{Rows: []row{newRow(getTask, connectJSON, twoRounds()), newRow(listTasks, overGRPC, twoRounds())}}
	r.print(&out)
	for _, want := range []string{"GetTask    connect-json  product", "ListTasks  grpc          query floor", "0.50 (0.50..0.50)"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
